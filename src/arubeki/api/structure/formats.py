"""The text formats that a custom resource's schema may ask for.

Kubernetes ignores a format it does not know, so do we. Not checked here although it knows them:
isbn, isbn10, isbn13, creditcard, ssn, rgbcolor and bsonobjectid.

Pure: no I/O, no clock.
Source: kube-openapi pkg/validation/strfmt, apiextensions-apiserver pkg/apiserver/validation/formats.go.
"""

import binascii
import functools
import ipaddress
import re
import unicodedata
from collections.abc import Callable
from urllib.parse import urlsplit

Test = Callable[[str], bool]

_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[tT](\d{2}):(\d{2}):(\d{2})(.\d+)?([zZ]|[+-]\d{2}:\d{2})", re.ASCII
)
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII)
_MAC = re.compile(
    r"([0-9a-f]{2}(([:-])[0-9a-f]{2})(\3[0-9a-f]{2}){4}((\3[0-9a-f]{2}){2}|(\3[0-9a-f]{2}){14})?"
    r"|[0-9a-f]{12}|[0-9a-f]{16}|[0-9a-f]{40}"
    r"|([0-9a-f]{4}\.){2}[0-9a-f]{4}((\.[0-9a-f]{4})|(\.[0-9a-f]{4}){7})?)",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[^@\s<>\",;:\\\[\]()]+@[^@\s<>\",;:\\()]+|[^<>]*<[^@\s<>]+@[^@\s<>]+>")
_GO_DURATION = re.compile(r"[+-]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_WORD_DURATION = re.compile(r"\d+\s*([A-Za-zµ]+)", re.ASCII)
_UNITS = ("nano", "micro", "milli", "sec", "min", "hour", "day", "week")
_SHORT_UNITS = {"ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk"}
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"


@functools.lru_cache(maxsize=1024)
def pattern(text: str) -> Test:
    """Return whether a value contains a match of an RE2 expression; a broken one matches nothing."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(text, options)
    except re2.error:
        return lambda _: False
    return lambda value: compiled.search(value) is not None


def _date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    year, month, day = (int(part) for part in text.split("-"))
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return day <= (30 if month in (4, 6, 9, 11) else 28 + leap if month == 2 else 31)


def _date_time(text: str) -> bool:
    found = _DATE_TIME.fullmatch(text)
    if found is None or not _date(found[1]):
        return False
    return found[2] <= "23" and found[3] <= "59" and found[4] <= "59"


def _duration(text: str) -> bool:
    if _GO_DURATION.fullmatch(text):
        return True
    units = [unit.lower() for unit in _WORD_DURATION.findall(text)]
    return any(unit in _SHORT_UNITS or unit.startswith(_UNITS) for unit in units)


def _byte(text: str) -> bool:
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return False
    return bool(text)


def _ip(version: int) -> Test:
    def test(text: str) -> bool:
        # Leading zeros were once allowed and still are.
        plain = re.sub(r"(?<![0-9a-fA-F:])0+(?=\d)", "", text) if version == 4 else text
        try:
            return ipaddress.ip_address(plain).version == version and "%" not in text
        except ValueError:
            return False

    return test


def _cidr(text: str) -> bool:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return "/" in text and "%" not in text and text.rpartition("/")[2].isdigit()


def _hostname(text: str) -> bool:
    """Symbols count as letters, and a name without dots has one dash, as its second, or none."""
    parts = text.split(".")
    if len(text) > 255 or not all(0 < len(part) <= 63 for part in parts):
        return False
    if len(parts) == 1:
        return _is_named(text[0] + text[1:].removeprefix("-"))
    for part in parts[:-1]:
        if part[0] == "-" or part[-1] == "-" or not _is_named(part.replace("-", "")):
            return False
    return len(parts[-1]) >= 2 and parts[-1].isalpha()


def _is_named(text: str) -> bool:
    return all(
        (char.isascii() and char.isalnum()) or unicodedata.category(char)[0] in "SL"
        for char in text
    )


def _uri(text: str) -> bool:
    try:
        found = urlsplit(text)
        _ = found.port
    except ValueError:
        return False
    if any(ord(char) <= 32 or ord(char) == 127 for char in text):
        return False
    return bool(found.scheme) or text.startswith("/")


def _matching(expression: str, flags: int = 0, limit: int = 1 << 30) -> Test:
    compiled = re.compile(expression, flags | re.ASCII)
    return lambda text: len(text) <= limit and compiled.fullmatch(text) is not None


def _uuid(third: str, fourth: str) -> Test:
    expression = rf"[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{third}-?{fourth}-?[0-9a-f]{{12}}"
    return _matching(expression, re.IGNORECASE)


_ANY, _VARIANT = "[0-9a-f]{4}", "[89ab][0-9a-f]{3}"

KNOWN: dict[str, Test] = {
    "byte": _byte,
    "cidr": _cidr,
    "date": _date,
    "datetime": _date_time,
    "duration": _duration,
    "email": lambda text: _EMAIL.fullmatch(text.strip()) is not None,
    "hexcolor": _matching("#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "hostname": _hostname,
    "ipv4": _ip(4),
    "ipv6": _ip(6),
    "k8slongname": _matching(rf"{_LABEL}(\.{_LABEL})*", limit=253),
    "k8sshortname": _matching(_LABEL, limit=63),
    "mac": lambda text: _MAC.fullmatch(text) is not None,
    "password": lambda _: True,
    "uri": _uri,
    "uuid": _uuid(_ANY, _ANY),
    "uuid3": _uuid("3[0-9a-f]{3}", _ANY),
    "uuid4": _uuid("4[0-9a-f]{3}", _VARIANT),
    "uuid5": _uuid("5[0-9a-f]{3}", _VARIANT),
}
"""The tests by name, dashes left out as Kubernetes does: `date-time` is `datetime`."""
