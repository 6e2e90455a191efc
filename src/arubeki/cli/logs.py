"""`logs`: what a container printed.

Outside the ring: [you > **cli** > client].
"""

import re
import sys
from typing import Any
from urllib.parse import urlencode

import msgspec

from arubeki.cli.session import Session, run, split
from arubeki.errors import ApiError, ConfigError, NotFound


def logs(options: Any) -> int:
    """Show a container's log."""
    return run(_logs, options)


async def _logs(session: Session, options: Any) -> int:
    pod = await _pod(session, options.what)
    container = options.container or options.container_name or ""
    query: dict[str, str | int] = {}
    if container:
        query["container"] = container
    if options.follow:
        query["follow"] = "true"
    if options.previous:
        query["previous"] = "true"
    if options.tail >= 0:
        query["tailLines"] = options.tail
    if options.since:
        query["sinceSeconds"] = seconds(options.since)
    if options.timestamps:
        query["timestamps"] = "true"
    path = f"/api/v1/namespaces/{session.namespace}/pods/{pod}/log"
    async with session.transport.stream("GET", path, query=urlencode(query)) as stream:
        if stream.status >= 400:
            body = b"".join([piece async for piece in stream])
            raise _error(body, stream.status)
        async for piece in stream:
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
    return 0


def seconds(text: str) -> int:
    """Return the seconds of a duration such as `90s`, `1m30s` or `2h`. Raises: ConfigError."""
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text)
    if not text or parts is None:
        raise ConfigError(f"{text!r} is no duration; examples: 5s, 2m, 1h30m")
    return sum(
        int(part or 0) * unit for part, unit in zip(parts.groups(), (3600, 60, 1), strict=True)
    )


async def _pod(session: Session, what: str) -> str:
    """Return the name of the Pod that is meant: itself, or the first of what selects Pods."""
    if "/" not in what:
        return what
    ((word, name),) = split([what])
    served = await session.find(word)
    if served.kind.plural == "pods":
        return name
    owner = await session.json("GET", served.kind.path(session.namespace, name))
    selector = (owner.get("spec") or {}).get("selector") or {}
    labels = selector.get("matchLabels", selector)
    if not labels or not all(isinstance(value, str) for value in labels.values()):
        raise ConfigError(f"{what} does not select Pods by labels")
    text = ",".join(f"{key}={value}" for key, value in labels.items())
    found = await session.json(
        "GET", f"/api/v1/namespaces/{session.namespace}/pods", {"labelSelector": text}
    )
    if not found["items"]:
        raise NotFound(f"no Pods found for {what}")
    first: str = found["items"][0]["metadata"]["name"]
    if len(found["items"]) > 1:
        print(f"Found {len(found['items'])} pods, using pod/{first}", file=sys.stderr)
    return first


def _error(body: bytes, status: int) -> ApiError:
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        found = {"message": body.decode("utf-8", "replace").strip()}
    return ApiError.from_status(found if isinstance(found, dict) else {}, status)
