"""What the README shows is so: its commands run, its Python is the example's, its links lead."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from arubeki.cli.parser import build

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples" / "markdown_view" / "controller.py"
TARGETS = re.findall(r"^    make (\w+)", README, re.MULTILINE)


def block() -> str:
    (found,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_two_commands_are_there() -> None:
    assert TARGETS == ["demo", "test"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_command_is_a_target_that_sets_everything_up(target: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (rule,) = re.findall(rf"^{target}:(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert rule.split()[0] == "setup"


def test_the_demo_comes_true(tmp_path: Path) -> None:
    """`make demo` without its setting up: the environment of the tests is what that makes."""
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    program = done.stdout.splitlines()[-1].split()[-1]
    assert (ROOT / program).is_file(), done.stdout
    demo = subprocess.run(
        [sys.executable, program],
        cwd=ROOT,
        env={**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "every step came true" in demo.stdout
    assert "Traceback" not in demo.stderr
    assert not (tmp_path / ".kube" / "config").exists()


def test_the_python_is_the_examples_own() -> None:
    """Statement by statement, docstrings and notes aside."""
    example = {plain(node) for node in ast.parse(EXAMPLE.read_text(encoding="utf-8")).body}
    for node in ast.parse(block()).body:
        if isinstance(node, ast.AsyncFunctionDef):
            assert plain(node) in example, ast.unparse(node)


def plain(node: ast.stmt) -> str:
    if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and ast.get_docstring(node):
        node.body = node.body[1:]
    return ast.unparse(node)


def test_the_python_has_the_types_that_it_says(tmp_path: Path) -> None:
    """The block stands where the example's own statements do, and mypy is strict about it."""
    names = [
        node.name
        for node in ast.parse(EXAMPLE.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in block()
    ]
    assert {"MarkdownView", "files_of", "viewer_of", "service_of"} == set(names)
    module = tmp_path / "block.py"
    head = [
        "from arubeki import App, Context",
        "from arubeki.kinds import apps_v1 as apps, core_v1 as core",
        f"from controller import {', '.join(names)}",
    ]
    module.write_text("\n".join([*head, block()]))
    environment = {**os.environ, "MYPYPATH": f"{ROOT / 'src'}:{EXAMPLE.parent}"}
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(module)]
    options = ["--explicit-package-bases", "--ignore-missing-imports", "--follow-imports=silent"]
    done = subprocess.run(
        [*command, *options, "--cache-dir", str(ROOT / ".mypy_cache" / "readme")],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    module.write_text(module.read_text().replace("viewer_of(view)", "viewer_of(1)"))
    done = subprocess.run(
        [*command, *options, "--cache-dir", str(ROOT / ".mypy_cache" / "readme")],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "arg-type" in done.stdout, "the types are looked at"


def test_the_other_commands_are_ones_that_we_know() -> None:
    found = re.findall(r"`(arubeki [^`]+)`", README)
    assert found
    for command in found:
        build().parse_args(shlex.split(command)[1:])
    for option in re.findall(r"`(--[a-z]+(?: [^`]+)?)`", README):
        build().parse_args(["up", *shlex.split(option)])


def test_the_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert len(targets) > 3
    # What `make bench` writes is there after it has run.
    for target in set(targets) - {"docs/benchmarks.md"}:
        assert (ROOT / target).exists(), target
