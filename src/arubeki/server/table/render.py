"""From objects to the `Table` on the wire.

A Table is a head, rows, and a tail. Rows are made some at a time, so that a long list does not keep
others waiting; only a kind whose rows hang together as a list needs all its objects at once.

On the ring: [storage > **server** > HTTP].
"""

from collections.abc import Mapping, Sequence
from typing import Any

from arubeki import clock
from arubeki.api.objects import GVK
from arubeki.server import wire
from arubeki.server.resources import Resource
from arubeki.server.table.columns import Columns, Object, Row
from arubeki.server.table.core import CORE
from arubeki.server.table.custom import PLAIN, of_definition
from arubeki.server.table.devices import DEVICES
from arubeki.server.table.networks import NETWORKS
from arubeki.server.table.pods import PODS
from arubeki.server.table.policies import POLICIES
from arubeki.server.table.volumes import VOLUMES
from arubeki.server.table.workloads import SCALE, WORKLOADS

_BUILT_IN: Mapping[tuple[str, str], Columns] = {
    ("", "Pod"): PODS,
    ("autoscaling", "Scale"): SCALE,
    **CORE,
    **WORKLOADS,
    **NETWORKS,
    **VOLUMES,
    **POLICIES,
    **DEVICES,
}


class Table:
    """Shows objects of one resource as rows.

    `include` says what of each object goes along: `None`, `Metadata` (a PartialObjectMetadata) or
    `Object`; `version` is that of meta.k8s.io.
    """

    __slots__ = ("api_version", "columns", "converter", "include", "is_custom")

    def __init__(
        self,
        resource: Resource,
        *,
        include: str = "Metadata",
        version: str = "v1",
        kind: GVK | None = None,
    ) -> None:
        """Show a resource's objects, or (`kind`) what one of its subresources answers."""
        self.converter = resource.converter if kind is None else None
        self.is_custom = resource.custom is not None
        self.include = include
        self.api_version = f"meta.k8s.io/{version}"
        self.columns = columns_of(resource, kind)

    @property
    def is_whole(self) -> bool:
        """Whether the rows of a list can only be made together."""
        return self.columns.listed is not None

    def head(self, metadata: Mapping[str, Any] | None = None, *, heads: bool = True) -> bytes:
        """Return what stands before the rows.

        `metadata` is the list metadata (`resourceVersion`, `continue`, `remainingItemCount`).
        `heads` False leaves the column definitions out, as after a watch's first event.
        """
        columns = [one.definition() for one in self.columns.columns] if heads else None
        start = wire.encode_json(
            {
                "kind": "Table",
                "apiVersion": self.api_version,
                "metadata": metadata or {},
                "columnDefinitions": columns,
            }
        )
        return start[:-1] + b',"rows":['

    def rows(self, values: Sequence[bytes], *, listed: bool = False) -> bytes:
        """Return stored objects as rows with commas between. `listed`: they are a whole list."""
        objects: Sequence[Object] = [self._shown(one) for one in values]
        row = self.columns.row
        if listed and self.columns.listed is not None:
            objects, row = self.columns.listed(objects)
        now = clock.now()
        return wire.encode_json([self._row(one, row, now) for one in objects])[1:-1]

    TAIL = b"]}\n"
    """What stands behind the rows."""

    def _shown(self, value: bytes) -> Object:
        # Columns of a custom resource belong to its version, those of built-in kinds to what is
        # stored: a kind shows the same in every version.
        if self.converter is not None and self.is_custom:
            value = self.converter.served_bytes(value)
        return wire.decode(value)

    def _row(self, obj: Object, row: Row, now: float) -> dict[str, Any]:
        shown: dict[str, Any] = {"cells": row(obj, now)}
        conditions = self.columns.conditions
        if conditions is not None and (found := conditions(obj)):
            shown["conditions"] = found
        if self.include == "None":
            shown["object"] = None
        elif self.include == "Object":
            if self.converter is not None and not self.is_custom:
                obj = self.converter.to_served(obj)
            shown["object"] = obj
        else:
            shown["object"] = {
                "kind": "PartialObjectMetadata",
                "apiVersion": self.api_version,
                "metadata": obj["metadata"],
            }
        return shown


def columns_of(resource: Resource, kind: GVK | None = None) -> Columns:
    """Return the columns of a resource's objects, or of a subresource's kind."""
    gvk = kind or resource.gvk
    if resource.custom is not None and gvk == resource.gvk:
        return of_definition(resource.custom.columns)
    return _BUILT_IN.get((gvk.group, gvk.kind), PLAIN)
