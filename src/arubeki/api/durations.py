"""Durations as Go writes them: `90s`, `1m30s`, `-1.5h`.

Pure: no I/O, no clock.
Source: Go time.ParseDuration.
"""

import json
import re

_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([^.\d]*)", re.ASCII)
_LONGEST_SECONDS = (1 << 63) / 1e9


def seconds(text: str) -> float:
    """Return the seconds of a duration.

    Raises: ValueError with Go's message.
    """
    shown = json.dumps(text, ensure_ascii=False)
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0.0
    total, place = 0.0, 0
    while place < len(rest):
        found = _PART.match(rest, place)
        if found is None:
            break
        number, unit = found.groups()
        if not unit:
            raise ValueError(f"time: missing unit in duration {shown}")
        if unit not in _UNITS:
            named = json.dumps(unit, ensure_ascii=False)
            raise ValueError(f"time: unknown unit {named} in duration {shown}")
        total += float(number) * _UNITS[unit]
        place = found.end()
    if not rest or place < len(rest) or total >= _LONGEST_SECONDS:
        raise ValueError(f"time: invalid duration {shown}")
    return -total if text.startswith("-") else total
