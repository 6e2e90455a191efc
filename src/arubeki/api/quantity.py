"""Amounts of resources: `100m`, `1.5Gi`, `12e6`.

A quantity is a fixed-point number with nine decimal places and the form of suffix that it was
written with. Inside it is an integer count of nano-units, so nothing is ever rounded but what
Kubernetes rounds: a smaller fraction, up (away from zero).

Pure: no I/O, no clock.
Source: apimachinery pkg/api/resource/quantity.go, suffix.go.
"""

import functools
import re
from collections.abc import Iterable
from decimal import Decimal

DECIMAL_SI = "DecimalSI"
BINARY_SI = "BinarySI"
DECIMAL_EXPONENT = "DecimalExponent"

EXPONENT_MAX = 1000
"""The largest power of ten taken. Kubernetes sets no bound; a number of a million digits helps
nobody and costs the server dearly."""
LENGTH_MAX = 1000
"""The longest text taken, for the same reason."""

Amount = str | int | float
"""A quantity as JSON has it: text, or a bare number."""

_NANO = 10**9
_INT64_MAX = (1 << 63) - 1
_SHAPE = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}

_FORMAT_WRONG = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
_SUFFIX_WRONG = "unable to parse quantity's suffix"
_NUMBER_WRONG = "unable to parse numeric part of quantity"


def parse(text: Amount) -> Decimal:
    """Return the exact value of a quantity.

    Raises: ValueError with Kubernetes' message.
    """
    return Decimal(f"{_parsed(text)[0]}e-9")


def canonical(text: Amount) -> str:
    """Return a quantity as a server gives it back: `0.5` as `500m`, `1024Ki` as `1Mi`.

    What Kubernetes finds canonical enough stays as it was written (`1E3`, `+2`).
    Raises: ValueError with Kubernetes' message.
    """
    text = _text(text)
    nanos, form, kept = _parsed(text)
    return text if kept else _written(nanos, form)


def compare(left: Amount, right: Amount) -> int:
    """Return -1, 0 or 1 as `left` is less than, equal to or greater than `right`.

    Raises: ValueError with Kubernetes' message.
    """
    ours, theirs = _parsed(left)[0], _parsed(right)[0]
    return (ours > theirs) - (ours < theirs)


def total(amounts: Iterable[Amount]) -> str:
    """Return the sum, written in the form of the first that is not zero; `0` of none.

    Raises: ValueError with Kubernetes' message.
    """
    nanos, form = 0, DECIMAL_SI
    for amount in amounts:
        more, its_form, _ = _parsed(amount)
        if nanos == 0:
            form = its_form
        nanos += more
    return _written(nanos, form)


def difference(amount: Amount, less: Amount) -> str:
    """Return `amount` without `less`, in the form of the first; `0` where that is below zero.

    Raises: ValueError with Kubernetes' message.
    """
    nanos, form, _ = _parsed(amount)
    return _written(max(0, nanos - _parsed(less)[0]), form)


def whole(text: Amount) -> int:
    """Return the value rounded up to whole units: bytes of memory.

    Raises: ValueError with Kubernetes' message.
    """
    return _rounded_up(_parsed(text)[0], _NANO)


def milli(text: Amount) -> int:
    """Return the value in thousandths, rounded up: CPU as the scheduler counts.

    Raises: ValueError with Kubernetes' message.
    """
    return _rounded_up(_parsed(text)[0], _NANO // 1000)


def _text(amount: Amount) -> str:
    # A whole float has no fraction in JSON as Go writes it.
    if isinstance(amount, float) and amount.is_integer() and abs(amount) < 1e15:
        return str(int(amount))
    return amount if isinstance(amount, str) else str(amount)


def _parsed(amount: Amount) -> tuple[int, str, bool]:
    """Return nano-units, form, and whether the text itself counts as canonical."""
    # The same few amounts stand in every Pod, and each is compared several times.
    return _parsed_text(_text(amount))


@functools.lru_cache(maxsize=4096)
def _parsed_text(text: str) -> tuple[int, str, bool]:
    if not text:
        raise ValueError(_FORMAT_WRONG)
    if len(text) > LENGTH_MAX:
        raise ValueError(_NUMBER_WRONG)
    found = _SHAPE.fullmatch(text)
    if found is None or not text.isascii():
        raise ValueError(_FORMAT_WRONG)
    sign, number, fraction, suffix = found.groups("")
    base, exponent, form = _interpreted(suffix)
    if base == 2 and exponent >= 50 and not any(map(str.isdigit, text)):
        # A bare "Pi" is refused where a bare "Ki" counts as 0: so it is in Kubernetes.
        raise ValueError(_NUMBER_WRONG)
    digits = (number or "0") + fraction
    value = int(digits)
    if base == 2:
        nanos = value * (1 << exponent) * _NANO
        scale = -len(fraction)
        kept = not fraction and len(number) + exponent * 3 // 10 + 1 <= 15 and value & 7 != 0
    else:
        nanos = value * _NANO
        scale = exponent - len(fraction)
        kept = (
            len(digits) <= 18
            and scale >= -9
            and scale % 3 == 0
            and not digits.endswith("000")
            and digits[0] != "0"
        )
    nanos = nanos * 10**scale if scale >= 0 else _rounded_up(nanos, 10**-scale)
    if form == BINARY_SI:
        nanos = min(nanos, _INT64_MAX * _NANO)
        if 0 < nanos < _NANO:
            form = DECIMAL_SI
    return -nanos if sign == "-" else nanos, form, kept and nanos != 0


def _interpreted(suffix: str) -> tuple[int, int, str]:
    if (exponent := _DECIMAL.get(suffix)) is not None:
        return 10, exponent, DECIMAL_SI
    if (exponent := _BINARY.get(suffix)) is not None:
        return 2, exponent, BINARY_SI
    if not re.fullmatch(r"[eE][-+]?[0-9]+", suffix):
        raise ValueError(_SUFFIX_WRONG)
    exponent = int(suffix[1:])
    if abs(exponent) > EXPONENT_MAX:
        raise ValueError(_SUFFIX_WRONG)
    return 10, exponent, DECIMAL_EXPONENT


def _rounded_up(number: int, divisor: int) -> int:
    return -(-number // divisor)


def _written(nanos: int, form: str) -> str:
    if nanos == 0:
        return "0"
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    if form == BINARY_SI and nanos >= 1024 * _NANO and nanos % _NANO == 0:
        value, suffixes = nanos // _NANO, ["", *_BINARY]
        power = 0
        while value % 1024 == 0 and power < len(suffixes) - 1:
            value, power = value // 1024, power + 1
        return f"{sign}{value}{suffixes[power]}"
    exponent = -9
    while nanos % 1000 == 0:
        nanos, exponent = nanos // 1000, exponent + 3
    if form == DECIMAL_EXPONENT:
        return f"{sign}{nanos}" + (f"e{exponent}" if exponent else "")
    largest = max(_DECIMAL.values())
    if exponent > largest:
        # Kubernetes writes "55000E" back as "55". This is the one place not to be true to it.
        nanos, exponent = nanos * 10 ** (exponent - largest), largest
    return f"{sign}{nanos}{_DECIMAL_SUFFIX[exponent]}"
