"""A stand-in for the Hugging Face hub on loopback: data sets in memory, with commits, private and gated ones.

It answers what huggingface_hub 2.x asks for when it lists and downloads a data set, creates one and commits files to
it. What it refuses, it refuses with the hub's own error codes in the header X-Error-Code.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_of_the_test"


class StandInHub:
    """`sets` maps a data set to its commits, newest last: commit → file name → bytes."""

    def __init__(self) -> None:
        self.sets: dict[str, dict[str, dict[str, bytes]]] = {}
        self.names: dict[tuple[str, str], str] = {}
        """The commit of a data set's tag or branch, beside `main`, which is the newest commit."""
        self.private: set[str] = set()
        self.gated: set[str] = set()
        self.status = 0
        """An HTTP status with which everything is answered; 0: none."""
        self.downloads: list[str] = []
        """Every file that was downloaded, as `set/file`."""
        self.url = ""

    def commit(self, name: str, files: dict[str, bytes]) -> str:
        """Adds a commit with these files, which stand for the whole data set; returns its id."""
        files = {".gitattributes": b"", **files}
        commits = self.sets.setdefault(name, {})
        digest = hashlib.sha1(repr((name, len(commits), sorted(files.items()))).encode()).hexdigest()
        commits[digest] = files
        return digest


class Handler(BaseHTTPRequestHandler):
    hub: StandInHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.hub.status:
            return self.send(self.hub.status)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.send(401, X_Error_Message="Invalid credentials in Authorization header")
        parts = urllib.parse.urlsplit(self.path).path.strip("/").split("/")[1:]
        if parts == ["validate-yaml"]:
            return self.send_json({"errors": [], "warnings": []})
        if parts == ["repos", "create"]:
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.hub.commit(name, {})
            if asked.get("visibility") == "private" or asked.get("private"):
                self.hub.private.add(name)
            return self.send_json({"url": f"{self.hub.url}/datasets/{name}"})
        name, action = f"{parts[1]}/{parts[2]}", parts[3]
        if action == "preupload":
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return self.send_json({"files": files})
        files = dict(list(self.hub.sets[name].values())[-1])
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        commit = self.hub.commit(name, files)
        return self.send_json({"commitUrl": f"{self.hub.url}/datasets/{name}/commit/{commit}", "commitOid": commit})

    def send_json(self, value: Any) -> None:
        self.send(200, json.dumps(value).encode(), Content_Type="application/json")

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer(self) -> None:
        hub = self.hub
        parts = [urllib.parse.unquote(part) for part in urllib.parse.urlsplit(self.path).path.strip("/").split("/")]
        if parts[0] == "api":
            parts = parts[1:]
        if hub.status:
            return self.send(hub.status)
        if parts[0] != "datasets" or len(parts) < 3:
            return self.send(404)
        name, rest = f"{parts[1]}/{parts[2]}", parts[3:]
        allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        commits = hub.sets.get(name)
        if commits is None or (name in hub.private and not allowed):
            return self.send(401, X_Error_Code="RepoNotFound", X_Error_Message="Repository Not Found")
        wanted = rest[1] if len(rest) > 1 else "main"
        commit = list(commits)[-1] if wanted == "main" else hub.names.get((name, wanted), wanted)
        if commit not in commits:
            return self.send(404, X_Error_Code="RevisionNotFound", X_Error_Message="Invalid rev id")
        files = commits[commit]
        if rest[:1] == ["tree"]:
            listed = [
                {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for path, data in files.items()
            ]
            return self.send(200, json.dumps(listed).encode(), Content_Type="application/json")
        if rest[:1] == ["resolve"]:
            if name in hub.gated and not allowed:
                return self.send(403, X_Error_Code="GatedRepo", X_Error_Message="Access to this data set is restricted")
            return self.send_file(name, commit, "/".join(rest[2:]), files)
        info = {
            "id": name,
            "sha": commit,
            "siblings": [{"rfilename": path} for path in files],
            "private": name in hub.private,
        }
        return self.send(200, json.dumps({**info, "gated": False, "tags": [], "downloads": 0}).encode())

    def send_file(self, name: str, commit: str, path: str, files: dict[str, bytes]) -> None:
        if path not in files:
            return self.send(404, X_Error_Code="EntryNotFound")
        if self.command == "GET":
            self.hub.downloads.append(f"{name}/{path}")
        data = files[path]
        etag = f'"{hashlib.sha1(data).hexdigest()}"'
        return self.send(200, data, ETag=etag, X_Repo_Commit=commit, Content_Type="application/octet-stream")


@contextlib.contextmanager
def stand_in_hub() -> Iterator[StandInHub]:
    hub = StandInHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("HubHandler", (Handler,), {"hub": hub}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
