"""Answers understood: the error that a failure describes, when to try again, the lines of a watch.

On the ring: [informer > **client** > transport > HTTP].
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from arubeki.client.transport import Streaming
from arubeki.errors import ApiError, Expired, Gone, WatchBroken

LINE_LIMIT_BYTES = 64 * 1024 * 1024
"""The longest line of a watch. An object has at most some megabytes; more is no watch."""


class Line(msgspec.Struct, gc=False):
    """A line of a watch, its object not decoded."""

    type: str
    object: msgspec.Raw


class Metadata(msgspec.Struct, gc=False):
    """What a client wants of a list's metadata."""

    resourceVersion: str | None = ""
    continue_: str | None = msgspec.field(default="", name="continue")


class Page(msgspec.Struct, gc=False):
    """A page of a list, its items not decoded."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    items: list[msgspec.Raw] | None = None


class _Status(msgspec.Struct, gc=False):
    kind: str | None = None
    code: int | None = None


_LINES = msgspec.json.Decoder(Line)
_PAGES = msgspec.json.Decoder(Page)
_STATUSES = msgspec.json.Decoder(_Status)


def page_of(content: bytes) -> Page:
    """Return a list's page. Raises: ApiError when the answer is no list."""
    try:
        return _PAGES.decode(content)
    except msgspec.DecodeError as error:
        raise ApiError(f"the server's answer is no list: {error}") from error


def is_status(content: bytes) -> bool:
    """Whether an answer is a `Status`, not the object it is about."""
    try:
        return _STATUSES.decode(content).kind == "Status"
    except msgspec.DecodeError:
        return False


def error_of(status: int, content: bytes, headers: Mapping[str, str]) -> ApiError:
    """Return the error that a failed request's answer describes, be it a `Status` or plain text."""
    try:
        found = msgspec.json.decode(content)
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, dict) or found.get("kind") != "Status":
        text = content[:500].decode(errors="replace").strip()
        found = {"message": text} if text else {}
    error = ApiError.from_status(found, status)
    seconds = retry_after_seconds(headers)
    if seconds and not error.retry_after_seconds:
        error.details["retryAfterSeconds"] = seconds
    return error


def retry_after_seconds(headers: Mapping[str, str]) -> int:
    """Return what a `Retry-After` header asks for; 0 without one (dates are not understood)."""
    text = headers.get("retry-after", "")
    return int(text) if text.isdecimal() and len(text) < 9 else 0


async def watch_lines(streaming: Streaming) -> AsyncIterator[Line]:
    """Yield the lines of a watch, blank ones left out.

    Raises: Expired or another ApiError for a line of type ERROR; WatchBroken when the stream is cut
    off, also amid a line, or is no watch.
    """
    rest = b""
    async for piece in streaming:
        lines = (rest + piece if rest else piece).split(b"\n")
        rest = lines.pop()
        for text in lines:
            if text and not text.isspace():
                yield _line(text)
        if len(rest) > LINE_LIMIT_BYTES:
            raise WatchBroken("a line of the watch is endless")
    if rest and not rest.isspace():
        # A server that ends a watch in good order may leave out the last line's end, not half of it.
        yield _line(rest)


def _line(text: bytes) -> Line:
    try:
        line = _LINES.decode(text)
    except msgspec.DecodeError as error:
        raise WatchBroken(f"a line of the watch is no event: {error}") from error
    if line.type == "ERROR":
        raise watch_error(line.object)
    return line


def watch_error(data: msgspec.Raw | bytes) -> ApiError:
    """Return the error that a watch's ERROR event, or a refused watch, describes.

    Every 410 is `Expired`: whatever its reason, what to do is to list again.
    """
    status: Any = msgspec.json.decode(data)
    error = ApiError.from_status(status if isinstance(status, dict) else {})
    return expired(error)


def expired(error: ApiError) -> ApiError:
    """Return `error`, a plain `Gone` as `Expired`."""
    if isinstance(error, Gone):
        return Expired(error.message, details=error.details, metadata=error.metadata)
    return error
