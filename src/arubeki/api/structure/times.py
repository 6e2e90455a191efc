"""RFC 3339 as Go's `time.Parse` reads it: the fault in its words, and the form it writes.

Pure: no I/O, no clock.
Source: Go's src/time/format.go, apimachinery pkg/apis/meta/v1/{time,micro_time}.go.
"""

import re

_FORM = re.compile(
    r"(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)"
    r"(\.\d+)?(Z|[+-](?:[01]\d|2[0-4]):[0-5]\d)"
)
# (what stands there, how Go's layout shows it, what is out of range, least, most)
_PARTS = (
    (r"\d{4}", "2006", "", 0, 9999),
    ("-", "-", "", 0, 0),
    (r"\d\d", "01", "month", 1, 12),
    ("-", "-", "", 0, 0),
    (r"\d\d", "02", "day", 0, 31),
    ("T", "T", "", 0, 0),
    (r"\d\d?", "15", "hour", 0, 23),
    (":", ":", "", 0, 0),
    (r"\d\d", "04", "minute", 0, 59),
    (":", ":", "", 0, 0),
    (r"\d\d", "05", "second", 0, 59),
)
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def time_fault(text: str, *, micro: bool) -> str:
    """Return why Go would not read `text` as a Time (or MicroTime), "" when it would."""
    found = _FORM.fullmatch(text)
    fits = not micro or (found is not None and found[7] is not None and len(found[7]) == 7)
    if found and fits and int(found[3]) <= _days(int(found[1]), int(found[2])):
        return ""
    layout = "2006-01-02T15:04:05.000000Z07:00" if micro else "2006-01-02T15:04:05Z07:00"
    return _explain(text, layout, micro)


def canonical_time(text: str, *, micro: bool) -> str:
    """Return a readable time as Go writes it again: UTC, whole seconds (or six digits)."""
    found = _FORM.fullmatch(text)
    if found is None:
        return text
    if found[8] == "Z" and (micro or found[7] is None):
        return text
    year, month, day, hour, minute = (int(found[part]) for part in range(1, 6))
    zone = found[8]
    if zone != "Z":
        ahead = int(zone[1:3]) * 60 + int(zone[4:6])
        minutes = hour * 60 + minute - (ahead if zone[0] == "+" else -ahead)
        year, month, day = _shift(year, month, day, minutes // 1440)
        hour, minute = minutes % 1440 // 60, minutes % 60
    fraction = (found[7] or "") if micro else ""
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{found[6]}{fraction}Z"


def _shift(year: int, month: int, day: int, days: int) -> tuple[int, int, int]:
    """Return the date some days (at most one) away."""
    day += days
    if day < 1:
        month -= 1
        if month < 1:
            year, month = year - 1, 12
        day = _days(year, month)
    elif day > _days(year, month):
        day, month = 1, month + 1
        if month > 12:
            year, month = year + 1, 1
    return year, month, day


def _days(year: int, month: int) -> int:
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _LENGTHS[month - 1] + leap


def _explain(text: str, layout: str, micro: bool) -> str:
    """Return the fault by reading piece by piece, as Go does."""

    def cannot(rest: str, shown: str) -> str:
        return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{shown}"'

    rest, numbers = text, []
    for pattern, shown, name, least, most in _PARTS:
        found = re.match(pattern, rest, re.ASCII)
        if not found:
            return cannot(rest, shown)
        rest = rest[found.end() :]
        if shown.isdigit():
            numbers.append(int(found[0]))
            if not least <= numbers[-1] <= most:
                return f'parsing time "{text}": {name} out of range'
    if micro:
        found = re.match(r"\.\d{6}(?!\d)", rest, re.ASCII)
        if not found:
            return cannot(rest, ".000000")
        rest = rest[found.end() :]
    elif found := re.match(r"[.,]\d+", rest, re.ASCII):
        rest = rest[found.end() :]
    found = re.match(r"Z|[+-]\d\d:\d\d", rest, re.ASCII)
    if not found:
        return cannot(rest, "Z07:00")
    if rest := rest[found.end() :]:
        return f'parsing time "{text}": extra text: "{rest}"'
    if not 1 <= numbers[2] <= _days(numbers[0], numbers[1]):
        return f'parsing time "{text}": day out of range'
    return cannot(text, "Z07:00")
