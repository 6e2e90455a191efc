"""The columns of Services, what is behind them, and what is in front of them.

On the ring: [storage > **server** > HTTP]. Source: kubernetes pkg/printers/internalversion/printers.go.
"""

from typing import Any

from arubeki.server.table.columns import (
    AGE,
    NAME,
    Column,
    Columns,
    Object,
    at,
    dig,
    few,
    joined,
    labels_at,
    name,
    plain,
    selector_at,
)

_LIMIT = 3
"""How many addresses, ports or hosts are named."""


def _external(obj: Object) -> str:
    kind, addresses = dig(obj, "spec", "type"), dig(obj, "spec", "externalIPs", default=[])
    if kind == "ExternalName":
        return str(dig(obj, "spec", "externalName", default=""))
    if kind == "LoadBalancer":
        return joined([*_ingress(obj), *addresses], "<pending>")
    return joined(addresses) if kind in ("ClusterIP", "NodePort") else "<unknown>"


def _ingress(obj: Object) -> list[str]:
    found = dig(obj, "status", "loadBalancer", "ingress", default=())
    return sorted({one.get("ip") or one.get("hostname") or "" for one in found} - {""})


def _ports(obj: Object) -> str:
    return joined(_port(one) for one in dig(obj, "spec", "ports", default=()))


def _port(port: dict[str, Any]) -> str:
    protocol = port.get("protocol") or "TCP"
    if port.get("nodePort"):
        return f"{port.get('port')}:{port['nodePort']}/{protocol}"
    return f"{port.get('port')}/{protocol}"


def _endpoints(obj: Object) -> str:
    found = []
    for subset in obj.get("subsets") or ():
        ips = [one.get("ip", "") for one in subset.get("addresses") or ()]
        for port in subset.get("ports") or ():
            found += [_host_port(ip, port.get("port", 0)) for ip in ips]
        if not subset.get("ports"):  # of a Service without ports
            found += ips
    return few(found, _LIMIT, "" if obj.get("subsets") else "<none>")


def _host_port(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _slice_ports(obj: Object) -> str:
    return few([_slice_port(one) for one in obj.get("ports") or ()], _LIMIT)


def _slice_port(port: dict[str, Any]) -> str:
    number, named = port.get("port"), port.get("name")
    return str(number) if number is not None else "*" if named is None else str(named)


def _slice_addresses(obj: Object) -> str:
    endpoints = obj.get("endpoints") or ()
    return few([ip for one in endpoints for ip in one.get("addresses") or ()], _LIMIT)


def _hosts(obj: Object) -> str:
    rules = dig(obj, "spec", "rules", default=())
    hosts: list[str] = []
    for rule in rules:
        if len(hosts) == _LIMIT:
            # What is counted are rules, whether they name a host or not: so does Kubernetes.
            return f"{','.join(hosts)} + {len(rules) - _LIMIT} more..."
        if rule.get("host"):
            hosts.append(rule["host"])
    return joined(hosts, "*")


def _tls_ports(obj: Object) -> str:
    return "80, 443" if dig(obj, "spec", "tls") else "80"


_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"


def _class_name(obj: Object) -> str:
    is_default = dig(obj, "metadata", "annotations", _DEFAULT_CLASS) == "true"
    return f"{name(obj)} (default)" if is_default else name(obj)


def _parameters(obj: Object) -> str:
    found = dig(obj, "spec", "parameters")
    if found is None:
        return "<none>"
    group = found.get("apiGroup")
    kind = found.get("kind", "") if group is None else f"{found.get('kind', '')}.{group}"
    return f"{kind}/{found.get('name', '')}"


def _parent(obj: Object) -> str:
    found = dig(obj, "spec", "parentRef")
    if found is None:
        return "<none>"
    resource, group = found.get("resource", ""), found.get("group")
    path = [f"{resource}.{group}".lower() if group else resource.lower()]
    if found.get("namespace"):
        path.append(found["namespace"])
    return "/".join([*path, found.get("name", "")])


NETWORKS: dict[tuple[str, str], Columns] = {
    ("", "Service"): Columns.of(
        NAME,
        Column("Type", "How it is reached.", at("spec", "type")),
        Column("Cluster-IP", "The address it answers on.",
               at("spec", "clusterIPs", 0, default="<none>")),
        Column("External-IP", "Addresses outside the cluster.", plain(_external)),
        Column("Port(s)", "Its ports, with node ports behind a colon.", plain(_ports)),
        AGE,
        Column("Selector", "Labels of the Pods behind it.", labels_at("spec", "selector"),
               priority=1),
    ),
    ("", "Endpoints"): Columns.of(
        NAME, Column("Endpoints", "Ready addresses.", plain(_endpoints)), AGE
    ),
    ("discovery.k8s.io", "EndpointSlice"): Columns.of(
        NAME,
        Column("AddressType", "IPv4, IPv6 or FQDN.", at("addressType")),
        Column("Ports", "Ports of the endpoints.", plain(_slice_ports)),
        Column("Endpoints", "Addresses of the endpoints.", plain(_slice_addresses)),
        AGE,
    ),
    ("networking.k8s.io", "Ingress"): Columns.of(
        NAME,
        Column("Class", "The IngressClass meant.",
               at("spec", "ingressClassName", default="<none>")),
        Column("Hosts", "Hosts whose requests it takes.", plain(_hosts)),
        Column("Address", "Where it is reached.", plain(lambda obj: joined(_ingress(obj), ""))),
        Column("Ports", "Ports it opens.", plain(_tls_ports)),
        AGE,
    ),
    ("networking.k8s.io", "IngressClass"): Columns.of(
        Column("Name", NAME.description, plain(_class_name), format="name"),
        Column("Controller", "Who serves Ingresses of this class.", at("spec", "controller")),
        Column("Parameters", "An object that says more.", plain(_parameters)),
        AGE,
    ),
    ("networking.k8s.io", "NetworkPolicy"): Columns.of(
        NAME,
        Column("Pod-Selector", "Labels of the Pods meant.", selector_at("spec", "podSelector")),
        AGE,
    ),
    ("networking.k8s.io", "ServiceCIDR"): Columns.of(
        NAME,
        Column("CIDRs", "Where addresses of Services come from.",
               plain(lambda obj: joined(dig(obj, "spec", "cidrs", default=()), ""))),
        AGE,
    ),
    ("networking.k8s.io", "IPAddress"): Columns(
        (NAME, Column("ParentRef", "Whose address it is.")),
        # A cell more than there are columns: so does Kubernetes.
        lambda obj, now: [name(obj), _parent(obj), AGE.cell(obj, now)],
    ),
}  # fmt: skip
