"""Another team's Ray on this machine, with a Serve application of theirs: `python foreign_ray.py PORT`.

Prints its address once it runs, and ends with its standard input.
"""

from __future__ import annotations

import sys

import ray
from ray import serve


@serve.deployment
class Other:
    def __call__(self, request: object) -> str:
        return "other-team"


def main(port: int) -> None:
    ray.init(address="local", num_cpus=4, include_dashboard=False, object_store_memory=128 << 20, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(Other.options(ray_actor_options={"num_cpus": 0}).bind(), name="other", route_prefix="/other")
    print(f"foreign ray at {ray.get_runtime_context().gcs_address}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]))
