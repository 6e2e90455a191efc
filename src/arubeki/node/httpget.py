"""One HTTP GET, as the kubelet's probes and hooks send it.

Small on purpose: a connection of its own each time, a head, at most 10 KiB of body. Redirects are
followed as long as they stay on the same host; certificates are not verified, since nobody signs
them for a Pod's address.

Below the node agent. Source: kubernetes pkg/probe/http/http.go, request.go.
"""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from arubeki.kinds import core_v1 as core

BODY_LIMIT_BYTES = 10 * 1024
REDIRECTS_LIMIT = 10
_LINE_LIMIT_BYTES = 64 * 1024
_HEADERS_LIMIT = 256


class BadAnswer(OSError):
    """What answered does not speak HTTP, or sends one on in circles."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its code and the beginning of its body."""

    code: int
    body: bytes = b""


def url_of(action: core.HTTPGetAction, host: str, port: int) -> str:
    """Return where an action goes; `host` is taken unless it names one."""
    host = action.host or host
    scheme = (action.scheme or "HTTP").lower()
    path = action.path or ""
    slash = "" if path.startswith("/") else "/"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{slash}{path}"


async def get(url: str, headers: tuple[core.HTTPHeader, ...], agent: str) -> Answer:
    """Get `url`, and where it sends us on the same host. Raises: OSError."""
    first = urlsplit(url)
    for _ in range(REDIRECTS_LIMIT):
        answer, location = await _once(urlsplit(url), _lines(first, headers, agent))
        if not location or urlsplit(location).hostname != first.hostname:
            return answer
        url = location
    raise BadAnswer(f"stopped after {REDIRECTS_LIMIT} redirects")


def _lines(url: SplitResult, headers: tuple[core.HTTPHeader, ...], agent: str) -> list[str]:
    said = [(one.name, one.value) for one in headers]
    names = {name.lower() for name, _ in said}
    defaults = (("Host", url.netloc), ("User-Agent", f"kube-{agent}/1.35"), ("Accept", "*/*"))
    lines = [(name, value) for name, value in defaults if name.lower() not in names]
    # An Accept that is said to be empty is left out.
    lines += [(name, value) for name, value in said if value or name.lower() != "accept"]
    return [f"{name}: {value}" for name, value in (*lines, ("Connection", "close"))]


async def _once(url: SplitResult, headers: list[str]) -> tuple[Answer, str]:
    """Return the answer, and where it sends us ("": nowhere)."""
    secure = url.scheme == "https"
    reader, writer = await asyncio.open_connection(
        url.hostname,
        url.port or (443 if secure else 80),
        ssl=_unverified() if secure else None,
        limit=_LINE_LIMIT_BYTES,
    )
    try:
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        writer.write("\r\n".join([f"GET {target} HTTP/1.1", *headers, "", ""]).encode())
        code, said = await _head(reader)
        while 100 <= code < 200:
            code, said = await _head(reader)
        body = await _body(reader, said, code)
    except ValueError as error:  # a line without end
        raise BadAnswer(f"malformed HTTP response: {error}") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    location = said.get("location", "") if 300 <= code < 400 else ""
    return Answer(code, body), urljoin(url.geturl(), location) if location else ""


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    status = await reader.readline()
    parts = status.split(maxsplit=2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/") or not parts[1].isdigit():
        if not status:
            raise BadAnswer("EOF")
        shown = status[:64].decode("utf-8", "replace").strip()
        raise BadAnswer(f'malformed HTTP response "{shown}"')
    said: dict[str, str] = {}
    for _ in range(_HEADERS_LIMIT):
        line = (await reader.readline()).decode("latin-1").strip()
        if not line:
            return int(parts[1]), said
        name, _, value = line.partition(":")
        said[name.strip().lower()] = value.strip()
    raise BadAnswer("malformed HTTP response: too many headers")


async def _body(reader: asyncio.StreamReader, said: dict[str, str], code: int) -> bytes:
    """Read what comes, up to the limit, so that the server is not cut off in its words."""
    if code in (204, 304):
        return b""
    length = said.get("content-length", "")
    wanted = BODY_LIMIT_BYTES
    if length.isdecimal():
        wanted = min(wanted, int(length))
    body = b""
    while len(body) < wanted:
        piece = await reader.read(wanted - len(body))
        if not piece:
            break
        body += piece
    return body


def _unverified() -> ssl.SSLContext:
    """Return a context for a Pod's own certificate. Source: InsecureSkipVerify of the kubelet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
