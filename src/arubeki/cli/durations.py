"""Durations as Go writes them, which is how kubectl's users do: `90s`, `1m30s`, `1.5h`.

Outside the ring.
"""

import re

from arubeki.cli.failures import Misuse

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def seconds(text: str) -> float:
    """Return the seconds of a duration. Source: Go time.ParseDuration. Raises: Misuse."""
    if text == "0":
        return 0.0
    if not text or _PART.sub("", text):
        raise Misuse(f"{text!r} is no duration; examples: 5s, 2m, 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
