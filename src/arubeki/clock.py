"""The only reader of wall clock and entropy, and the loop on which time is virtual.

Time belongs to the event loop: code calls `now()`, `new_uid()` or `choice_text()` and gets the
operating system's answer on an ordinary loop, and a seeded, jumping one on a `VirtualLoop`. Code
cannot tell the two apart, which is what makes a run of hours repeatable in milliseconds. Timers of
asyncio (`sleep`, `timeout`, `call_later`) need no wrapper: they already ask their loop.

Below the ring: everything may import this module, it imports nothing of arubeki.
"""

import asyncio
import datetime
import random
import secrets
import selectors
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Source(Protocol):
    """Where time and chance come from."""

    def now(self) -> float:
        """Seconds since 1970, UTC."""

    def bytes(self, count: int) -> bytes:
        """`count` bytes that nobody can guess (or, seeded, that can be repeated)."""


class _System:
    def now(self) -> float:
        return time.time()

    def bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)


_SYSTEM: Source = _System()


def _source() -> Source:
    loop = asyncio._get_running_loop()
    return _SYSTEM if loop is None else getattr(loop, "arubeki_source", _SYSTEM)


def now() -> float:
    """Return the wall clock in seconds since 1970, UTC."""
    return _source().now()


def monotonic() -> float:
    """Return seconds on a clock that never steps back; a virtual loop's own on such a loop.

    An ordinary loop is not asked: uvloop looks at the clock once a turn, to the millisecond.
    """
    loop = asyncio._get_running_loop()
    return loop.time() if isinstance(loop, VirtualLoop) else time.monotonic()


def timestamp(seconds: float | None = None) -> str:
    """Return a time (now, unless said) as Kubernetes' `Time`: `2026-11-23T02:41:07Z`."""
    moment = now() if seconds is None else seconds
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def timestamp_micro(seconds: float | None = None) -> str:
    """Return a time (now, unless said) as Kubernetes' `MicroTime`: `2026-11-23T02:41:07.123456Z`."""
    moment = now() if seconds is None else seconds
    whole, micro = divmod(round(moment * 1_000_000), 1_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{micro:06d}Z"


def utc(seconds: float | None = None) -> datetime.datetime:
    """Return a time (now, unless said) as a `datetime`, for libraries that want one."""
    moment = now() if seconds is None else seconds
    return datetime.datetime.fromtimestamp(moment, datetime.UTC)


def parse_timestamp(text: str) -> float:
    """Return the seconds since 1970 of an RFC 3339 time.

    Raises: ValueError if `text` is none.
    """
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.timestamp()


def new_uid() -> str:
    """Return a random (version 4) UUID as text."""
    return str(uuid.UUID(bytes=_source().bytes(16), version=4))


def random_bytes(count: int) -> bytes:
    """Return `count` unguessable bytes, for keys and tokens."""
    return _source().bytes(count)


def random_fraction() -> float:
    """Return a number in [0, 1), for jitter."""
    return int.from_bytes(_source().bytes(7), "big") / (1 << 56)


# Kubernetes leaves vowels and look-alikes out, so that no suffix spells a word.
# Source: apimachinery pkg/util/rand/rand.go.
SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def random_suffix(length: int = 5) -> str:
    """Return `length` random characters that are safe in a name, as `generateName` appends."""
    alphabet = SUFFIX_ALPHABET
    return "".join(alphabet[byte % len(alphabet)] for byte in _source().bytes(length))


class _VirtualSelector(selectors.SelectSelector):
    """A selector that, instead of waiting, moves its loop's time forward."""

    advance: Callable[[float], None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            # No timer is set. Only another thread can wake this loop now: wait for it, but not
            # for ever, since a world in which nothing can happen any more is a mistake.
            ready = super().select(VirtualLoop.IDLE_LIMIT_SECONDS)
            if not ready:
                raise RuntimeError("nothing is scheduled and nothing can happen any more")
            return ready
        self.advance(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it.

    Chance is seeded: two runs with one seed draw the same uids, suffixes and jitter. Not for
    sockets to other processes: their answers take real time, which does not pass here.
    """

    IDLE_LIMIT_SECONDS = 10.0

    def __init__(self, seed: int = 0, start: float = 1_767_225_600.0) -> None:
        """Start at `start` (seconds since 1970; 2026-01-01 unless said) with chance from `seed`."""
        selector = _VirtualSelector()
        super().__init__(selector)
        selector.advance = self._advance
        self._elapsed = 0.0
        self._start = start
        self._random = random.Random(seed)  # repeatable on purpose
        self.arubeki_source = self

    def _advance(self, seconds: float) -> None:
        self._elapsed += seconds

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._elapsed

    def now(self) -> float:
        """Return the virtual wall clock."""
        return self._start + self._elapsed

    def bytes(self, count: int) -> bytes:
        """Return `count` bytes of seeded chance."""
        return self._random.randbytes(count)


def run_virtual(main: Coroutine[Any, Any, T], *, seed: int = 0) -> T:
    """Run `main` to its end on a fresh `VirtualLoop` and return its result."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(seed)) as runner:
        return runner.run(main)
