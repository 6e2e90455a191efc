"""How `arubeki run` tells what controllers do."""

import contextlib
import logging

from arubeki.cli.lines import causes, describe, log_to_terminal
from arubeki.runtime.cause import Cause
from arubeki.runtime.trace import Record, Write


@contextlib.contextmanager
def bare_root():
    """The root logger as a program has it that sets nothing up, pytest's own handlers away."""
    root = logging.getLogger()
    handlers, level, root.handlers = root.handlers, root.level, []
    try:
        yield root
    finally:
        root.handlers = handlers
        root.setLevel(level)


def test_a_run_is_described_by_what_it_changed_and_how_it_ended():
    record = Record("views#1", "views", "default/a")
    assert describe(record) == "nothing to do"
    record.add(Write("apply", "Deployment", "default", "web"))
    record.add(Write("apply", "Service", "default", "web", changed=False))
    assert describe(record) == "applied Deployment/web"
    record.result, record.error, record.after_seconds = "error", "ValueError: no", 0.005
    assert describe(record) == "applied Deployment/web; failed, again in 0.005 s: ValueError: no"
    record.result, record.after_seconds = "terminal", 0.0
    assert describe(record).endswith("failed, not again: ValueError: no")
    assert describe(Record("views#1", "views", "default/a", result="gone")) == "gone"


def test_causes_beyond_the_first_are_counted():
    record = Record("views#1", "views", "default/a", tuple(Cause(one) for one in "abcd"), 9)
    assert causes(record) == "a, b and 7 more"


def log(name, level, message, **extra):
    failure = extra.pop("failure", None)
    logging.getLogger(name).log(level, message, extra=extra, exc_info=failure)


def test_the_log_shows_warnings_and_what_the_own_controllers_say(capsys):
    with bare_root():
        log_to_terminal({"views"})
        log("arubeki", logging.INFO, "from my run", controller="views", ends_run=False)
        log("mine", logging.INFO, "from my module")
        log("arubeki.runtime.informer", logging.WARNING, "no server")
        log("arubeki", logging.INFO, "of the cluster", controller="replicaset", ends_run=False)
        log("arubeki", logging.ERROR, "told by the trace", controller="views", ends_run=True)
    said = [line[10:] for line in capsys.readouterr().err.splitlines()]
    assert said == ["from my run", "from my module", "no server"]


def test_the_traceback_of_a_failed_run_is_shown(capsys):
    failed = {"controller": "views", "ends_run": True, "failure": ValueError("no")}
    with bare_root():
        log_to_terminal({"views"})
        log("arubeki", logging.ERROR, "x", **failed)
    assert "ValueError: no" in capsys.readouterr().err


def test_logging_that_is_set_up_already_is_left_alone():
    handler = logging.NullHandler()
    with bare_root() as root:
        root.addHandler(handler)
        log_to_terminal({"views"})
        assert root.handlers == [handler]
