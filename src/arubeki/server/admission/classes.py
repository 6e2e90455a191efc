"""The classes that other objects name: of priority, of storage, of ingress, of runtime.

Who names one must name one that exists; who names none gets the default, if the cluster has one.

On the ring: [HTTP > **server** > storage].
Source: kubernetes plugin/pkg/admission/{priority,runtimeclass,storage/storageclass/setdefault,
network/defaultingressclass}.
"""

from collections.abc import Sequence
from typing import Any

from arubeki.server import wire
from arubeki.server.resources import Registry, Resource
from arubeki.storage.base import Storage

Object = dict[str, Any]

STORAGE = ("storage.k8s.io", "v1", "storageclasses")
INGRESS = ("networking.k8s.io", "v1", "ingressclasses")
PRIORITY = ("scheduling.k8s.io", "v1", "priorityclasses")
RUNTIME = ("node.k8s.io", "v1", "runtimeclasses")

DEFAULT_STORAGE = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
DEFAULT_INGRESS = ("ingressclass.kubernetes.io/is-default-class",)
_GLOBAL = b'"globalDefault":true'


class Classes:
    """Looks for classes in the storage."""

    def __init__(self, storage: Storage, registry: Registry) -> None:
        self._storage = storage
        self._registry = registry

    async def find(self, place: tuple[str, str, str], name: str) -> Object | None:
        """Return the class of a name."""
        entry = await self._storage.get(self._resource(place).key("", name))
        return None if entry is None else wire.decode(entry.value)

    async def default(self, place: tuple[str, str, str], marks: Sequence[str]) -> str:
        """Return the newest class that one of the annotations `marks` as the default, "" if none."""
        found: list[tuple[str, str]] = []
        for obj in await self._having(place, b"is-default-class"):
            metadata = obj["metadata"]
            annotations = metadata.get("annotations") or {}
            if any(annotations.get(mark) == "true" for mark in marks):
                found.append((metadata["creationTimestamp"], metadata["name"]))
        if not found:
            return ""
        newest = max(created for created, _ in found)
        return min(name for created, name in found if created == newest)

    async def fill(
        self,
        obj: Object,
        place: tuple[str, str, str],
        marks: Sequence[str],
        *,
        field: str,
        annotation: str,
    ) -> None:
        """Name the default class in a new object's spec, unless field or annotation names one."""
        spec = obj.setdefault("spec", {})
        if field in spec or annotation in (obj["metadata"].get("annotations") or {}):
            return
        if name := await self.default(place, marks):
            spec[field] = name

    async def global_priority(self) -> Object | None:
        """Return the priority class of Pods that name none: the lowest, should there be several."""
        found = [one for one in await self._having(PRIORITY, _GLOBAL) if one.get("globalDefault")]
        return min(found, key=lambda one: int(one.get("value", 0)), default=None)

    async def _having(self, place: tuple[str, str, str], text: bytes) -> list[Object]:
        """Return the classes in whose bytes a text is found; most are never decoded."""
        part = await self._storage.range(self._resource(place).prefix)
        return [wire.decode(entry.value) for entry in part.entries if text in entry.value]

    def _resource(self, place: tuple[str, str, str]) -> Resource:
        resource = self._registry.find(*place)
        assert resource is not None, "built in"
        return resource
