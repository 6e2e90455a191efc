"""What was found right before: the Pods of one template, a workload whose status changes.

A rule is a function of the value alone, so what it found nothing wrong with needs no second look.
The values are known again by a digest of their text, which costs a twentieth of the rules of a Pod.

Pure but for what it remembers, which is bounded: no I/O, no clock.
"""

import hashlib
from typing import Any

import msgspec

_KEPT = 4096
_encode = msgspec.json.Encoder().encode


class Sound:
    """Values that a rule has found nothing wrong with, the latest few thousand."""

    __slots__ = ("_digests",)

    def __init__(self) -> None:
        self._digests: dict[bytes, None] = {}

    def digest(self, value: Any) -> bytes:
        """Return what `value` is known by."""
        return hashlib.blake2b(_encode(value), digest_size=16).digest()

    def __contains__(self, digest: bytes) -> bool:
        """Tell whether a value was found right."""
        return digest in self._digests

    def add(self, digest: bytes) -> None:
        """Remember that a value is right; the oldest is forgotten for it."""
        if len(self._digests) >= _KEPT:
            del self._digests[next(iter(self._digests))]
        self._digests[digest] = None
