"""Writes docs/compatibility.md from a run of the ported conformance tests: `make compatibility`.

A test holds that the page says of every test what its marks say, and `make test` runs them all, so
that a page that has grown old is found.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "compatibility.md"

HEAD = """\
# Compatibility

Kubernetes v1.37.2 has {total} conformance tests. {ported} of them are ported here, each written anew from its
description and behaviour, under its official name (`tests/conformance/`), and run through HTTPS against a
cluster in memory with one node whose Pods are status only. This page is made of such a run by
`make compatibility`.

- **passed**: everything that its description says MUST be is asserted, and holds.
- **failed**: it should pass, and does not.
- **not yet**: it is ported and cannot pass, for the reason that is given. It runs all the same: the day it
  passes, the run fails until it is counted.
- **not ported**: it has not been written here; what a test needs to run is given by its class.

| class | what its tests need | official | ported | passed |
|---|---|---|---|---|
"""
CLASSES = {
    "a": "the API server and controllers; no Pod need run",
    "b0": "a node agent that reports the status of Pods",
    "b1": "real processes in the Pods",
    "c": "a container runtime, or its equal: mounts, users, images, network, limits",
    "d": "two nodes or more",
}
RESULTS = ("passed", "failed", "not yet", "not ported")


class Recorder:
    """Notes what became of each ported test: (result, reason) by official name."""

    def __init__(self) -> None:
        self.results: dict[str, tuple[str, str]] = {}
        self.not_run: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a report; of several about one test the worst counts."""
        name = dict(report.user_properties).get("conformance")
        if name is None:
            return
        name = str(name)
        if report.failed:
            self.results[name] = ("failed", "")
        elif report.skipped and hasattr(report, "wasxfail"):
            self.results[name] = ("not yet", str(report.wasxfail).removeprefix("reason: "))
        elif report.skipped:
            self.not_run.append(name)
        elif report.when == "call":
            self.results.setdefault(name, ("passed", ""))


def expected(ported: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return what the marks of ported tests say that becomes of them."""
    return {
        name: ("not yet", function.not_yet) if hasattr(function, "not_yet") else ("passed", "")
        for name, function in ported.items()
    }


def render(official: Mapping[str, Any], results: Mapping[str, tuple[str, str]]) -> str:
    """Return the page."""
    tests = [(one, *results.get(name, ("not ported", ""))) for name, one in official.items()]
    parts = [HEAD.format(total=len(tests), ported=len(results))]
    for kind, words in CLASSES.items():
        some = [result for one, result, _ in tests if one.kind == kind]
        ported = len(some) - some.count("not ported")
        parts.append(f"| {kind} | {words} | {len(some)} | {ported} | {some.count('passed')} |\n")
    parts.append(f"\n| sig | official | {' | '.join(RESULTS)} |\n|---|---|---|---|---|---|\n")
    sigs = sorted({one.sig for one, *_ in tests})
    for sig in sigs:
        parts.append(_counts(sig, [result for one, result, _ in tests if one.sig == sig]))
    parts.append(_counts("**all**", [result for _, result, _ in tests]))
    for sig in sigs:
        parts.append(f"\n## {sig}\n\n| test | class | result |\n|---|---|---|\n")
        parts += [_line(*test) for test in tests if test[0].sig == sig]
    return "".join(parts)


def _counts(word: str, results: Iterable[str]) -> str:
    counted = Counter(results)
    cells = [counted.total(), *(counted[result] for result in RESULTS)]
    return f"| {word} | {' | '.join(map(str, cells))} |\n"


def _line(one: Any, result: str, reason: str) -> str:
    said = f"{result}: {reason}" if reason else result
    return f"| {one.name} | {one.kind} | {said} |\n"


def main() -> int:
    """Run the tests and write the page."""
    recorder = Recorder()
    status = pytest.main(["-q", str(ROOT / "tests" / "conformance")], plugins=[recorder])
    if recorder.not_run or not recorder.results:
        print(f"nothing is written: not run: {', '.join(recorder.not_run) or 'all'}")
        return 1
    # Only now: pytest has to see these modules first, to make their assertions tell what they saw.
    from tests.conformance.kit.official import official

    PAGE.write_text(render(official(), recorder.results), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
