"""Problem files on object storage, read from a real S3 server process on loopback."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import sys
import time
import urllib.request

import boto3
import pyarrow as pa
import pyarrow.parquet
import pytest

from jobs.config import Problems
from jobs.problems.errors import ProblemFileError
from jobs.problems.load import check_problems, stream_problems


def row(name: str) -> dict:
    return {"id": name, "kind": "math", "prompt": "What is 2 + 2?", "reference": {"answer": "4"}}


@pytest.fixture(scope="module")
def bucket():
    """A bucket of an own moto server; endpoint and credentials are in the environment, as a user would have them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    patch = pytest.MonkeyPatch()
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "AWS_CA_BUNDLE"):
        patch.delenv(name, raising=False)
    patch.setenv("AWS_ENDPOINT_URL", url)
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(url, timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, "the S3 server ended"
                time.sleep(0.1)
        client = boto3.client("s3")
        client.create_bucket(Bucket="sets")
        line = json.dumps(row("plain")) + "\n"
        client.put_object(Bucket="sets", Key="night/a.jsonl", Body=line.encode())
        client.put_object(Bucket="sets", Key="night/b.jsonl.gz", Body=gzip.compress(json.dumps(row("packed")).encode()))
        client.put_object(Bucket="sets", Key="night/deep/c.jsonl", Body=json.dumps(row("deep")).encode())
        client.put_object(Bucket="sets", Key="night/README.md", Body=b"not problems")
        sink = pa.BufferOutputStream()
        pa.parquet.write_table(pa.Table.from_pylist([row("columnar")]), sink)
        data = sink.getvalue().to_pybytes()
        client.put_object(Bucket="sets", Key="night/d.parquet", Body=data)
        client.put_object(Bucket="sets", Key="bad/cut.parquet", Body=data[:-50])
        yield "s3://sets"
    finally:
        server.terminate()
        server.wait(10)
        patch.undo()


def ids(*files: str) -> list[str]:
    config = Problems(files=list(files))
    check_problems(config)
    return [problem.id for problem in stream_problems(config)]


def test_object_folder_and_globs(bucket):
    assert ids(f"{bucket}/night/a.jsonl") == ["plain"]
    assert ids(f"{bucket}/night") == ["plain", "packed", "columnar", "deep"]
    assert ids(f"{bucket}/night/*.jsonl") == ["plain"]
    assert ids(f"{bucket}/night/?.jsonl*") == ["plain", "packed"]
    assert ids(f"{bucket}/night/**/*.jsonl") == ["plain", "deep"]
    assert ids(f"{bucket}/night/**") == ids(f"{bucket}/night")
    assert ids(f"{bucket}/nigh*/**") == ids(f"{bucket}/night")
    assert ids(f"{bucket}/*/[cd].parquet") == ["columnar"]


def test_faults_name_the_object(bucket):
    for uri, expected in (
        (f"{bucket}/night/none.jsonl", "none.jsonl: no such object"),
        (f"{bucket}/night/*.csv", "no object matches"),
        (f"{bucket}/bad/cut.parquet", "bad/cut.parquet: not a readable Parquet file"),
        ("s3://no-such-bucket/a.jsonl", "no-such-bucket"),
        ("s3://", "no bucket in this URI"),
    ):
        with pytest.raises(ProblemFileError) as caught:
            ids(uri)
        assert expected in str(caught.value)
