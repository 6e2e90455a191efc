"""What a node answers to the server: logs, under the kubelet's own paths.

Between the halves, in the other direction: [server > **node**].
Source: kubernetes pkg/kubelet/server/server.go.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from arubeki import clock
from arubeki.errors import BadRequest, NotFound, NotServed
from arubeki.net.message import Answer, Chunk, Request, Response, Sink, Stream
from arubeki.node import logs
from arubeki.node.container import Life
from arubeki.node.pod import PodLife

Find = Callable[[str, str], PodLife | None]
_PLAIN = {"Content-Type": "text/plain"}


async def answer(request: Request, find: Find) -> Answer:
    """Answer one request of the server. Raises: ApiError."""
    parts = request.path.strip("/").split("/")
    if parts[0] == "containerLogs" and len(parts) == 4:
        return _logs(request, *parts[1:], find=find)
    raise NotServed(f"this node does not serve {parts[0]}")


def _logs(request: Request, namespace: str, name: str, container: str, *, find: Find) -> Answer:
    pod = find(namespace, name)
    life = pod.life(container) if pod is not None else None
    if pod is None or life is None:
        raise NotFound(f'pod "{name}" is not on this node')
    said = {key: values[0] for key, values in request.parameters().items()}
    path = _path(life, name, container, previous=said.get("previous") == "true")
    options = _options(said)
    log = getattr(life.handle, "log", None)
    if said.get("follow") == "true" and log is not None and log.path == path:
        return _Following(log, options).stream()
    try:
        return Response(200, _PLAIN, list(logs.read(path, options)))
    except FileNotFoundError:
        return Response(200, _PLAIN, b"")  # it has printed nothing, or cannot print


def _path(life: Life, pod: str, container: str, *, previous: bool) -> Path:
    """Return the log of the current run, or of the one before."""
    if previous:
        if len(life.logs) < 2:
            raise BadRequest(
                f'previous terminated container "{container}" in pod "{pod}" not found'
            )
        return life.logs[-2]
    if not life.logs:
        waiting = life.state.waiting
        reason = (waiting and waiting.reason) or "ContainerCreating"
        raise BadRequest(f'container "{container}" in pod "{pod}" is waiting to start: {reason}')
    return life.logs[-1]


def _options(said: dict[str, str]) -> logs.LogOptions:
    since = None
    if "sinceSeconds" in said:
        since = clock.now() - int(said["sinceSeconds"])
    elif "sinceTime" in said:
        since = clock.parse_timestamp(said["sinceTime"])
    stream = said.get("stream", "")
    return logs.LogOptions(
        tail_lines=int(said["tailLines"]) if "tailLines" in said else None,
        since=since,
        limit_bytes=int(said["limitBytes"]) if "limitBytes" in said else None,
        timestamps=said.get("timestamps") == "true",
        stream="" if stream == "All" else stream,
    )


class _Following:
    """A log that is sent as it grows, at the pace of who reads it."""

    def __init__(self, log: logs.Log, options: logs.LogOptions) -> None:
        self._log = log
        self._options = options
        self._task: asyncio.Task[None] | None = None

    def stream(self) -> Stream:
        """Return it as an answer."""
        return Stream(self._opened, self._closed, headers=_PLAIN)

    def _opened(self, sink: Sink) -> None:
        self._task = asyncio.get_running_loop().create_task(self._send(sink))

    def _closed(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _send(self, sink: Sink) -> None:
        with contextlib.suppress(FileNotFoundError):  # the Pod was deleted meanwhile
            async for piece in logs.follow(self._log, self._options):
                for part in _parts(piece):
                    sink.write(Chunk(part))
                await sink.drain()
        sink.close()


def _parts(piece: bytes, size: int = 64 * 1024) -> Iterator[bytes]:
    for start in range(0, len(piece), size):
        yield piece[start : start + size]
