"""The flow schemas and priority levels that every cluster has.

They say how Kubernetes shares its attention among clients. This server stores them; it does not
queue by them.

On the ring: [HTTP > **server** > storage].
Source: apiserver pkg/apis/flowcontrol/bootstrap/default.go.
"""

from typing import Any

from arubeki import clock

Object = dict[str, Any]

_API = "flowcontrol.apiserver.k8s.io/v1"
_ANNOTATIONS = {"apf.kubernetes.io/autoupdate-spec": "true"}
# name: shares, percent that may be lent, (queues, hand size, queue length) or None to reject.
_LEVELS: dict[str, tuple[int, int, tuple[int, int, int] | None]] = {
    "catch-all": (5, 0, None),
    "global-default": (20, 50, (128, 6, 50)),
    "leader-election": (10, 0, (16, 4, 50)),
    "node-high": (40, 25, (64, 6, 50)),
    "system": (30, 33, (64, 6, 50)),
    "workload-high": (40, 50, (128, 6, 50)),
    "workload-low": (100, 90, (128, 6, 50)),
}
_ALL = ["*"]
_EVERYTHING: Object = {
    "verbs": _ALL,
    "apiGroups": _ALL,
    "resources": _ALL,
    "clusterScope": True,
    "namespaces": _ALL,
}
_EVERYWHERE: Object = {"verbs": _ALL, "nonResourceURLs": _ALL}
_NODES: Object = {
    "verbs": _ALL,
    "apiGroups": [""],
    "resources": ["nodes", "nodes/status"],
    "clusterScope": True,
    "namespaces": _ALL,
}
_PROBES: Object = {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}
_GROUPS = ("system:unauthenticated", "system:authenticated")


def _group(name: str) -> Object:
    return {"kind": "Group", "group": {"name": name}}


def _user(name: str) -> Object:
    return {"kind": "User", "user": {"name": name}}


def _leases(*verbs: str) -> Object:
    return {
        "verbs": list(verbs),
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "namespaces": _ALL,
    }


_EVERYONE = [_group(name) for name in _GROUPS]
_ACCOUNTS: Object = {
    "kind": "ServiceAccount",
    "serviceAccount": {"namespace": "kube-system", "name": "*"},
}
_MANAGER, _SCHEDULER = "system:kube-controller-manager", "system:kube-scheduler"
_WHOLE: Object = {"resourceRules": [_EVERYTHING], "nonResourceRules": [_EVERYWHERE]}
# name: level, precedence, what tells flows apart, subjects, rules.
_SCHEMAS: dict[str, tuple[str, int, str, list[Object], Object]] = {
    "exempt": ("exempt", 1, "", [_group("system:masters")], _WHOLE),
    "probes": ("exempt", 2, "", _EVERYONE, {"nonResourceRules": [_PROBES]}),
    "system-leader-election": (
        "leader-election",
        100,
        "ByUser",
        [_user(_MANAGER), _user(_SCHEDULER), _ACCOUNTS],
        {"resourceRules": [_leases("get", "create", "update")]},
    ),
    "system-node-high": (
        "node-high",
        400,
        "ByUser",
        [_group("system:nodes")],
        {"resourceRules": [_NODES, _leases("*")]},
    ),
    "system-nodes": ("system", 500, "ByUser", [_group("system:nodes")], _WHOLE),
    "kube-controller-manager": ("workload-high", 800, "ByNamespace", [_user(_MANAGER)], _WHOLE),
    "kube-scheduler": ("workload-high", 800, "ByNamespace", [_user(_SCHEDULER)], _WHOLE),
    "kube-system-service-accounts": ("workload-high", 900, "ByNamespace", [_ACCOUNTS], _WHOLE),
    "service-accounts": (
        "workload-low",
        9000,
        "ByUser",
        [_group("system:serviceaccounts")],
        _WHOLE,
    ),
    "global-default": ("global-default", 9900, "ByUser", _EVERYONE, _WHOLE),
    "catch-all": ("catch-all", 10000, "ByUser", _EVERYONE, _WHOLE),
}


def priority_levels() -> list[Object]:
    """Return the PriorityLevelConfigurations, complete but for what dates them."""
    exempt = {"nominalConcurrencyShares": 0, "lendablePercent": 0}
    found = [_level("exempt", {"type": "Exempt", "exempt": exempt})]
    for name, (shares, lendable, queues) in _LEVELS.items():
        response: Object = {"type": "Reject"}
        if queues is not None:
            names = ("queues", "handSize", "queueLengthLimit")
            response = {"type": "Queue", "queuing": dict(zip(names, queues, strict=True))}
        limited = {
            "nominalConcurrencyShares": shares,
            "limitResponse": response,
            "lendablePercent": lendable,
        }
        found.append(_level(name, {"type": "Limited", "limited": limited}))
    return found


def flow_schemas() -> list[Object]:
    """Return the FlowSchemas, complete but for what dates them."""
    return [_schema(name, one) for name, one in _SCHEMAS.items()]


def _level(name: str, spec: Object) -> Object:
    return _object("PriorityLevelConfiguration", name, spec, {})


def _schema(name: str, one: tuple[str, int, str, list[Object], Object]) -> Object:
    level, precedence, distinguisher, subjects, rules = one
    spec: Object = {
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence,
    }
    if distinguisher:
        spec["distinguisherMethod"] = {"type": distinguisher}
    spec["rules"] = [{"subjects": subjects, **rules}]
    refers = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}"'
    found = {
        "type": "Dangling",
        "status": "False",
        "lastTransitionTime": clock.timestamp(),
        "reason": "Found",
        "message": f"{refers} and it exists",
    }
    return _object("FlowSchema", name, spec, {"conditions": [found]})


def _object(kind: str, name: str, spec: Object, status: Object) -> Object:
    metadata = {"name": name, "generation": 1, "annotations": _ANNOTATIONS}
    return {"apiVersion": _API, "kind": kind, "metadata": metadata, "spec": spec, "status": status}
