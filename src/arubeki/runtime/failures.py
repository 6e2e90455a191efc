"""How a failed run is told: each error once in full, and only the part that its author wrote.

A traceback through the framework's own frames hides the one line that matters, and the same
traceback at every retry hides everything else.

On the ring: beside **reconcile**.
"""

from collections.abc import Hashable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

_OURS = str(Path(__file__).parent)

ExceptionInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]


class Failures:
    """What keys failed with last."""

    def __init__(self) -> None:
        self._last: dict[Hashable, str] = {}

    def __str__(self) -> str:
        """What keys fail with, the latest three: `default/a: ValueError: no`."""
        return "; ".join(f"{key}: {error}" for key, error in list(self._last.items())[-3:])

    def is_news(self, key: Hashable, error: str) -> bool:
        """Whether `key` did not fail with this error the last time."""
        before = self._last.pop(key, None)
        self._last[key] = error
        return before != error

    def forget(self, key: Hashable) -> None:
        """Note that `key` does not fail any more."""
        self._last.pop(key, None)


def line(error: BaseException) -> str:
    """Return an error on one line: its class and the first line of what it says."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def told(error: BaseException) -> ExceptionInfo:
    """Return an error for a log, without the framework's frames above its author's."""
    trace = error.__traceback__
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    return type(error), error, trace if trace is not None else error.__traceback__


def _is_ours(trace: Any) -> bool:
    return str(trace.tb_frame.f_code.co_filename).startswith(_OURS)
