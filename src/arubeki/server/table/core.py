"""The columns of the core group's kinds, and of those that look like them.

On the ring: [storage > **server** > HTTP]. Source: kubernetes pkg/printers/internalversion/printers.go.
"""

from typing import Any

from arubeki.server.table.columns import (
    AGE,
    LABELS_LIMIT,
    NAME,
    Column,
    Columns,
    age,
    dig,
    joined,
    labels,
    since,
)


def _name(obj: dict[str, Any]) -> str:
    name: str = obj["metadata"]["name"]
    return name


def _namespace(obj: dict[str, Any], now: float) -> list[Any]:
    return [_name(obj), dig(obj, "status", "phase", default=""), age(obj, now)]


def _config_map(obj: dict[str, Any], now: float) -> list[Any]:
    count = len(obj.get("data") or ()) + len(obj.get("binaryData") or ())
    return [_name(obj), count, age(obj, now)]


def _secret(obj: dict[str, Any], now: float) -> list[Any]:
    return [_name(obj), obj.get("type", ""), len(obj.get("data") or ()), age(obj, now)]


def _service_account(obj: dict[str, Any], now: float) -> list[Any]:
    return [_name(obj), len(obj.get("secrets") or ()), age(obj, now)]


def _service(obj: dict[str, Any], now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    kind = spec.get("type") or "ClusterIP"
    address = spec.get("clusterIP") or "<none>"
    return [
        _name(obj),
        kind,
        address,
        _external(obj, spec, kind),
        joined(_port(one) for one in spec.get("ports") or ()),
        age(obj, now),
        labels(spec.get("selector")),
    ]


def _external(obj: dict[str, Any], spec: dict[str, Any], kind: str) -> str:
    if kind == "ExternalName":
        return spec.get("externalName") or "<none>"
    addresses = list(spec.get("externalIPs") or ())
    if kind == "LoadBalancer":
        ingress = dig(obj, "status", "loadBalancer", "ingress", default=[])
        found = [one.get("ip") or one.get("hostname") or "" for one in ingress] + addresses
        return joined(found, "<pending>")
    return joined(addresses)


def _port(port: dict[str, Any]) -> str:
    protocol = port.get("protocol") or "TCP"
    if port.get("nodePort"):
        return f"{port.get('port')}:{port['nodePort']}/{protocol}"
    return f"{port.get('port')}/{protocol}"


def _endpoints(obj: dict[str, Any], now: float) -> list[Any]:
    found = []
    for subset in obj.get("subsets") or ():
        ports = subset.get("ports") or []
        for address in subset.get("addresses") or ():
            ip = address.get("ip", "")
            found += [f"{ip}:{port.get('port')}" for port in ports] if ports else [ip]
    return [_name(obj), _few(found), age(obj, now)]


def _few(found: list[str]) -> str:
    text = joined(found[:LABELS_LIMIT])
    return text if len(found) <= LABELS_LIMIT else f"{text} + {len(found) - LABELS_LIMIT} more..."


def _endpoint_slice(obj: dict[str, Any], now: float) -> list[Any]:
    ports = obj.get("ports")
    addresses = [ip for one in obj.get("endpoints") or () for ip in one.get("addresses") or ()]
    return [
        _name(obj),
        obj.get("addressType", ""),
        "<unset>" if not ports else _few([str(one.get("port", "*")) for one in ports]),
        _few(addresses) if addresses else "<unset>",
        age(obj, now),
    ]


def _node(obj: dict[str, Any], now: float) -> list[Any]:
    status, info = obj.get("status") or {}, dig(obj, "status", "nodeInfo", default={})
    state = "Unknown"
    for one in status.get("conditions") or ():
        if one.get("type") == "Ready":
            state = "Ready" if one.get("status") == "True" else "NotReady"
    if dig(obj, "spec", "unschedulable"):
        state += ",SchedulingDisabled"
    addresses = {one.get("type"): one.get("address") for one in status.get("addresses") or ()}
    return [
        _name(obj),
        state,
        joined(sorted(_roles(obj))),
        age(obj, now),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP") or "<none>",
        addresses.get("ExternalIP") or "<none>",
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


def _roles(obj: dict[str, Any]) -> set[str]:
    prefix = "node-role.kubernetes.io/"
    found = set()
    for key, value in (obj["metadata"].get("labels") or {}).items():
        if key.startswith(prefix) and key != prefix:
            found.add(key.removeprefix(prefix))
        elif key == "kubernetes.io/role" and value:
            found.add(value)
    return found


def _event(obj: dict[str, Any], now: float) -> list[Any]:
    series = obj.get("series") or {}
    first = obj.get("firstTimestamp") or obj.get("deprecatedFirstTimestamp") or obj.get("eventTime")
    last = obj.get("lastTimestamp") or obj.get("deprecatedLastTimestamp") or first
    last = series.get("lastObservedTime") or last
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    component = (
        source.get("component") or obj.get("reportingComponent") or obj.get("reportingController")
    )
    where = source.get("host") or obj.get("reportingInstance")
    return [
        since(last, now),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}",
        about.get("fieldPath", ""),
        ", ".join(part for part in (component, where) if part),
        str(obj.get("message") or obj.get("note") or "").strip(),
        since(first, now),
        series.get("count") or obj.get("count") or obj.get("deprecatedCount") or 1,
        _name(obj),
    ]


def _lease(obj: dict[str, Any], now: float) -> list[Any]:
    return [_name(obj), dig(obj, "spec", "holderIdentity", default=""), age(obj, now)]


def _definition(obj: dict[str, Any], now: float) -> list[Any]:  # noqa: ARG001
    return [_name(obj), dig(obj, "metadata", "creationTimestamp", default="")]


_TYPE = Column("Type", "What kind of thing it is.")
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
    ("", "Namespace"): Columns((NAME, Column("Status", "Active or Terminating."), AGE), _namespace),
    ("", "ConfigMap"): Columns((NAME, Column("Data", "Number of entries."), AGE), _config_map),
    ("", "Secret"): Columns(
        (NAME, _TYPE, Column("Data", "Number of entries.", type="integer"), AGE), _secret
    ),
    ("", "ServiceAccount"): Columns(
        (NAME, Column("Secrets", "Number of its Secrets.", type="integer"), AGE), _service_account
    ),
    ("", "Service"): Columns(
        (
            NAME,
            _TYPE,
            Column("Cluster-IP", "The address it answers on."),
            Column("External-IP", "Addresses outside the cluster."),
            Column("Port(s)", "Its ports, with node ports behind a colon."),
            AGE,
            Column("Selector", "Labels of the Pods behind it.", priority=1),
        ),
        _service,
    ),
    ("", "Endpoints"): Columns((NAME, Column("Endpoints", "Ready addresses."), AGE), _endpoints),
    ("discovery.k8s.io", "EndpointSlice"): Columns(
        (
            NAME,
            Column("AddressType", "IPv4, IPv6 or FQDN."),
            Column("Ports", "Ports of the endpoints."),
            Column("Endpoints", "Addresses of the endpoints."),
            AGE,
        ),
        _endpoint_slice,
    ),
    ("", "Node"): Columns(
        (
            NAME,
            Column("Status", "Whether it is ready."),
            Column("Roles", "Its roles, from labels."),
            AGE,
            Column("Version", "The version of its agent."),
            Column("Internal-IP", "Its address inside the cluster.", priority=1),
            Column("External-IP", "Its address outside.", priority=1),
            Column("OS-Image", "Its operating system.", priority=1),
            Column("Kernel-Version", "Its kernel.", priority=1),
            Column("Container-Runtime", "What runs its Pods.", priority=1),
        ),
        _node,
    ),
    ("", "Event"): _EVENT,
    ("events.k8s.io", "Event"): _EVENT,
    ("coordination.k8s.io", "Lease"): Columns(
        (NAME, Column("Holder", "Who holds it."), AGE), _lease
    ),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): Columns(
        (NAME, Column("Created At", "When it was created.", type="date")), _definition
    ),
}
