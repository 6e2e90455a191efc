"""From an object's bytes on a watch to an entry of the cache, in one or two passes.

The typed object leaves out managedFields (a fifth of the bytes and half of the memory of a decoded
Pod); a projection of the metadata finds what the cache keeps beside it: uid, revision, owners, and a
hash of the fields that the managers of this process own.

On the ring: [watch > **decoding** > cache].
"""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from arubeki.api.objects import Kind
from arubeki.kinds.codec import decode
from arubeki.runtime.cache import Entry, Key, Mark

T = TypeVar("T")

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""Source: apimachinery pkg/apis/meta/v1/types.go, InitialEventsAnnotationKey."""


class _Owner(msgspec.Struct, gc=False, frozen=True):
    uid: str = ""
    controller: bool = False


class _Managed(msgspec.Struct, gc=False, frozen=True):
    manager: str = ""
    operation: str = ""
    subresource: str = ""
    fieldsV1: msgspec.Raw = msgspec.Raw(b"")


class _Metadata(msgspec.Struct, gc=False, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""
    ownerReferences: tuple[_Owner, ...] | None = ()
    managedFields: tuple[_Managed, ...] | None = ()
    annotations: Mapping[str, str] | None = None


class Head(msgspec.Struct, gc=False, frozen=True):
    """The metadata that a cache needs of an object."""

    metadata: _Metadata = _Metadata()

    @property
    def key(self) -> Key:
        """Where the object is."""
        return Key(self.metadata.namespace, self.metadata.name)

    @property
    def revision(self) -> int:
        """The resourceVersion as a number; 0 where it is none (see `revision_of`)."""
        return revision_of(self.metadata.resourceVersion)

    @property
    def ends_initial_events(self) -> bool:
        """Whether this is the bookmark after the last initial object of a watch-list."""
        return (self.metadata.annotations or {}).get(INITIAL_EVENTS_END) == "true"


def revision_of(resource_version: str) -> int:
    """Return a resourceVersion as a number, 0 for anything but decimal digits.

    Source: KEP-5504, comparable resource versions (stable in 1.35).
    """
    return int(resource_version) if resource_version.isdecimal() else 0


class Decoding(Generic[T]):
    """Makes entries of one kind. A `Kind` instead of a class means dicts.

    `managers` may grow until the first object is decoded.
    """

    def __init__(self, kind: type[T] | Kind) -> None:
        self._kind: Kind = kind if isinstance(kind, Kind) else kind.KIND  # type: ignore[attr-defined]
        self._class: Any = dict if isinstance(kind, Kind) else kind
        self._is_dict = issubclass(self._class, dict)
        # Made with the first object: many kinds are watched of which there is none for long.
        self._decoder: msgspec.json.Decoder[Any] | None = None
        self._heads: msgspec.json.Decoder[Head] = msgspec.json.Decoder(Head)
        self.managers: set[str] = set()

    def head(self, data: bytes | msgspec.Raw) -> Head:
        """Return the metadata. Raises: msgspec.MsgspecError when it is not an object."""
        return self._heads.decode(data)

    def entry(
        self, data: bytes | msgspec.Raw, head: Head | None = None, *, keep_raw: bool = False
    ) -> Entry[T]:
        """Return the entry of an object; `keep_raw` keeps its JSON where one of ours owns fields.

        Raises: Invalid when the object is not as its type says.
        """
        found = head if head is not None else self._heads.decode(data)
        metadata = found.metadata
        marks = self._marks(metadata.managedFields or ()) if self.managers else None
        owners = metadata.ownerReferences or ()
        return Entry(
            found.key,
            self._decode(data),
            uid=metadata.uid,
            revision=found.revision,
            owners=tuple(owner.uid for owner in owners),
            controller=next((owner.uid for owner in owners if owner.controller), ""),
            marks=marks,
            raw=bytes(data) if keep_raw and marks else None,
        )

    def _decode(self, data: bytes | msgspec.Raw) -> T:
        decoder = self._decoder
        if decoder is None:
            decoder = self._decoder = msgspec.json.Decoder(dict if self._is_dict else self._class)
        try:
            decoded: Any = decoder.decode(data)
        except msgspec.ValidationError:
            decoded = decode(self._class, data)  # more lenient, and slower
        if self._is_dict:
            # Items of a list may not repeat what the list says.
            decoded.setdefault("apiVersion", self._kind.api_version)
            decoded.setdefault("kind", self._kind.kind)
            if self._class is not dict:
                decoded = self._class(decoded)
        found: T = decoded
        return found

    def _marks(self, managed: tuple[_Managed, ...]) -> dict[Mark, int] | None:
        marks: dict[Mark, int] = {}
        for one in managed:
            if one.operation == "Apply" and one.manager in self.managers:
                # The server writes a set of fields in one order, so equal sets are equal bytes;
                # should one not, an apply too many is all that comes of it.
                marks[Mark(one.manager, one.subresource)] = hash(bytes(one.fieldsV1))
        return marks or None
