"""Where the files of one run lie. This is the only description of the keys below `<output.uri>/runs/<run id>`.

    run.json            resolved config, problem set, plan, versions, every start, summary
    epochs/, lease.json which start owns the run
    samples/*.parquet   one row per sample
    problems.parquet    one row per problem
    report.html         the report, and compare.html beside the second of two runs that are compared
    request/            what a client of the service asked for, and how the run's last process ended
    logs/               one file per process
    calls/*.parquet     calls that answer no problem of the set
    tokens/*.parquet    token ids and log-probabilities, where asked for
    selections.parquet  one row per problem and method of selection
    compacted/          large parts made after the run's end; samples/ stays as it is

Promises: a key that was given once keeps its meaning, so that every stored run stays readable.
"""

from __future__ import annotations

RUN = "run.json"
LEASE = "lease.json"
EPOCHS = "epochs/"
SAMPLES = "samples/"
PROBLEMS = "problems.parquet"
REPORT = "report.html"
COMPARISON = "compare.html"
REQUEST = "request/request.json"
REQUEST_PROBLEMS = "request/problems.jsonl"
REQUEST_OUTCOME = "request/outcome.json"
REQUEST_BATCH = "request/batch.json"
REQUEST_CANCELLED = "request/cancelled.json"
REQUEST_LOG = "request/log.txt"
BATCH_OUTPUT = "request/output.jsonl"
BATCH_ERRORS = "request/errors.jsonl"
LOGS = "logs/"
CALLS = "calls/"
TOKENS = "tokens/"
SELECTIONS = "selections.parquet"
COMPACTED = "compacted/"


def run_uri(output_uri: str, run_id: str) -> str:
    """The folder of one run.

    >>> run_uri("s3://bucket/prefix/", "monday")
    's3://bucket/prefix/runs/monday'
    """
    return f"{output_uri.rstrip('/')}/runs/{run_id}"
