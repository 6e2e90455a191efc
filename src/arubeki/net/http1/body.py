"""Big bodies in batches, each as much as one turn of the event loop should write.

A list of ten thousand objects is ten thousand pieces of stored bytes. They are never joined into
one: on a plain socket the kernel gathers them, under TLS they are joined into runs of 64 KB, since
each write makes a record of its own. Other requests have their turn between two batches.

Pure; between the halves: [client > **sockets** > server].
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

PLAIN_BATCH_BYTES = 256 * 1024
TLS_BATCH_BYTES = 64 * 1024

Batch: TypeAlias = "bytes | memoryview | list[bytes | memoryview]"


def plain_batches(head: bytes, body: bytes | Iterable[bytes]) -> Iterator[Batch]:
    """Yield lists for `writelines`; the first begins with the head."""
    batch: list[bytes | memoryview] = [head]
    size = 0
    for piece in _pieces(body, PLAIN_BATCH_BYTES):
        batch.append(piece)
        size += len(piece)
        if size >= PLAIN_BATCH_BYTES:
            yield batch
            batch = []
            size = 0
    if batch:
        yield batch


def tls_batches(head: bytes, body: bytes | Iterable[bytes]) -> Iterator[Batch]:
    """Yield runs of about 64 KB for `write`; the first begins with the head."""
    run: list[bytes | memoryview] = [head]
    size = 0
    for piece in _pieces(body, TLS_BATCH_BYTES):
        run.append(piece)
        size += len(piece)
        if size >= TLS_BATCH_BYTES:
            yield b"".join(run) if len(run) > 1 else run[0]
            run = []
            size = 0
    if run:
        yield b"".join(run)


def _pieces(body: bytes | Iterable[bytes], limit: int) -> Iterator[bytes | memoryview]:
    """Yield the body's parts, the long ones in slices that copy nothing."""
    for part in (body,) if isinstance(body, bytes) else body:
        if not part:
            continue
        if len(part) <= limit:
            yield part
        else:
            view = memoryview(part)
            for start in range(0, len(part), limit):
                yield view[start : start + limit]
