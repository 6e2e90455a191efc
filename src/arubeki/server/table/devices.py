"""The columns of devices and of claims to them.

On the ring: [storage > **server** > HTTP]. Source: kubernetes pkg/printers/internalversion/printers.go.
"""

from arubeki.server.table.columns import (
    AGE,
    NAME,
    Column,
    Columns,
    Object,
    at,
    dig,
    elapsed,
    plain,
)


def _state(obj: Object) -> str:
    is_going = bool(obj["metadata"].get("deletionTimestamp"))
    words = ["deleted"] if is_going else []
    if dig(obj, "status", "allocation") is not None:
        words.append("allocated")
        if dig(obj, "status", "reservedFor"):
            words.append("reserved")
    elif not is_going:
        words.append("pending")
    return ",".join(words)


_TAINT = ("spec", "taint")

DEVICES: dict[tuple[str, str], Columns] = {
    ("resource.k8s.io", "DeviceClass"): Columns.of(NAME, AGE),
    ("resource.k8s.io", "ResourceClaim"): Columns.of(
        NAME, Column("State", "Whether devices are allocated, and to whom.", plain(_state)), AGE
    ),
    ("resource.k8s.io", "ResourceClaimTemplate"): Columns.of(NAME, AGE),
    ("resource.k8s.io", "ResourceSlice"): Columns.of(
        NAME,
        Column("Node", "The node that has the devices.", at("spec", "nodeName")),
        Column("Driver", "Who drives them.", at("spec", "driver")),
        Column("Pool", "The pool they belong to.", at("spec", "pool", "name")),
        AGE,
    ),
    ("resource.k8s.io", "DeviceTaintRule"): Columns.of(
        NAME,
        Column("Key", "The taint's key.", at(*_TAINT, "key")),
        Column("Value", "The taint's value.", at(*_TAINT, "value")),
        Column("Effect", "What it does to Pods.", at(*_TAINT, "effect")),
        Column("TimeAdded", "Time since it was set.", elapsed(*_TAINT, "timeAdded", default="")),
        AGE,
    ),
}
