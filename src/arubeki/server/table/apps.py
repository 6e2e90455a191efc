"""The columns of the apps group.

On the ring: [storage > **server** > HTTP]. Source: kubernetes pkg/printers/internalversion/printers.go.
"""

from typing import Any

from arubeki.server.table.columns import (
    AGE,
    NAME,
    Column,
    Columns,
    age,
    containers_and_images,
    dig,
    selector,
)


def _deployment(obj: dict[str, Any], now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    names, images = containers_and_images(dig(spec, "template", "spec"))
    return [
        obj["metadata"]["name"],
        f"{status.get('readyReplicas') or 0}/{spec.get('replicas') or 0}",
        status.get("updatedReplicas") or 0,
        status.get("availableReplicas") or 0,
        age(obj, now),
        names,
        images,
        selector(spec.get("selector")),
    ]


def _replica_set(obj: dict[str, Any], now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    names, images = containers_and_images(dig(spec, "template", "spec"))
    return [
        obj["metadata"]["name"],
        spec.get("replicas") or 0,
        status.get("replicas") or 0,
        status.get("readyReplicas") or 0,
        age(obj, now),
        names,
        images,
        selector(spec.get("selector")),
    ]


_WIDE = (
    Column("Containers", "Names of the template's containers.", priority=1),
    Column("Images", "Images of the template's containers.", priority=1),
    Column("Selector", "Labels of its Pods.", priority=1),
)

APPS: dict[tuple[str, str], Columns] = {
    ("apps", "Deployment"): Columns(
        (
            NAME,
            Column("Ready", "Pods that are ready, of those wanted."),
            Column("Up-to-date", "Pods of the newest template.", type="integer"),
            Column("Available", "Pods that have been ready long enough.", type="integer"),
            AGE,
            *_WIDE,
        ),
        _deployment,
    ),
    ("apps", "ReplicaSet"): Columns(
        (
            NAME,
            Column("Desired", "Pods wanted.", type="integer"),
            Column("Current", "Pods there are.", type="integer"),
            Column("Ready", "Pods that are ready.", type="integer"),
            AGE,
            *_WIDE,
        ),
        _replica_set,
    ),
}
