"""What a watch event looks like: the object as it is, as a Table, or its metadata alone.

An event is a prefix, the stored bytes and a suffix; only a Table or another version's form costs
decoding.

On the ring: [storage > **watch** > informer].
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from arubeki.errors import ApiError
from arubeki.server import wire
from arubeki.server.negotiation import METADATA, TABLE
from arubeki.server.resources import Resource

if TYPE_CHECKING:
    from arubeki.server.table import Table

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
Event = tuple[bytes, bytes]
"""The type (`b"ADDED"`) and the object's stamped bytes, as stored."""


class View:
    """Encodes events of one resource and version in one shape."""

    __slots__ = ("include", "resource", "shape", "table", "version")

    def __init__(
        self, resource: Resource, shape: str, include: str = "", version: str = "v1"
    ) -> None:
        self.resource = resource
        self.shape = shape
        self.include = include
        self.version = version
        self.table: Table | None = None

    def events(self, events: Sequence[Event], *, headers: bool) -> bytes:
        """Return events as lines. `headers` says whether a Table names its columns yet."""
        lines = []
        for kind, value in events:
            body = self._object(value, headers=headers)
            headers = False
            lines.append(b'{"type":"%b","object":%b}\n' % (kind, body))
        return lines[0] if len(lines) == 1 else b"".join(lines)

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        """Return a BOOKMARK: everything up to `revision` has been sent."""
        metadata: dict[str, object] = {"resourceVersion": str(revision)}
        if initial_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        kind, api_version = self.resource.kind, self.resource.api_version
        if self.shape == METADATA:
            kind, api_version = "PartialObjectMetadata", f"meta.k8s.io/{self.version}"
        bookmark: dict[str, object] = {
            "kind": kind,
            "apiVersion": api_version,
            "metadata": metadata,
        }
        if self.shape == TABLE:
            # An object with nothing but metadata, shown as any other.
            table = self._row(wire.encode_json(bookmark), headers=False)
            return b'{"type":"BOOKMARK","object":%b}\n' % table
        return wire.encode_json({"type": "BOOKMARK", "object": bookmark}) + b"\n"

    def _object(self, value: bytes, *, headers: bool) -> bytes:
        if self.shape == TABLE:
            return self._row(value, headers=headers)
        converter = self.resource.converter
        if converter is not None:
            value = converter.served_bytes(value)
        return wire.partial(value, self.version) if self.shape == METADATA else value

    def _row(self, value: bytes, *, headers: bool) -> bytes:
        """Return an object as a Table of one row, whose revision is the object's."""
        if self.table is None:
            from arubeki.server.table import Table

            include = self.include or "Metadata"
            self.table = Table(self.resource, include=include, version=self.version)
        metadata = {"resourceVersion": wire.revision_of(value)}
        return self.table.head(metadata, heads=headers) + self.table.rows([value]) + b"]}"


def error_event(error: ApiError) -> bytes:
    """Return an ERROR event, after which the stream ends."""
    return wire.encode_json({"type": "ERROR", "object": error.to_status()}) + b"\n"
