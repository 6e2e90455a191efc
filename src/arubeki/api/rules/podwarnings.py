"""What a writer of Pods, and of what makes them, is warned of without being refused.

Pure: no I/O, no clock.
Source: kubernetes pkg/api/pod/warnings.go, pkg/api/persistentvolumeclaim/util.go.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from arubeki.api import ips, names, quantity
from arubeki.api.rules.pod.security import (
    APPARMOR,
    SECCOMP_CONTAINER,
    SECCOMP_POD,
    every_container,
)
from arubeki.api.rules.warnings import NODE_LABELS

Object = Mapping[str, Any]
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": (
        'non-functional in v1.16+; use the "priorityClassName" field instead'
    ),
    "security.alpha.kubernetes.io/sysctls": (
        'non-functional in v1.11+; use the "sysctls" field instead'
    ),
    "security.alpha.kubernetes.io/unsafe-sysctls": (
        'non-functional in v1.11+; use the "sysctls" field instead'
    ),
}
_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_VOLUME_ANNOTATIONS = {
    "volume.beta.kubernetes.io/storage-class": (
        'deprecated since v1.8; use "storageClassName" attribute instead'
    ),
    "volume.beta.kubernetes.io/mount-options": (
        'deprecated since v1.31; use "mountOptions" attribute instead'
    ),
}
_OLD_DISKS = ("cephfs", "photonPersistentDisk", "scaleIO", "storageos", "glusterfs", "rbd")
_SHOWN = {"storageos": "storageOS"}
_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_APPARMOR = 'deprecated since v1.30; use the "appArmorProfile" field instead'
_NO_POD = "a null labelSelector results in matching no pod"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_BYTES = ("memory", "ephemeral-storage")


def dotted_name(obj: Object, what: str) -> list[str]:
    """A name becomes part of hostnames, where dots surprise."""
    found = names.dns_label(obj.get("metadata", {}).get("name", ""))
    if not found:
        return []
    why = "which can result in surprising behavior; a DNS label is recommended"
    return [f"metadata.name: this is used in {what}, {why}: [{' '.join(found)}]"]


def of_pod(obj: Object) -> list[str]:
    """Return what is said of a new Pod."""
    return [*dotted_name(obj, "the Pod's hostname"), *_found(obj, "")]


def of_template(template: Object, path: str) -> list[str]:
    """Return what is said of a Pod template at a path."""
    return list(_found(template, f"{path}."))


def of_claim(spec: Object, path: str) -> list[str]:
    """Return what is said of the spec of a claim."""
    found = []
    for field in ("requests", "limits"):
        amount = spec.get("resources", {}).get(field, {}).get("storage")
        if amount is not None and quantity.milli(amount) % 1000:
            shown = quantity.canonical(amount)
            found.append(
                f"{path}.resources.{field}[storage]: fractional byte value"
                f' "{shown}" is invalid, must be an integer'
            )
    return found


def of_volume(obj: Object) -> list[str]:
    """Return what is said of a PersistentVolume."""
    spec, found = obj.get("spec", {}), []
    annotations = obj.get("metadata", {}).get("annotations") or {}
    for key, message in _VOLUME_ANNOTATIONS.items():
        if key in annotations:
            found.append(f"metadata.annotations[{key}]: {message}")
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        found.append(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead,"
            " the recommended approach is to use dynamic provisioning."
        )
    terms = spec.get("nodeAffinity", {}).get("required", {}).get("nodeSelectorTerms", ())
    for index, term in enumerate(terms):
        found += _node_term(term, f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]")
    found += [f"spec.{_SHOWN.get(one, one)}: {_VOLUMES[one]}" for one in _OLD_DISKS if one in spec]
    return found


def _found(obj: Object, path: str) -> Iterator[str]:
    spec, metadata = obj.get("spec", {}), obj.get("metadata", {})
    annotations = metadata.get("annotations") or {}
    yield from _nodes(spec, path)
    for key, message in _ANNOTATIONS.items():
        if key in annotations:
            yield f"{path}metadata.annotations[{key}]: {message}"
    for index, volume in enumerate(spec.get("volumes", ())):
        yield from _volume(volume, f"{path}spec.volumes[{index}]")
    yield from _repeated(spec.get("hostAliases", ()), "ip", f"{path}spec.hostAliases")
    secrets = spec.get("imagePullSecrets", ())
    yield from _repeated(secrets, "name", f"{path}spec.imagePullSecrets")
    for index, secret in enumerate(secrets):
        if not secret.get("name"):
            yield f'{path}spec.imagePullSecrets[{index}].name: invalid empty name ""'
    yield from _fractions(spec.get("overhead", {}), f"{path}spec.overhead")
    if SECCOMP_POD in annotations and "seccompProfile" not in spec.get("securityContext", {}):
        yield f"{path}metadata.annotations[{SECCOMP_POD}]: {_SECCOMP}"
    every = tuple(every_container(spec, f"{path}spec"))
    for one, place in every:
        yield from _container(one, place, annotations, path)
    yield from _ports(every)
    yield from _port_names(every)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        yield (
            f"{path}spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid"
            " and will be treated as 1"
        )
    if "affinity" in spec:
        yield from _pod_affinity(spec["affinity"], f"{path}spec.affinity")
    for index, server in enumerate(spec.get("dnsConfig", {}).get("nameservers", ())):
        yield from ips.address_warnings(server, f"{path}spec.dnsConfig.nameservers[{index}]")
    for index, alias in enumerate(spec.get("hostAliases", ())):
        yield from ips.address_warnings(alias.get("ip", ""), f"{path}spec.hostAliases[{index}].ip")


def _nodes(spec: Object, path: str) -> Iterator[str]:
    for key in spec.get("nodeSelector", {}):
        if key in NODE_LABELS:
            yield f"{path}spec.nodeSelector[{key}]: {NODE_LABELS[key]}"
    nodes = spec.get("affinity", {}).get("nodeAffinity", {})
    place = f"{path}spec.affinity.nodeAffinity"
    for index, term in enumerate(nodes.get(_REQUIRED, {}).get("nodeSelectorTerms", ())):
        yield from _node_term(term, f"{place}.{_REQUIRED}.nodeSelectorTerms[{index}]")
    for index, term in enumerate(nodes.get(_PREFERRED, ())):
        where = f"{place}.{_PREFERRED}[{index}].preference"
        yield from _node_term(term.get("preference", {}), where)
    for index, one in enumerate(spec.get("topologySpreadConstraints", ())):
        key, where = one.get("topologyKey", ""), f"{path}spec.topologySpreadConstraints[{index}]"
        if key in NODE_LABELS:
            yield f"{where}.topologyKey: {key} is {NODE_LABELS[key]}"
        if "labelSelector" not in one:
            yield f"{where}.labelSelector: {_NO_POD}"


def _node_term(term: Object, path: str) -> Iterator[str]:
    for index, one in enumerate(term.get("matchExpressions", ())):
        if (key := one.get("key", "")) in NODE_LABELS:
            yield f"{path}.matchExpressions[{index}].key: {key} is {NODE_LABELS[key]}"


def _volume(volume: Object, path: str) -> Iterator[str]:
    for kind in volume:
        if kind in _VOLUMES:
            yield f"{path}.{_SHOWN.get(kind, kind)}: {_VOLUMES[kind]}"
    template = volume.get("ephemeral", {}).get("volumeClaimTemplate")
    if template is not None:
        yield from of_claim(template.get("spec", {}), f"{path}.ephemeral.volumeClaimTemplate.spec")


def _repeated(found: Sequence[Object], field: str, path: str) -> Iterator[str]:
    seen = set()
    for index, one in enumerate(found):
        if (value := one.get(field, "")) in seen:
            yield f'{path}[{index}].{field}: duplicate {field} "{value}"'
        seen.add(value)


def _fractions(amounts: Mapping[str, str], path: str) -> Iterator[str]:
    for name in _BYTES:
        amount = amounts.get(name)
        if amount is not None and quantity.milli(amount) % 1000:
            shown = quantity.canonical(amount)
            yield f'{path}[{name}]: fractional byte value "{shown}" is invalid, must be an integer'


def _container(one: Object, place: str, annotations: Mapping[str, str], path: str) -> Iterator[str]:
    context, name = one.get("securityContext", {}), one.get("name", "")
    if annotations:
        key = f"{SECCOMP_CONTAINER}{name}"
        if key in annotations and "seccompProfile" not in context:
            yield f"{path}metadata.annotations[{key}]: {_SECCOMP}"
        key = f"{APPARMOR}{name}"
        if key in annotations and "appArmorProfile" not in context:
            yield f"{path}metadata.annotations[{key}]: {_APPARMOR}"
    resources = one.get("resources")
    if resources:
        for byte_name in _BYTES:
            for field in ("limits", "requests"):
                amount = resources.get(field, {}).get(byte_name)
                if amount is not None:
                    yield from _fractions({byte_name: amount}, f"{place}.resources.{field}")
    if len(one.get("env", ())) > 1:
        yield from _hidden(one["env"], f"{place}.env")


def _hidden(variables: Sequence[Object], path: str) -> Iterator[str]:
    seen = set()
    for index, one in enumerate(variables):
        name, value = one.get("name", ""), one.get("value", "")
        if name in seen:
            earlier = f"$({name})"
            if "valueFrom" in one or value == earlier or earlier not in value:
                yield (
                    f'{path}[{index}]: hides previous definition of "{name}", which may be dropped'
                    " when using apply"
                )
        seen.add(name)


def _ports(every: Sequence[tuple[Object, str]]) -> Iterator[str]:
    known: dict[tuple[Any, Any], list[tuple[Object, str]]] = {}
    for one, place in every:
        for index, port in enumerate(one.get("ports", ())):
            where, outer = f"{place}.ports[{index}]", port.get("hostPort", 0)
            if port.get("hostIP") and not outer:
                yield f"{where}: hostIP set without hostPort: {_shown(port)}"
            others = known.setdefault((port.get("containerPort"), port.get("protocol")), [])
            for other, its in others:
                if how := _clash(port, other):
                    yield f"{where}: {how} port definition with {its}"
            others.append((port, where))


def _clash(port: Object, other: Object) -> str:
    address, its = port.get("hostIP", ""), other.get("hostIP", "")
    outer, their = port.get("hostPort", 0), other.get("hostPort", 0)
    if (address, outer) == (its, their):
        return "duplicate"
    if not outer or not their:
        return "overlapping"
    return "dangerously ambiguous" if outer == their and bool(address) != bool(its) else ""


def _shown(port: Object) -> str:
    """Return a port as Go prints a struct."""
    return (
        f"{{Name:{port.get('name', '')} HostPort:{port.get('hostPort', 0)}"
        f" ContainerPort:{port.get('containerPort', 0)} Protocol:{port.get('protocol', '')}"
        f" HostIP:{port.get('hostIP', '')}}}"
    )


def _port_names(every: Sequence[tuple[Object, str]]) -> Iterator[str]:
    known: dict[str, str] = {}
    for one, place in every:
        for index, port in enumerate(one.get("ports", ())):
            where, name = f"{place}.ports[{index}]", port.get("name", "")
            if not name:
                continue
            if (other := known.get(name)) is not None:
                yield (
                    f'{where}: duplicate port name "{name}" with {other}, services and probes that'
                    f" select ports by name will use {other}"
                )
            else:
                known[name] = where


def _pod_affinity(affinity: Object, path: str) -> Iterator[str]:
    for kind in ("podAffinity", "podAntiAffinity"):
        found, place = affinity.get(kind, {}), f"{path}.{kind}"
        for index, term in enumerate(found.get(_REQUIRED, ())):
            if "labelSelector" not in term:
                yield f"{place}.{_REQUIRED}[{index}].labelSelector: {_NO_POD}"
        for index, weighted in enumerate(found.get(_PREFERRED, ())):
            if "labelSelector" not in weighted.get("podAffinityTerm", {}):
                where = f"{place}.{_PREFERRED}[{index}].podAffinityTerm.labelSelector"
                yield f"{where}: {_NO_POD}"
