"""What is common to all tests: those not run are counted and named, and may be forbidden."""

import os

import pytest

# Before anything imports them: helpers whose assertions should tell what they compared.
pytest.register_assert_rewrite("tests.conformance.kit")

_NOT_RUN: list[tuple[str, str]] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        where = report.longrepr
        reason = where[2] if isinstance(where, tuple) else str(where)
        _NOT_RUN.append((report.nodeid, reason.removeprefix("Skipped: ")))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if hasattr(session.config, "workerinput"):
        return  # the controlling process counts
    if _NOT_RUN and os.environ.get("ARUBEKI_RUN_ALL") and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _NOT_RUN:
        return
    terminalreporter.section(f"{len(_NOT_RUN)} not run")
    for name, reason in _NOT_RUN:
        terminalreporter.write_line(f"{name}: {reason}")
    if os.environ.get("ARUBEKI_RUN_ALL"):
        terminalreporter.write_line("ARUBEKI_RUN_ALL is set: a test that is not run fails the run")
