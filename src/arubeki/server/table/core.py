"""The columns of the core group's kinds that neither run Pods nor lead to them.

On the ring: [storage > **server** > HTTP]. Source: kubernetes pkg/printers/internalversion/printers.go.
"""

from typing import Any

from arubeki.server.table.columns import (
    AGE,
    NAME,
    Column,
    Columns,
    Object,
    amount,
    at,
    condition,
    dig,
    joined,
    name,
    plain,
    since,
    size,
)


def _entries(obj: Object) -> int:
    return len(obj.get("data") or ()) + len(obj.get("binaryData") or ())


def _ready(obj: Object) -> str:
    found = condition(obj, "Ready")
    state = "Unknown"
    if found:
        state = "Ready" if found.get("status") == "True" else "NotReady"
    return f"{state},SchedulingDisabled" if dig(obj, "spec", "unschedulable") else state


_ROLE_PREFIX = "node-role.kubernetes.io/"


def _roles(obj: Object) -> str:
    found = set()
    for key, value in (obj["metadata"].get("labels") or {}).items():
        if key.startswith(_ROLE_PREFIX):
            found.add(key.removeprefix(_ROLE_PREFIX))
        elif key == "kubernetes.io/role":
            found.add(value)
    return joined(sorted(found - {""}))


def _address(obj: Object, kind: str) -> str:
    for one in dig(obj, "status", "addresses", default=()):
        if one.get("type") == kind:
            return str(one.get("address", ""))
    return "<none>"


def _system(obj: Object, key: str) -> str:
    return dig(obj, "status", "nodeInfo", key) or "<unknown>"


def _kernel(obj: Object) -> str:
    architecture = dig(obj, "status", "nodeInfo", "architecture")
    kernel = _system(obj, "kernelVersion")
    return f"{kernel} ({architecture})" if architecture else kernel


def _event(obj: Object, now: float) -> list[Any]:
    series, about = obj.get("series") or {}, obj.get("involvedObject") or {}
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    last = obj.get("lastTimestamp") or first
    if series:
        last = series.get("lastObservedTime")
    kind, named = str(about.get("kind", "")).lower(), about.get("name")
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent")
    where = source.get("host") or obj.get("reportingInstance")
    return [
        since(last, now),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{kind}/{named}" if named else kind,
        about.get("fieldPath", ""),
        f"{component or ''}, {where}" if where else component or "",
        str(obj.get("message") or "").strip(),
        since(first, now),
        series.get("count", 0) if series else obj.get("count") or 1,
        name(obj),
    ]


def _amounts(obj: Object, *, limits: bool) -> str:
    """Return what a quota grants of each resource, and how much of that is used."""
    hard, used = (dig(obj, "status", key, default={}) for key in ("hard", "used"))
    return ", ".join(
        f"{one}: {amount(used.get(one))}/{amount(hard[one])}"
        for one in sorted(hard)
        if one.startswith("limits.") is limits
    )


def _health(obj: Object, key: str) -> str:
    for one in obj.get("conditions") or ():
        if one.get("type") == "Healthy":
            if key != "status":
                return str(one.get(key, ""))
            return "Healthy" if one.get("status") == "True" else "Unhealthy"
    return "Unknown" if key == "status" else ""


_EVENT = Columns(
    (
        Column("Last Seen", "Time since it was last observed."),
        Column("Type", "Normal or Warning."),
        Column("Reason", "Why, in one word."),
        Column("Object", "What it is about."),
        Column("Subobject", "Which part of that.", priority=1),
        Column("Source", "Who reports it.", priority=1),
        Column("Message", "What happened."),
        Column("First Seen", "Time since it was first observed.", priority=1),
        Column("Count", "How often it was observed.", priority=1),
        Column("Name", "The event's own name.", format="name", priority=1),
    ),
    _event,
)

CORE: dict[tuple[str, str], Columns] = {
    ("", "Namespace"): Columns.of(
        NAME, Column("Status", "Active or Terminating.", at("status", "phase")), AGE
    ),
    ("", "ConfigMap"): Columns.of(NAME, Column("Data", "Number of entries.", plain(_entries)), AGE),
    ("", "Secret"): Columns.of(
        NAME,
        Column("Type", "What its entries mean.", at("type")),
        Column("Data", "Number of entries.", size("data")),
        AGE,
    ),
    ("", "ServiceAccount"): Columns.of(NAME, AGE),
    ("", "Node"): Columns.of(
        NAME,
        Column("Status", "Whether it is ready.", plain(_ready)),
        Column("Roles", "Its roles, from labels.", plain(_roles)),
        AGE,
        Column("Version", "The version of its agent.", at("status", "nodeInfo", "kubeletVersion")),
        Column("Internal-IP", "Its address inside the cluster.",
               plain(lambda obj: _address(obj, "InternalIP")), priority=1),
        Column("External-IP", "Its address outside.",
               plain(lambda obj: _address(obj, "ExternalIP")), priority=1),
        Column("OS-Image", "Its operating system.", plain(lambda obj: _system(obj, "osImage")),
               priority=1),
        Column("Kernel-Version", "Its kernel.", plain(_kernel), priority=1),
        Column("Container-Runtime", "What runs its Pods.",
               plain(lambda obj: _system(obj, "containerRuntimeVersion")), priority=1),
    ),
    ("", "Event"): _EVENT,
    ("events.k8s.io", "Event"): _EVENT,
    ("", "ResourceQuota"): Columns.of(
        NAME,
        Column("Request", "What may be asked for, and how much of that is.",
               plain(lambda obj: _amounts(obj, limits=False))),
        Column("Limit", "What may be used, and how much of that is.",
               plain(lambda obj: _amounts(obj, limits=True))),
        AGE,
    ),
    ("", "ComponentStatus"): Columns.of(
        NAME,
        Column("Status", "Whether it is healthy.", plain(lambda obj: _health(obj, "status"))),
        Column("Message", "What it says.", plain(lambda obj: _health(obj, "message"))),
        Column("Error", "What is wrong with it.", plain(lambda obj: _health(obj, "error"))),
    ),
}  # fmt: skip
