"""The client against a service that is down, refuses the token, is busy, or refuses one of many items."""

import asyncio
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from apart import ITEMS
from proofmill_rewards.client import Batcher, ProofmillError, Settings, item, verify


def told(settings: Settings) -> str:
    try:
        verify([item("math", {"answer": "5"}, "5")], settings)
    except ProofmillError as error:
        return str(error)
    return ""


class Busy(BaseHTTPRequestHandler):
    """Answers 429, then 503, then with verdicts."""

    requests = 0

    def log_message(self, *arguments: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Busy.requests += 1
        status = {1: 429, 2: 503}.get(Busy.requests, 200)
        answer = json.dumps({"verdicts": [{"status": "verified", "reason": ""}] * len(body["items"])}).encode()
        self.send_response(status)
        self.send_header("Retry-After", "0.01")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
threading.Thread(target=server.serve_forever, daemon=True).start()
busy = Settings(f"http://127.0.0.1:{server.server_address[1]}")
good = item("math", {"answer": "5"}, "\\boxed{5}")
after_busy = [verdict.status for verdict in verify([good] * 3, busy)]
Busy.requests = 10


async def singles() -> int:
    batcher = Batcher(busy)
    verdicts = await asyncio.gather(*(batcher.verify(good) for _ in range(300)))
    assert all(verdict.reward == 1.0 for verdict in verdicts)
    return Busy.requests - 10


num_requests = asyncio.run(singles())
too_long = next(one for one in ITEMS if one["name"] == "too long")
mixed = verify([good] * 63 + [item("math", too_long["reference"], too_long["text"])])
print(
    json.dumps(
        {
            "down": told(Settings(os.environ["PROOFMILL_DOWN"], patience_s=0.1)),
            "wrong token": told(Settings(os.environ["PROOFMILL_URL"], token="not-it")),
            "busy then there": after_busy,
            "requests of 300 single checks": num_requests,
            "one in 64 refused": [verdict.reward for verdict in mixed],
        }
    )
)
