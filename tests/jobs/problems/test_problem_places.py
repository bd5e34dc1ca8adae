"""Folders, compressed files, `save_to_disk`, and file systems that fsspec reaches."""

from __future__ import annotations

import bz2
import functools
import gzip
import json
import lzma
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from jobs.config import Problems
from jobs.export.evaluation import read_items
from jobs.export.settings import Decontaminate
from jobs.problems.errors import ProblemFileError
from jobs.problems.load import check_problems, stream_problems
from jobs.problems.patterns import fits
from jobs.problems.places import find_sources, shown


def lines(*names: str) -> bytes:
    found = [{"id": name, "kind": "math", "prompt": f"{name}?", "reference": {"answer": "4"}} for name in names]
    return "".join(json.dumps(row) + "\n" for row in found).encode()


def ids(*files: object, **table) -> list[str]:
    return [problem.id for problem in stream_problems(Problems(files=[str(file) for file in files], **table))]


def refused(*files: object, **table) -> str:
    with pytest.raises(ProblemFileError) as caught:
        check_problems(Problems(files=[str(file) for file in files], **table))
    return str(caught.value)


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_files_whole_in_members_and_cut(tmp_path, suffix):
    file, compress = tmp_path / f"set.jsonl{suffix}", COMPRESS[suffix]
    # Two members behind each other are one file, as `cat a.zst b.zst` makes them.
    file.write_bytes(compress(lines("a", "b")) + compress(lines("c")))
    assert ids(file) == ["a", "b", "c"]
    many = compress(lines(*(f"p{number}" for number in range(3000))))
    file.write_bytes(many[: len(many) // 2])
    assert "data after line" in refused(file)
    file.write_bytes(b"no such data")
    assert str(file) in refused(file)


def test_tab_separated_values_keep_commas(tmp_path):
    file = tmp_path / "set.tsv"
    file.write_text("problem\tanswer\nWhat is 1,000 + 1?\t1001\n")
    assert [problem.prompt for problem in stream_problems(Problems(files=[str(file)]))] == ["What is 1,000 + 1?"]


def test_a_folder_is_searched_in_depth_and_says_what_it_leaves_out(tmp_path):
    """A clone of a data set: files below data/, descriptions beside them, git's own files, an empty shard."""
    for name, data in {
        "data/train-00000-of-00002.jsonl": lines("a"),
        "data/train-00001-of-00002.jsonl": b"",
        "more/deep/x.jsonl.gz": gzip.compress(lines("b")),
        "dataset_info.json": b'{"features": {}}',
        "notes.json": b'{"made": "by hand"}',
        ".git/x.jsonl": lines("hidden"),
        "README.md": b"words",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    summary = check_problems(Problems(files=[str(tmp_path)]))
    assert ids(tmp_path) == ["a", "b"] and summary.num_problems == 2
    assert summary.strays == (str(tmp_path / "notes.json"),)
    assert f"{tmp_path / 'notes.json'}: no problem file, left out" in summary.describe()
    # What is named by itself is not left out, and neither is a folder without any problem.
    assert "unknown layout" in refused(tmp_path / "notes.json")
    for path in [*tmp_path.rglob("*.jsonl"), *tmp_path.rglob("*.gz")]:
        path.unlink()
    assert "unknown layout" in refused(tmp_path)


def test_a_set_of_empty_files_only_is_refused(tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).touch()
    assert refused(tmp_path).count("the file has no rows") == 2


def test_a_last_double_star_is_all_that_lies_below(tmp_path, monkeypatch):
    """It gives what the folder gives: files of known formats, in any depth, none of them hidden."""
    for name in ("a.jsonl", "deep/b.jsonl", "deep/er/c.jsonl.gz", ".hidden/d.jsonl", "deep/.e.jsonl"):
        file = tmp_path / "sets" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        data = lines(file.name.partition(".")[0] or "hidden")
        file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    (tmp_path / "sets" / "README.md").write_text("about")
    (tmp_path / "sets" / "about.json").write_text('{"version": 1}')
    assert ids(tmp_path / "sets") == ids(tmp_path / "sets" / "**") == ids(tmp_path / "s*" / "**") == ["a", "b", "c"]
    assert ids(tmp_path / "sets" / "deep" / "**") == ["b", "c"]
    monkeypatch.chdir(tmp_path)
    assert ids("sets/**") == ids("./sets/**") == ["a", "b", "c"]
    assert "no file matches" in refused(tmp_path / "none" / "**")


@pytest.mark.parametrize(
    "pattern", ["**", "en/**", "en/a/**", "en/**/*.parquet", "**/x.parquet", "en/*", "*/a/*", "en/**/a/**"]
)
def test_a_pattern_fits_what_it_fits_for_fsspec(pattern):
    """The hub resolves the patterns of a card by fsspec."""
    import fsspec.utils

    expression = re.compile(fsspec.utils.glob_translate(pattern))
    for path in (
        "x.parquet",
        "en",
        "en/x.parquet",
        "en/a/x.parquet",
        "en/a/b/x.parquet",
        "en/b/a/y.csv",
        "fr/a/x.parquet",
    ):
        assert fits(path.split("/"), pattern.split("/")) == bool(expression.match(path)), path


def test_folders_of_save_to_disk(tmp_path):
    import datasets

    rows = [json.loads(line) for line in lines(*(f"p{number}" for number in range(150))).splitlines()]
    whole = datasets.Dataset.from_list(rows)
    whole.save_to_disk(tmp_path / "one", num_shards=2)
    assert ids(tmp_path / "one") == [row["id"] for row in rows]
    datasets.DatasetDict({"test": whole.select([1]), "train": whole.select([2, 3])}).save_to_disk(tmp_path / "two")
    assert ids(tmp_path / "two", split="train") == ["p2", "p3"]
    assert "set problems.split to one of test, train" in refused(tmp_path / "two")
    next((tmp_path / "one").glob("*.arrow")).unlink()
    assert "which is not there" in refused(tmp_path / "one")
    (tmp_path / "two" / "dataset_dict.json").write_text("[]")
    assert "is not what `save_to_disk` writes" in refused(tmp_path / "two")


@pytest.fixture
def web(tmp_path):
    """A web server of a folder. It knows no range requests, as many do not."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler_class = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *arguments: None})
    handler = functools.partial(handler_class, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def signed():
    """A web server that answers by the query: a status, or the problem that it names."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            name = self.path.rpartition("=")[2]
            data = lines(*name.split(","))
            self.send_response(int(name) if name.isdigit() else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data if self.command == "GET" else b"")

        do_HEAD = do_GET

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/p.jsonl?sig=SECRET&ids="
    server.shutdown()
    server.server_close()


def test_addresses_that_differ_in_the_query_are_several_files(signed):
    assert ids(f"{signed}a", f"{signed}b", f"{signed}a") == ["a", "b"]
    sources = find_sources([f"{signed}a", f"{signed}b"])
    assert len({source.label for source in sources}) == len({source.uri for source in sources}) == 2
    assert "SECRET" not in "".join(source.uri + source.label for source in sources)
    # In several parts too, with as many rows as there are.
    table = Problems(files=[f"{signed}a", f"{signed}b"], sources=[{"files": [f"{signed}c"]}])
    assert [problem.id for problem in stream_problems(table)] == ["a", "b", "c"]
    assert [source.num_problems for source in check_problems(table).sources] == [1, 1, 1]
    table = Problems(files=[f"{signed}a"], sources=[{"files": [f"{signed}a"]}])
    with pytest.raises(ProblemFileError, match="name it once"):
        check_problems(table)
    # A bad row of one of them is left out of that one alone.
    table = Problems(files=[f"{signed}a,x", f"{signed}b,a"], skip_bad=True)
    summary = check_problems(table)
    assert [problem.id for problem in stream_problems(table, summary.skipped)] == ["a", "x", "b"]
    # The rows of the second are skipped by number, of which the first has one too.
    assert [source.num_problems for source in summary.sources] == [2, 1]


def test_evaluation_sets_are_read_from_signed_addresses(signed):
    items = list(read_items(Decontaminate(files=[f"{signed}a", f"{signed}b"])))
    assert [item.id for item in items] == ["a", "b"] and len({item.file for item in items}) == 2
    assert "SECRET" not in "".join(item.file for item in items)


@pytest.mark.parametrize(
    ("status", "told"),
    [(401, "401 Unauthorized"), (403, "403 Forbidden"), (404, "404 Not Found"), (500, "500 Internal")],
)
def test_the_answer_of_a_web_server_is_told_without_the_query(signed, status, told):
    text = refused(f"{signed}{status}")
    assert f"the server says {told}" in text and "SECRET" not in text and "glob" not in text


def test_a_web_server_that_is_not_there_is_told_without_the_query():
    text = refused("http://127.0.0.1:9/p.jsonl?sig=SECRET")
    assert "cannot be read" in text and "connect" in text.lower() and "SECRET" not in text and "glob" not in text


@pytest.mark.parametrize("name", ["", "  ", "file://", "file://p.jsonl", "file://./p.jsonl", "file://host/p.jsonl"])
def test_an_empty_path_and_a_host_are_no_folder(tmp_path, monkeypatch, name):
    """To pathlib an empty path is the working directory, which would be read whole."""
    (tmp_path / "p.jsonl").write_bytes(lines("a"))
    monkeypatch.chdir(tmp_path)
    text = refused(name)
    assert ("names the host" if name.strip("file:/ ") else "an empty path") in text or "no path" in text
    with pytest.raises(ProblemFileError):
        find_sources([str(tmp_path / "p.jsonl"), name])
    assert ids(".") == ["a"] and ids(f"file://localhost{tmp_path}/p.jsonl") == ["a"]


@pytest.mark.parametrize("name", ["local://", "memory://", "gs://", "file://?x", "file://#x", "s3://", "http://"])
def test_no_other_scheme_reads_everything_for_an_empty_path(tmp_path, monkeypatch, name):
    (tmp_path / "p.jsonl").write_bytes(lines("a"))
    monkeypatch.chdir(tmp_path)
    assert refused(name)


def test_web_addresses_and_file_uris(tmp_path, web):
    (tmp_path / "set one.jsonl").write_bytes(lines("a"))
    (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(lines("b")))
    table = pa.table({"problem": ["c?"], "answer": ["1"], "unique_id": ["c"]})
    pyarrow.parquet.write_table(table, tmp_path / "set.parquet")
    assert ids(f"file://{tmp_path}/set%20one.jsonl") == ["a"]
    assert ids(f"{web}/set%20one.jsonl?download=true", f"{web}/packed.jsonl.gz") == ["a", "b"]
    assert ids(f"{web}/set.parquet") == ["c"]
    text = refused(f"{web}/none.jsonl?key=hidden")
    assert "cannot be read" in text and "hidden" not in text
    assert "credentials in a URI" in refused("https://me:secret@host/x.jsonl")
    assert "secret" not in refused("https://me:secret@host/x.jsonl")


def test_other_stores_by_fsspec():
    """fsspec's store in memory stands for gs:// and az://, which need a package and an account."""
    import fsspec

    store = fsspec.filesystem("memory")
    store.pipe({"/sets/a.jsonl": lines("a"), "/sets/deep/b.jsonl": lines("b"), "/sets/.hidden/c.jsonl": lines("c")})
    assert ids("memory://sets/a.jsonl") == ["a"]
    assert ids("memory://sets/*.jsonl") == ["a"]
    assert ids("memory://sets") == ids("memory://sets/**") == ["a", "b"]
    assert "no object matches" in refused("memory://sets/none.jsonl")
    assert "pip install gcsfs" in refused("gs://bucket/a.jsonl")
    assert "pip install adlfs" in refused("az://bucket/a.jsonl")
    assert "unknown scheme" in refused("gopher://bucket/a.jsonl")
    store.rm("/sets", recursive=True)


def test_what_may_be_a_key_is_not_shown():
    assert shown("https://me:secret@host/a.jsonl?sig=abc#x") == "https://host/a.jsonl"
    assert (
        shown("az://box/a.jsonl?sv=1&sig=abc") == "az://box/a.jsonl" and shown("gs://b/a?.jsonl") == "gs://b/a?.jsonl"
    )
    assert "abc" not in shown("https://[host/a.jsonl?sig=abc")
    assert find_sources([str(Path(__file__).parents[3] / "examples/problems/demo.jsonl")])[0].label == "demo"
