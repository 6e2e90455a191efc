"""When a CronJob runs: the five fields of a crontab, and its descriptors.

A schedule is read once into sets of bits, one set a field, which is all that is needed to tell
whether it is well-formed and to find the next time.

Pure: no I/O, no clock.
Source: github.com/robfig/cron v3 parser.go (the parser that Kubernetes uses, its messages too).
"""

from typing import NamedTuple

from arubeki.api import durations

STAR = 1 << 63
"""The bit of a field that was written as a star: then the other kind of day decides alone."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_INT64_MAX = (1 << 63) - 1


class Bounds(NamedTuple):
    """The values a field can have, and the names of some."""

    low: int
    high: int
    names: dict[str, int]


_BOUNDS = (
    Bounds(0, 59, {}),
    Bounds(0, 23, {}),
    Bounds(1, 31, {}),
    Bounds(1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    Bounds(0, 6, {name: number for number, name in enumerate(_DAYS)}),
)
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class Schedule(NamedTuple):
    """Bits of the minutes, hours, days and months at which something runs, or how often it does."""

    minutes: int = 0
    hours: int = 0
    days: int = 0
    months: int = 0
    weekdays: int = 0
    every_seconds: float = 0.0


def parse(text: str) -> Schedule:
    """Return the schedule that a text describes.

    Raises: ValueError with Kubernetes' message.
    """
    if not text:
        raise ValueError("empty spec string")
    if text.startswith(("TZ=", "CRON_TZ=")):
        # Kubernetes refuses the zone beside the schedule, so what it names does not matter here.
        _, space, rest = text.partition(" ")
        if not space:
            raise ValueError(
                "invalid schedule format: runtime error: slice bounds out of range [:-1]"
            )
        text = rest.strip()
    if text.startswith("@"):
        return _described(text)
    fields = text.split()
    if len(fields) != len(_BOUNDS):
        listed = " ".join(fields)
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{listed}]")
    bits = [_field(field, bounds) for field, bounds in zip(fields, _BOUNDS, strict=True)]
    return Schedule(*bits)


def _described(text: str) -> Schedule:
    if text in _DESCRIPTORS:
        return parse(_DESCRIPTORS[text])
    if text.startswith("@every "):
        given = text.removeprefix("@every ")
        try:
            seconds = durations.seconds(given)
        except ValueError as error:
            raise ValueError(f"failed to parse duration {text}: {error}") from None
        # Less than a second is rounded up to one, and fractions are cut off.
        return Schedule(every_seconds=max(1.0, float(int(seconds))))
    raise ValueError(f"unrecognized descriptor: {text}")


def _field(text: str, bounds: Bounds) -> int:
    bits = 0
    for part in text.split(","):
        if part:
            bits |= _range(part, bounds)
    return bits


def _range(text: str, bounds: Bounds) -> int:
    span, *steps = text.split("/")
    low, *highs = span.split("-")
    star = 0
    if low in ("*", "?"):
        start, end, star = bounds.low, bounds.high, STAR
    else:
        start = end = _number(low, bounds.names)
        if len(highs) > 1:
            raise ValueError(f"too many hyphens: {text}")
        if highs:
            end = _number(highs[0], bounds.names)
    step = 1
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {text}")
    if steps:
        step = _number(steps[0], {})
        if not highs:
            end = bounds.high
        if step > 1:
            star = 0
    if start < bounds.low:
        raise ValueError(f"beginning of range ({start}) below minimum ({bounds.low}): {text}")
    if end > bounds.high:
        raise ValueError(f"end of range ({end}) above maximum ({bounds.high}): {text}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")
    return sum(1 << number for number in range(start, end + 1, step)) | star


def _number(text: str, names: dict[str, int]) -> int:
    if (named := names.get(text.lower())) is not None:
        return named
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        fault = f'strconv.Atoi: parsing "{text}": invalid syntax'
        raise ValueError(f"failed to parse int from {text}: {fault}")
    if len(digits) > 18 and abs(int(digits[:30])) > _INT64_MAX:
        fault = f'strconv.Atoi: parsing "{text}": value out of range'
        raise ValueError(f"failed to parse int from {text}: {fault}")
    number = int(text)
    if number < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number
