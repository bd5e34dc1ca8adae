"""What goes into a submitted job's package, and what must not."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest

from jobs.config import ConfigError, check_config
from jobs.submit.package import plan_package, zip_package
from runstore.code_revision import PACKAGES

TABLE = {
    "run": {"id": "r1"},
    "problems": {"files": ["data/*.jsonl", "s3://bucket/set.parquet", "/shared/set.jsonl"]},
    "model": {"path": "models/tiny"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.jsonl").write_text("{}\n")
    (tmp_path / "data/b.jsonl").write_text("{}\n")
    (tmp_path / "data/unlisted.csv").write_text("x\n")
    (tmp_path / "models/tiny").mkdir(parents=True)
    (tmp_path / "models/tiny/config.json").write_text("{}")
    (tmp_path / "run.toml").write_text("# config\n")
    (tmp_path / ".env").write_text("AWS_SECRET_ACCESS_KEY=do-not-travel\n")
    return tmp_path


def plan(folder: Path, **options):
    config = check_config(options.pop("table", TABLE), "test")
    return plan_package(folder / "run.toml", config, folder=folder, **options)


def test_only_code_config_and_named_files_go(folder: Path) -> None:
    package = plan(folder)
    paths = [entry.path for entry in package.entries]
    ours = [path for path in paths if path.split("/")[0] not in PACKAGES]
    assert ours == ["data/a.jsonl", "data/b.jsonl", "models/tiny/config.json", "run.toml"]
    assert {path.split("/")[0] for path in paths} >= set(PACKAGES)
    assert "jobs/cli.py" in paths and "verifiers/types.py" in paths
    assert not [path for path in paths if "__pycache__" in path or path.endswith(".pyc")]
    assert any("/shared/set.jsonl is absolute" in note for note in package.notes)


def test_every_pool_takes_its_folder_its_adapter_and_its_examples_along(folder: Path) -> None:
    for name in (
        "models/large/config.json",
        "adapters/sums/adapter_config.json",
        "shots/small.jsonl",
        "shots/all.jsonl",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}\n")
    head = {"run": {"id": "r1"}, "problems": {"files": ["data/a.jsonl"]}, "prompt": {"examples": "shots/all.jsonl"}}
    pools = {
        "small": {"path": "models/tiny", "prompt": {"examples": "shots/small.jsonl"}},
        "large": {"path": "models/large", "lora": "adapters/sums"},
        "idle": {"path": "models/never"},
    }
    stages = [{"model": "small", "samples": 2}, {"model": "large", "samples": 1}]
    table = {**head, "models": pools, "cascade": {"stages": stages}}
    paths = [entry.path for entry in plan(folder, table=table).entries]
    assert [path for path in paths if path.split("/")[0] not in PACKAGES] == [
        *("adapters/sums/adapter_config.json", "data/a.jsonl", "models/large/config.json", "models/tiny/config.json"),
        *("run.toml", "shots/all.jsonl", "shots/small.jsonl"),
    ]
    pools["large"]["lora"] = "adapters/none"
    with pytest.raises(ConfigError, match=r"models\.large\.lora: nothing matches adapters/none"):
        plan(folder, table=table)


def test_the_adapter_of_the_one_model_goes_too(folder: Path) -> None:
    (folder / "adapter").mkdir()
    (folder / "adapter/adapter_config.json").write_text("{}")
    table = {**TABLE, "model": {"path": "models/tiny", "lora": "adapter"}}
    assert "adapter/adapter_config.json" in [entry.path for entry in plan(folder, table=table).entries]


def test_the_zip_holds_the_listed_files_and_depends_on_content_only(folder: Path) -> None:
    package = plan(folder)
    first = zip_package(package)
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.namelist() == [entry.path for entry in package.entries]
        assert archive.read("run.toml") == b"# config\n"
        assert b"do-not-travel" not in b"".join(archive.read(name) for name in archive.namelist() if "data" in name)
    os.utime(folder / "run.toml", (1, 1))
    assert hashlib.sha256(zip_package(plan(folder))).digest() == hashlib.sha256(first).digest()
    (folder / "run.toml").write_text("# other\n")
    assert zip_package(plan(folder)) != first


@pytest.mark.parametrize("name", [".env", "data/server.pem", "models/tiny/id_rsa"])
def test_a_secret_is_refused_even_when_asked_for(folder: Path, name: str) -> None:
    (folder / name).write_text("secret")
    with pytest.raises(ConfigError, match="looks like a secret"):
        plan(folder, include=[name])


def test_too_large_names_the_largest(folder: Path) -> None:
    (folder / "data/a.jsonl").write_bytes(b"x" * 9_000_000)
    with pytest.raises(ConfigError, match=r"data/a\.jsonl \(9\.0 MB\)"):
        plan(folder, max_mb=8)
    assert plan(folder, max_mb=8, exclude=["a.jsonl"])


def test_missing_and_outside_files_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="nothing matches nowhere/"):
        plan(folder, include=["nowhere/*"])
    inner = folder / "inner"
    inner.mkdir()
    (inner / "run.toml").write_text("")
    config = check_config({**TABLE, "problems": {"files": ["../data/a.jsonl"]}}, "test")
    with pytest.raises(ConfigError, match="lies outside"):
        plan_package(inner / "run.toml", config, folder=inner)


def test_a_link_out_of_the_folder_does_not_travel(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "passwd"
    outside.write_text("root")
    (folder / "models/tiny/leak").symlink_to(outside)
    assert "models/tiny/leak" not in [entry.path for entry in plan(folder).entries]
    (folder / "data/leak.jsonl").symlink_to(outside)
    with pytest.raises(ConfigError, match="lies outside"):
        plan(folder)


def test_a_config_elsewhere_is_taken_along(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    config_file = tmp_path_factory.mktemp("elsewhere") / "night.toml"
    config_file.write_text("")
    package = plan_package(config_file, check_config(TABLE, "test"), folder=folder)
    assert package.config_path == "submitted/night.toml"
