"""Folders in the working folder that have the names of our packages: TensorBoard's `runs/` and the like are common."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from runstore.code_revision import PACKAGES

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "configs" / "solve" / "demo.toml"


def folder_in_the_way(tmp_path: Path) -> Path:
    here = tmp_path / "here"
    for name in ("runs", *PACKAGES):
        (here / name).mkdir(parents=True)
    return here


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, **more}


@pytest.fixture(scope="module")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment into which a copy of this tree is installed in editable mode."""
    folder = tmp_path_factory.mktemp("editable")
    copy = folder / "tree"
    copy.mkdir()
    for name in (*PACKAGES, "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            (copy / name).symlink_to(ROOT / name)
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    # What we depend on comes from the environment of the tests, whose own .pth files are not read there.
    packages = next((folder / "venv" / "lib").glob("python*/site-packages"))
    (packages / "tests.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    words = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*words, "--no-build-isolation", "--editable", str(copy)], check=True, env=environment())
    return python


def test_an_editable_install_works_beside_folders_of_our_names(editable: Path, tmp_path: Path) -> None:
    words = [str(editable), "-m", "jobs.cli", "solve", str(DEMO), "--print-config"]
    done = subprocess.run(words, cwd=folder_in_the_way(tmp_path), capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    assert '"id": "demo"' in done.stdout


@pytest.mark.parametrize("name", [name for name in PACKAGES if name != "jobs"])
def test_a_package_in_the_way_is_told_in_one_line(name: str, tmp_path: Path) -> None:
    here = folder_in_the_way(tmp_path)
    (here / name / "__init__.py").touch()
    code = (
        f"import sys; sys.path[:0] = [{str(here)!r}, {str(ROOT)!r}]; from jobs.cli import main; sys.exit(main(['x']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"`{name}` comes from {here / name / '__init__.py'}" in line
