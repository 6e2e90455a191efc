"""Format, lint, types and import contracts hold, and each has been seen to bite."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def run(tool: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / tool), *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def assert_passes(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its settings, to break."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_code_is_formatted() -> None:
    assert_passes(run("ruff", "format", "--check", "."))


def test_the_code_is_linted() -> None:
    assert_passes(run("ruff", "check", "."))


def test_the_types_are_strict() -> None:
    assert_passes(run("mypy"))


def test_imports_go_down_the_stairs() -> None:
    assert_passes(run("lint-imports", "--no-cache"))


def test_a_badly_formatted_file_is_found(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "a.py").write_text('x = { "a":1 }\n')
    assert run("ruff", "format", "--check", ".", cwd=tmp_path).returncode == 1


def test_an_unused_import_is_found(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "a.py").write_text('"""A."""\n\nimport os\n')
    assert run("ruff", "check", ".", cwd=tmp_path).returncode == 1


def test_a_wrong_type_is_found(copy: Path) -> None:
    with (copy / "src/arubeki/clock.py").open("a") as file:
        file.write('\n\nWRONG: int = "text"\n')
    done = run("mypy", "src/arubeki/clock.py", cwd=copy)
    assert done.returncode == 1
    assert "Incompatible types" in done.stdout


CLIMBS = {
    "Imports only go down the stairs": ("api/names.py", "from arubeki import server"),
    "The server half and the client half meet only at the wire": (
        "runtime/__init__.py",
        "from arubeki import storage",
    ),
    "The server does not know who calls it": ("server/__init__.py", "from arubeki import client"),
    "Built-in controllers do not know each other": (
        "controllers/replicaset.py",
        "from arubeki.controllers import deployment",
    ),
    "api/ reaches no file, socket, thread or loop": ("api/objects.py", "import socket"),
    "Time and chance enter through clock.py alone": ("api/objects.py", "import time"),
}


@pytest.mark.parametrize("contract", CLIMBS)
def test_an_import_that_breaks_a_contract_is_found(contract: str, copy: Path) -> None:
    name, line = CLIMBS[contract]
    with (copy / "src/arubeki" / name).open("a") as file:
        file.write(f"\n{line}\n")
    # PYTHONPATH comes first, so that the copy is judged and not the house.
    done = subprocess.run(
        [str(BIN / "lint-imports"), "--no-cache"],
        cwd=copy,
        env={"PYTHONPATH": str(copy / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout


def test_an_import_cycle_is_found(copy: Path) -> None:
    with (copy / "src/arubeki/net/message.py").open("a") as file:
        file.write("\nfrom arubeki.api import names\n")
    with (copy / "src/arubeki/api/names.py").open("a") as file:
        file.write("\nfrom arubeki.net import message\n")
    done = subprocess.run(
        [str(BIN / "lint-imports"), "--no-cache"],
        cwd=copy,
        env={"PYTHONPATH": str(copy / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No cycle anywhere BROKEN" in done.stdout
