"""Reads what Kubernetes' own, unversioned structs look like, for the error messages that show them.

Error messages print a wrong value as Go writes it, and validation sees the internal structs: field
names without JSON tags, every field, in the order of the struct. All that a reader needs beside
the versioned schema is that order and those names.

Part of tools/generate_facts.py.
"""

import re

from gosource import GoField, GoPackage

ROOTS = (
    "core.PodTemplateSpec",
    "core.EphemeralContainer",
    "core.PersistentVolumeClaim",
    "core.PersistentVolumeSource",
    "core.PodResourceClaim",
    "core.ClusterTrustBundleProjection",
    "core.PodIP",
    "core.HostIP",
    "core.ServicePort",
    "core.Taint",
    "core.TopologySelectorTerm",
    "core.ScopeSelector",
    "core.VolumeNodeAffinity",
    "core.NodeAddress",
    "core.ContainerStatus",
    "apps.DaemonSetUpdateStrategy",
    "apps.DeploymentStrategy",
    "apps.StatefulSetUpdateStrategy",
    "batch.PodFailurePolicy",
    "batch.SuccessPolicy",
    "batch.UncountedTerminatedPods",
)
SCALARS = {
    "string": "string",
    "bool": "bool",
    "int": "int",
    "int32": "int",
    "int64": "int",
    "float64": "float",
    "[]byte": "bytes",
    "resource.Quantity": "quantity",
    "intstr.IntOrString": "port",
    "types.UID": "string",
}
PACKAGES = {"api": "core", "core": "core", "apps": "apps", "batch": "batch"}


def internal_forms(
    internal: dict[str, GoPackage], versioned: dict[str, GoPackage]
) -> dict[str, list[str]]:
    """Return `{struct: ["GoName jsonName type"]}` of every struct that `ROOTS` need.

    `internal` and `versioned` are packages by group. A type is a scalar, `json` (what has JSON tags
    of its own), `*T`, `[]T`, `{}T` or the name of a struct; an embedded struct has neither name.
    """
    found: dict[str, list[str]] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        group, _, struct = name.partition(".")
        tags = {one.name.lower(): one for one in versioned[group].structs[struct]}
        lines = found[name] = []
        for one in internal[group].structs[struct]:
            shape = shape_of(one.type, group, internal)
            waiting += re.findall(r"[a-z]+\.\w+", shape)
            if is_embedded(one):
                lines.append(f"- - {shape}")
            else:
                lines.append(f"{one.name} {tags[one.name.lower()].json} {shape}")
    return dict(sorted(found.items()))


def is_embedded(one: GoField) -> bool:
    """Tell whether a field is a struct whose fields are the outer one's too."""
    return not one.json


def shape_of(go: str, group: str, internal: dict[str, GoPackage]) -> str:
    """Return a Go type as the file has it."""
    if go in SCALARS:
        return SCALARS[go]
    if go.startswith("*"):
        return "*" + shape_of(go[1:], group, internal)
    if go.startswith("[]"):
        return "[]" + shape_of(go[2:], group, internal)
    if mapped := re.fullmatch(r"map\[[\w.]+\](.+)", go):
        return "{}" + shape_of(mapped[1], group, internal)
    qualifier, _, name = go.rpartition(".")
    home = PACKAGES.get(qualifier) if qualifier else group
    if home is None:
        return "json"
    if name in internal[home].structs:
        return f"{home}.{name}"
    return shape_of(internal[home].named[name], home, internal)
