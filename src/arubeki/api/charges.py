"""What an object is charged to the quotas of its namespace, and which quotas are about it.

A quota names resources: amounts that Pods ask for (`requests.cpu`), numbers of objects of some kinds
(`pods`, `secrets`), and numbers of any kind's objects (`count/deployments.apps`). Each kind is
charged for some of them; a quota with scopes is about certain Pods only. A kind is said as its place,
(group, plural).

Pure: no I/O, no clock.
Source: kubernetes pkg/quota/v1/evaluator/core, apiserver pkg/quota/v1/generic.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from arubeki.api import quantity

Object = Mapping[str, Any]
Place = tuple[str, str]
Amounts = dict[str, str]

PODS: Place = ("", "pods")
SERVICES: Place = ("", "services")
CLAIMS: Place = ("", "persistentvolumeclaims")
_NAMED = {
    ("", name): name
    for name in ("configmaps", "replicationcontrollers", "resourcequotas", "secrets")
}
"""Kinds whose numbers have a name besides `count/…`."""
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_HUGE = "hugepages-"
_OF_CLASS = ".storageclass.storage.k8s.io/"
_OF_PODS = {
    "pods",
    *_COMPUTE,
    *(f"{word}.{one}" for word in ("requests", "limits") for one in _COMPUTE),
}
_OF_SERVICES = {"services", "services.loadbalancers", "services.nodeports"}
_OF_CLAIMS = {"persistentvolumeclaims", "requests.storage"}
_MUST_SAY = (
    _OF_PODS
    - {"pods", "ephemeral-storage"}
    - {f"{word}.ephemeral-storage" for word in ("requests", "limits")}
)
"""What every container must ask for where a quota limits it."""


def count_name(place: Place) -> str:
    """Return the resource that counts a kind's objects: `count/deployments.apps`."""
    group, plural = place
    return f"count/{plural}.{group}" if group else f"count/{plural}"


def place_of(name: str) -> Place | None:
    """Return the kind that is charged for a resource, None for one that nobody is charged for."""
    if name.startswith("count/"):
        plural, _, group = name.removeprefix("count/").partition(".")
        return (group, plural)
    if name in _OF_SERVICES:
        return SERVICES
    if name in _OF_CLAIMS or _OF_CLASS in name:
        return CLAIMS
    if ("", name) in _NAMED:
        return ("", name)
    return PODS if _is_of_pods(name) else None


def covered(place: Place, names: Iterable[str]) -> set[str]:
    """Return those of some resources that a kind is charged for."""
    return {name for name in names if place_of(name) == place}


def charge(place: Place, obj: Object, *, is_overdue: bool = False) -> Amounts:
    """Return what an object takes, by resource.

    A Pod that has ended takes nothing but its place in the storage, and neither does one that is
    overdue: that has been given all the time that it had to end.
    """
    found: Amounts = {count_name(place): "1"}
    if place in _NAMED:
        found[_NAMED[place]] = "1"
    elif place == SERVICES:
        found |= _of_service(obj.get("spec") or {})
    elif place == CLAIMS:
        found |= _of_claim(obj)
    elif place == PODS and not is_overdue and not _has_ended(obj):
        found |= _of_pod(obj.get("spec") or {})
    return found


def matches(quota: Object, place: Place, obj: Object) -> bool:
    """Tell whether a quota, by its scopes, is about an object."""
    scopes = list(_scopes(quota))
    if not scopes:
        return True
    return place == PODS and all(_is_in_scope(one, obj) for one in scopes)


def unsaid(names: Iterable[str], spec: Object) -> str:
    """Return what the containers of a Pod must ask for and do not, "" where all is said."""
    if (spec.get("resources") or {}).keys() & {"requests", "limits"}:
        return ""
    lacking: dict[str, set[str]] = {}
    wanted = _MUST_SAY & set(names)
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        said = _computed(container.get("resources") or {})
        for name in wanted - said.keys():
            lacking.setdefault(name, set()).add(str(container.get("name", "")))
    parts = [f"{name} for: {','.join(sorted(whose))}" for name, whose in sorted(lacking.items())]
    return f"must specify {'; '.join(parts)}" if parts else ""


def asked(spec: Object, word: str) -> Amounts:
    """Return the `requests` or `limits` of a Pod at its height: at the start, or when all of it runs.

    Source: component-helpers resource/helpers.go PodRequests, PodLimits.
    """
    found: Amounts = {}
    for container in spec.get("containers") or ():
        found = add(found, _asked(container, word))
    sidecars: Amounts = {}
    highest: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = _asked(container, word)
        if container.get("restartPolicy") == "Always":
            found = add(found, own)
            own = sidecars = add(sidecars, own)
        else:
            own = add(sidecars, own)
        highest = _higher(highest, own)
    whole = (spec.get("resources") or {}).get(word) or {}
    return _higher(found, highest) | {name: str(amount) for name, amount in whole.items()}


def add(amounts: Mapping[str, str], more: Mapping[str, str]) -> Amounts:
    """Return the sums, by resource."""
    names = {**amounts, **more}
    return {
        name: quantity.total(one[name] for one in (amounts, more) if name in one) for name in names
    }


def subtract(amounts: Mapping[str, str], less: Mapping[str, str]) -> Amounts:
    """Return the differences, none below zero."""
    return {
        name: quantity.difference(amount, less[name]) if name in less else amount
        for name, amount in amounts.items()
    }


def written(amounts: Mapping[str, str]) -> str:
    """Return amounts as messages tell them: `cpu=600m,pods=1`."""
    return ",".join(f"{name}={quantity.canonical(amounts[name])}" for name in sorted(amounts))


# Each kind.


def _of_service(spec: Object) -> Amounts:
    kind, ports = spec.get("type", "ClusterIP"), spec.get("ports") or ()
    node_ports = 0
    if kind == "NodePort":
        node_ports = len(ports)
    elif kind == "LoadBalancer":
        # They are not drawn yet: what counts is what is going to be.
        if spec.get("allocateLoadBalancerNodePorts") is False:
            node_ports = sum(1 for port in ports if port.get("nodePort"))
        else:
            node_ports = len(ports)
    return {
        "services": "1",
        "services.loadbalancers": "1" if kind == "LoadBalancer" else "0",
        "services.nodeports": str(node_ports),
    }


def _of_claim(obj: Object) -> Amounts:
    spec = obj.get("spec") or {}
    annotations = obj["metadata"].get("annotations") or {}
    found = {"persistentvolumeclaims": "1"}
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if asked is not None:
        found["requests.storage"] = str(asked)
    name = annotations.get("volume.beta.kubernetes.io/storage-class") or spec.get(
        "storageClassName"
    )
    if name:
        found |= {f"{name}{_OF_CLASS}{key}": value for key, value in found.items()}
    return found


def _of_pod(spec: Object) -> Amounts:
    resources = {word: _total(spec, word) for word in ("requests", "limits")}
    return {"pods": "1", **_computed(resources)}


def _computed(resources: Object) -> Amounts:
    """Return what requests and limits take, under each name that it has."""
    found: Amounts = {}
    for name, amount in (resources.get("requests") or {}).items():
        if name in _COMPUTE or name.startswith(_HUGE):
            found[name] = str(amount)
        if name in _COMPUTE or name.startswith(_HUGE) or _is_extended(name):
            found[f"requests.{name}"] = str(amount)
    for name, amount in (resources.get("limits") or {}).items():
        if name in _COMPUTE:
            found[f"limits.{name}"] = str(amount)
    return found


def _total(spec: Object, word: str) -> Amounts:
    found = asked(spec, word)
    overhead = spec.get("overhead") or {}
    return add(
        found,
        {
            name: str(amount)
            for name, amount in overhead.items()
            if word == "requests" or name in found
        },
    )


def _asked(container: Object, word: str) -> Amounts:
    resources = container.get("resources") or {}
    return {name: str(amount) for name, amount in (resources.get(word) or {}).items()}


def _higher(left: Amounts, right: Amounts) -> Amounts:
    found = dict(left)
    for name, amount in right.items():
        if name not in found or quantity.compare(amount, found[name]) > 0:
            found[name] = amount
    return found


def _has_ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")


def _is_of_pods(name: str) -> bool:
    asked = name.removeprefix("requests.")
    return name in _OF_PODS or asked.startswith(_HUGE) or (asked != name and _is_extended(asked))


def _is_extended(name: str) -> bool:
    return "/" in name and "kubernetes.io/" not in name


# Scopes.


def _scopes(quota: Object) -> Iterator[Object]:
    spec = quota.get("spec") or {}
    for scope in spec.get("scopes") or ():
        yield {"scopeName": scope, "operator": "Exists"}
    yield from (spec.get("scopeSelector") or {}).get("matchExpressions") or ()


def _is_in_scope(scope: Object, pod: Object) -> bool:
    spec = pod.get("spec") or {}
    name = scope["scopeName"]
    if name in ("Terminating", "NotTerminating"):
        return is_terminating(pod) is (name == "Terminating")
    if name in ("BestEffort", "NotBestEffort"):
        quality = str((pod.get("status") or {}).get("qosClass"))
        return (quality == "BestEffort") is (name == "BestEffort")
    if name == "PriorityClass":
        return _has_priority(scope, spec.get("priorityClassName") or "")
    return name == "CrossNamespacePodAffinity" and any(
        term.get("namespaces") or term.get("namespaceSelector") is not None
        for term in _affinity_terms(spec.get("affinity") or {})
    )


def is_terminating(pod: Object) -> bool:
    """Tell whether a Pod may only run for so long."""
    seconds = (pod.get("spec") or {}).get("activeDeadlineSeconds")
    return isinstance(seconds, int) and seconds >= 0


def _has_priority(scope: Object, name: str) -> bool:
    operator, values = scope.get("operator", "Exists"), scope.get("values") or ()
    if operator in ("Exists", "DoesNotExist"):
        return bool(name) is (operator == "Exists")
    return (name != "" and name in values) is (operator == "In")


def _affinity_terms(affinity: Object) -> Iterator[Object]:
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        yield from rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        for one in rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            yield one.get("podAffinityTerm") or {}
