"""Heads as bytes: the request's target taken apart, the answer's head put together.

Pure functions; between the halves: [client > **sockets** > server].
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from arubeki import clock
from arubeki.errors import BadRequest

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DAYS = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")  # 1970-01-01 was a Thursday
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def split_target(target: bytes) -> tuple[str, str]:
    """Return the path, percent-decoded, and the raw query of a request target.

    An encoded slash counts as a slash: no name that Kubernetes allows has one.

    Raises: BadRequest if the target cannot be a path. Source: RFC 9112, section 3.2.
    """
    try:
        path, _, query = target.decode().partition("?")
        if not path.startswith("/"):
            path = _without_authority(path)
        if "%" in path:
            path = _unquoted(path)
    except UnicodeDecodeError:
        raise BadRequest("the path is not UTF-8") from None
    if b"#" in target:
        raise BadRequest("the request's target has a fragment")
    return path, query


def _unquoted(path: str) -> str:
    if _BAD_ESCAPE.search(path):
        raise BadRequest("the path has a percent sign that begins no escape")
    path = unquote_to_bytes(path).decode()
    if "\0" in path:
        raise BadRequest("the path holds a NUL")
    return path


def _without_authority(path: str) -> str:
    """Return the path of an absolute target, as a proxy is sent: `http://host/path`."""
    scheme, separator, rest = path.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        raise BadRequest("the request's target is no path")
    _, slash, path = rest.partition("/")
    return slash + path if slash else "/"


def status_line(status: int) -> str:
    """Return the first line of an answer, with its line end."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n"


def head_bytes(line: str, headers: Mapping[str, str], tail: str) -> bytes:
    """Return a head: the status line, the headers, `tail` (header lines of ours), the empty line.

    Raises: ValueError if a header holds a line break, with which one answer could pass for two.
    """
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    count = len(headers)
    if text.count("\r") != count or text.count("\n") != count:
        raise ValueError("a header of the answer holds a line break")
    return f"{line}{text}{tail}\r\n".encode()


def http_date(seconds: float) -> str:
    """Return a time as the `Date` header has it: `Mon, 23 Nov 2026 02:41:07 GMT`."""
    day = _DAYS[int(seconds // 86_400) % 7]
    stamp = clock.timestamp(seconds)
    month = _MONTHS[int(stamp[5:7]) - 1]
    return f"{day}, {stamp[8:10]} {month} {stamp[:4]} {stamp[11:19]} GMT"
