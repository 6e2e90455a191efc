"""What the pages under docs/ tell is done here: every file written, every command run.

A block of Python or YAML is the file that the line above it names. A block of `sh` is run; the `text`
after it must be in its output, the `log` in that of the program that was left running. What differs
each time (times, ages, drawn names, ports) is compared as such. The one block that needs the network
(`pip install`) is only read: the environment of the tests stands for what it makes.
"""

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w.]+\.(?:py|yaml))`[^`]*:\s*\Z")
WAIT_SECONDS = 30.0
DRAWN = [
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b(\d+h)?(\d+m)?\d+s\b"), "AGE"),
    (re.compile(r"-[a-z0-9]{8,10}(-[a-z0-9]{5})?\b"), "-DRAWN"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\s+"), " "),
]


@dataclass
class Block:
    """A fenced block of a page; `file` is the name that the text above gives it."""

    language: str
    text: str
    file: str


def blocks(page: str) -> Iterator[Block]:
    for found in BLOCK.finditer(page):
        named = FILE.search(page[: found.start()])
        yield Block(found[1], found[2], named[1] if named else "")


def plain(line: str) -> str:
    for pattern, name in DRAWN:
        line = pattern.sub(name, line)
    return line.strip()


def missing(expected: str, output: str) -> str:
    """Return the first line of `expected` that `output` does not have in its place, "" if none."""
    lines = iter([plain(line) for line in output.splitlines()])
    for line in filter(None, map(plain, expected.splitlines())):
        if not any(line in one for one in lines):
            return line
    return ""


class Reader:
    """One who does in `folder` what a page says, with a home of his own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = ""
        self.log = folder / ".log"
        self.started: subprocess.Popen[bytes] | None = None
        bin_ = str(Path(sys.executable).parent)
        home = {"HOME": str(folder), "KUBECONFIG": str(folder / ".kubeconfig")}
        ours = ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER")
        kept = {key: value for key, value in os.environ.items() if key not in ours}
        self.environment = {**kept, **home, "PATH": f"{bin_}:{os.environ['PATH']}"}

    def read(self, block: Block) -> None:
        if block.file:
            (self.folder / block.file).write_text(block.text)
        elif block.language == "sh" and "pip install" in block.text:
            check_install(block.text)
        elif block.language == "sh" and block.text.startswith("arubeki run"):
            self.start(block.text)
        elif block.language == "sh":
            self.command = block.text
            self.output = self.run(block.text)
        elif block.language == "text":
            self.expect(block.text)
        elif block.language == "log":
            self.expect_log(block.text)
        else:
            raise AssertionError(f"a block that nobody checks: {block}")

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["sh", "-ec", command], cwd=self.folder, env=self.environment, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}\n{self.said()}"
        return done.stdout

    def expect(self, text: str) -> None:
        """See `text` in the output of the last command; one that only shows is repeated."""
        shows = re.match(r"(arubeki|kubectl) (get|tree|logs) ", self.command)
        until = time.monotonic() + WAIT_SECONDS
        while fault := missing(text, self.output):
            assert shows and time.monotonic() < until, (
                f"{self.command}: no line {fault!r} in\n{self.output}\n{self.said()}"
            )
            time.sleep(0.2)
            self.output = self.run(self.command)

    def start(self, command: str) -> None:
        with self.log.open("wb") as log:
            self.started = subprocess.Popen(
                ["sh", "-ec", f"exec {command}"], cwd=self.folder, env=self.environment,
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.expect_log("Ctrl-C ends it")

    def expect_log(self, text: str) -> None:
        assert self.started is not None
        until = time.monotonic() + WAIT_SECONDS
        while fault := missing(text, self.said()):
            assert self.started.poll() is None, self.said()
            assert time.monotonic() < until, f"no line {fault!r} in\n{self.said()}"
            time.sleep(0.1)

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def stop(self) -> None:
        if self.started is None:
            return
        self.started.send_signal(signal.SIGINT)
        assert self.started.wait(30) == 0, self.said()


def check_install(text: str) -> None:
    name = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
    assert f"pip install {name} pytest" in text


def test_the_tutorial_comes_true(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    try:
        for block in blocks((ROOT / "docs" / "tutorial.md").read_text()):
            reader.read(block)
    finally:
        reader.stop()
    assert reader.started is not None


def test_every_block_of_the_reference_is_python_that_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "controllers.md").read_text()
    found = [block for block in blocks(page) if block.language == "python"]
    assert len(found) == page.count("```") // 2
    names: dict[str, object] = {"__name__": "controllers"}
    for block in found:
        exec(compile(block.text, "docs/controllers.md", "exec"), names)


@pytest.mark.parametrize("name", ["tutorial.md", "controllers.md"])
def test_the_links_of_a_page_lead_somewhere(name: str) -> None:
    page = (ROOT / "docs" / name).read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page):
        assert (ROOT / "docs" / target).exists(), target


def test_an_output_that_differs_is_found() -> None:
    shown = "NAME READY AGE\nhello-7769cc9595-pbcrz 1/1 2s\n"
    assert not missing(shown, "NAME   READY   AGE\nhello-5cdf4b8c9d-x2x4z   1/1   75s\n")
    assert missing(shown, "NAME READY AGE\nhello-7769cc9595-pbcrz 0/1 2s\n")
    assert missing("b\na\n", "a\nb\n") == "a"
