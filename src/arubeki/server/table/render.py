"""From objects to the `Table` on the wire.

On the ring: [storage > **server** > HTTP].
"""

from collections.abc import Iterable, Mapping
from typing import Any

from arubeki import clock
from arubeki.server.resources import Resource
from arubeki.server.table.apps import APPS
from arubeki.server.table.columns import Columns
from arubeki.server.table.core import CORE
from arubeki.server.table.custom import PLAIN, of_definition
from arubeki.server.table.pods import PODS

_BUILT_IN: Mapping[tuple[str, str], Columns] = {("", "Pod"): PODS, **CORE, **APPS}


def render(
    resource: Resource,
    objects: Iterable[dict[str, Any]],
    *,
    metadata: Mapping[str, Any] | None = None,
    include: str = "Metadata",
    heads: bool = True,
    version: str = "v1",
) -> dict[str, Any]:
    """Return objects as a `Table` of meta.k8s.io.

    `metadata` is the table's list metadata (`resourceVersion`, `continue`, `remainingItemCount`).
    `include` says what of each object goes along: `None`, `Metadata` (a PartialObjectMetadata) or
    `Object`. `heads` False leaves the column definitions out, as after a watch's first event.
    """
    columns = columns_of(resource)
    now = clock.now()
    api_version = f"meta.k8s.io/{version}"
    return {
        "kind": "Table",
        "apiVersion": api_version,
        "metadata": dict(metadata or {}),
        "columnDefinitions": [one.definition() for one in columns.columns] if heads else [],
        "rows": [_row(columns, one, now, include, api_version) for one in objects],
    }


def columns_of(resource: Resource) -> Columns:
    """Return the columns of a resource's objects."""
    if resource.custom is not None:
        return of_definition(resource.custom.columns)
    return _BUILT_IN.get((resource.group, resource.kind), PLAIN)


def _row(
    columns: Columns, obj: dict[str, Any], now: float, include: str, api_version: str
) -> dict[str, Any]:
    row: dict[str, Any] = {"cells": columns.row(obj, now)}
    if include == "Object":
        row["object"] = obj
    elif include == "None":
        row["object"] = None
    else:
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": api_version,
            "metadata": obj["metadata"],
        }
    return row
