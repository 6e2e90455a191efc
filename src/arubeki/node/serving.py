"""What a node answers to the server: logs, under the kubelet's own paths.

Between the halves, in the other direction: [server > **node**].
Source: kubernetes pkg/kubelet/server/server.go, kubelet_pods.go (validateContainerLogStatus).
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from arubeki import clock
from arubeki.errors import BadRequest, NotFound, NotServed
from arubeki.net.message import Answer, Chunk, Request, Response, Sink, Stream
from arubeki.node import logs
from arubeki.node.container import Life
from arubeki.node.pod import PodLife

Find = Callable[[str, str], PodLife | None]
PIECE_BYTES = 64 * 1024
_PLAIN = {"Content-Type": "text/plain"}

logger = logging.getLogger(__name__)


async def answer(request: Request, find: Find) -> Answer:
    """Answer one request of the server. Raises: ApiError."""
    parts = request.path.strip("/").split("/")
    if parts[0] == "containerLogs" and len(parts) == 4:
        return _logs(request, *parts[1:], find=find)
    raise NotServed(f"this node does not serve {parts[0]}")


def _logs(request: Request, namespace: str, name: str, container: str, *, find: Find) -> Answer:
    pod = find(namespace, name)
    if pod is None:
        raise NotFound(f'pod "{name}" does not exist')
    life = pod.life(container)
    if life is None:
        raise NotFound(f'container "{container}" not found in pod "{name}"')
    said = {key: values[0] for key, values in request.parameters().items()}
    path = _path(life, name, container, previous=said.get("previous") == "true")
    options = _options(said)
    log = getattr(life.handle, "log", None)
    if said.get("follow") == "true" and log is not None and log.path == path:
        return _Sending(logs.follow(log, options)).stream()
    if not path.exists():
        return Response(200, _PLAIN, b"")  # it has printed nothing, or cannot print
    return _Sending(_written(path, options)).stream()


def _path(life: Life, pod: str, container: str, *, previous: bool) -> Path:
    """Return the log of the current run, or of the last one that ended. Raises: BadRequest."""
    waiting = life.state.waiting
    if previous:
        if not life.last_state:
            raise BadRequest(
                f'previous terminated container "{container}" in pod "{pod}" not found'
            )
        # While it waits for its next run, the last one that ended is the last one there was.
        return life.log_of(life.run - 1 if waiting else life.run - 2)
    if waiting and not life.last_state:
        raise BadRequest(
            f'container "{container}" in pod "{pod}" is waiting to start: {waiting.reason or ""}'
        )
    return life.log_of(life.run - 1)


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


async def _written(path: Path, options: logs.LogOptions) -> AsyncIterator[bytes]:
    """Yield what is in a log, at a pace that leaves the loop to others."""
    for piece in logs.read(path, options):
        yield piece
        await asyncio.sleep(0)


class _Sending:
    """A log that is sent as it is read, or as it grows, at the pace of who receives it."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
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
        try:
            async with contextlib.aclosing(self._pieces) as pieces:  # type: ignore[type-var]
                async for piece in pieces:
                    for part in _parts(piece):
                        sink.write(Chunk(part))
                    await sink.drain()
        except FileNotFoundError:
            pass  # the Pod was deleted meanwhile
        except OSError:
            logger.exception("a log cannot be read to its end")
            sink.abort()
            return
        sink.close()


def _parts(piece: bytes) -> Iterator[bytes]:
    for start in range(0, len(piece), PIECE_BYTES):
        yield piece[start : start + PIECE_BYTES]
