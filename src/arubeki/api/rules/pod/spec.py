"""Rules of a whole Pod: what Pods and templates share, and what holds of Pods alone.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (ValidatePodSpec, ValidatePodCreate,
validatePodMetadataAndSpec).
"""

from collections.abc import Mapping
from typing import Any

from arubeki.api.fields import FieldError
from arubeki.api.rules import common, podparts
from arubeki.api.rules.common import Faults
from arubeki.api.rules.pod import (
    affinity,
    containers,
    details,
    levels,
    probes,
    resources,
    security,
    volumes,
    windows,
)
from arubeki.api.rules.pod.containers import Surroundings
from arubeki.api.rules.sound import Sound

Spec = Mapping[str, Any]
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_PREEMPTION = ("PreemptLowerPriority", "Never")


def pod(obj: Mapping[str, Any], faults: Faults) -> None:
    """Check a new Pod."""
    spec, metadata = obj.get("spec", {}), obj.get("metadata", {})
    whole(obj, faults)
    if spec.get("nodeName") and spec.get("schedulingGates"):
        fault = "cannot be set until all schedulingGates have been cleared"
        faults.append(FieldError.forbidden("spec.nodeName", fault))
    security.agreement(metadata, spec, "spec", faults)


def whole(obj: Mapping[str, Any], faults: Faults) -> None:
    """Check what holds of new and of changed Pods."""
    spec, metadata = obj.get("spec", {}), obj.get("metadata", {})
    path = "metadata.annotations"
    security.annotations(metadata.get("annotations"), spec, path, faults)
    pod_spec(spec, "spec", faults, metadata=metadata)
    if not spec.get("serviceAccountName"):
        _no_tokens(spec, faults)
    common.not_negative(spec, ("terminationGracePeriodSeconds",), "spec", faults)
    for field in ("containers", "initContainers"):
        for index, one in enumerate(spec.get(field, ())):
            image = one.get("image", "")
            if image != image.strip():
                fault = "must not have leading or trailing whitespace"
                faults.append(FieldError.invalid(f"spec.{field}[{index}].image", image, fault))


def template(obj: Mapping[str, Any], path: str, faults: Faults) -> None:
    """Check a Pod template."""
    spec = obj.get("spec", {})
    template_metadata(obj, path, faults)
    pod_spec(spec, f"{path}.spec", faults)
    security.agreement(obj.get("metadata", {}), spec, f"{path}.spec", faults)
    if spec.get("ephemeralContainers"):
        fault = "ephemeral containers not allowed in pod template"
        faults.append(FieldError.forbidden(f"{path}.spec.ephemeralContainers", fault))


def template_metadata(obj: Mapping[str, Any], path: str, faults: Faults) -> None:
    """Check the labels and annotations of a Pod template; Kubernetes leaves `metadata` out."""
    metadata = obj.get("metadata", {})
    common.labels(metadata.get("labels"), f"{path}.labels", faults)
    if found := metadata.get("annotations"):
        common.annotations(found, f"{path}.annotations", faults)
        security.annotations(found, obj.get("spec", {}), f"{path}.annotations", faults)


def pod_spec(
    spec: Spec, path: str, faults: Faults, *, metadata: Mapping[str, Any] | None = None
) -> None:
    """Check what Pods and templates share; `metadata` is that of a Pod."""
    # Rules that look at the metadata too must be asked each time.
    known = _SOUND if metadata is None else _SOUND_PODS
    depends = metadata is not None and (
        "resourceClaims" in spec or any("ephemeral" in one for one in spec.get("volumes", ()))
    )
    digest = b"" if depends else known.digest(spec)
    if digest in known:
        return
    before = len(faults)
    _pod_spec(spec, path, faults, metadata=metadata)
    if digest and len(faults) == before:
        known.add(digest)


_SOUND, _SOUND_PODS = Sound(), Sound()


def _pod_spec(spec: Spec, path: str, faults: Faults, *, metadata: Mapping[str, Any] | None) -> None:
    pod_name = (metadata or {}).get("name", "")
    good = volumes.volumes(spec, pod_name, path, faults)
    claims: set[str] = set()
    if "resourceClaims" in spec:
        claims = details.resource_claims(spec["resourceClaims"], metadata, path, faults)
    restart = spec.get("restartPolicy", "")
    around = Surroundings(good, claims, restart, host_users=spec.get("hostUsers", True))
    _containers(spec, around, path, faults)
    if "resources" in spec:
        levels.pod_level(spec, claims, f"{path}.resources", faults)
    if spec.get("hostNetwork"):
        _host_network(spec, path, faults, is_pod=metadata is not None)
    common.one_of(restart, _RESTART_POLICIES, f"{path}.restartPolicy", faults)
    common.one_of(spec.get("dnsPolicy"), _DNS_POLICIES, f"{path}.dnsPolicy", faults)
    common.labels(spec.get("nodeSelector"), f"{path}.nodeSelector", faults)
    if context := spec.get("securityContext"):
        security.pod_context(context, spec, f"{path}.securityContext", faults)
    if spec.get("hostPID") and spec.get("shareProcessNamespace"):
        fault = "ShareProcessNamespace and HostPID cannot both be enabled"
        faults.append(FieldError.invalid(f"{path}.shareProcessNamespace", True, fault))
    if "affinity" in spec:
        affinity.affinity(spec["affinity"], f"{path}.affinity", faults)
    details.dns(spec, f"{path}.dnsConfig", faults)
    details.gates(spec, path, faults)
    if "topologySpreadConstraints" in spec:
        constraints = spec["topologySpreadConstraints"]
        affinity.spreading(constraints, f"{path}.topologySpreadConstraints", faults)
    every = tuple(security.every_container(spec, path))
    windows.host_process(spec, every, path, faults)
    if spec.get("hostUsers") is False:
        levels.own_users(spec, every, path, faults)
    details.hostname(spec, path, faults)
    details.named_fields(spec, path, faults)
    if "tolerations" in spec:
        affinity.tolerations(spec["tolerations"], f"{path}.tolerations", faults)
    if "hostAliases" in spec:
        details.host_aliases(spec["hostAliases"], f"{path}.hostAliases", faults)
    details.class_names(spec, path, faults)
    preemption = spec.get("preemptionPolicy")
    if preemption is not None:
        common.one_of(preemption, _PREEMPTION, f"{path}.preemptionPolicy", faults)
    if overhead := spec.get("overhead"):
        resources.requirements({"limits": overhead}, set(), f"{path}.overhead", faults)
    if "os" in spec:
        windows.system(spec, every, path, faults)
    levels.files(spec, every, faults)


def _containers(spec: Spec, around: Surroundings, path: str, faults: Faults) -> None:
    grace = spec.get("terminationGracePeriodSeconds", 30)
    regular = spec.get("containers", ())
    if not regular:
        faults.append(FieldError.required(f"{path}.containers"))
    seen: set[str] = set()
    ports: set[str] = set()
    for index, one in enumerate(regular):
        place = f"{path}.containers[{index}]"
        containers.common_rules(one, around, place, faults)
        _once(one, seen, place, faults)
        probes.liveness(one, grace, place, faults)
        containers.restarting(one, place, faults)
    for index, one in enumerate(regular):
        if "ports" in one:
            _host_ports(one, ports, f"{path}.containers[{index}]", faults)
    for index, one in enumerate(spec.get("initContainers", ())):
        _init_container(one, around, (grace, seen), f"{path}.initContainers[{index}]", faults)
    others = set(seen)
    for index, one in enumerate(spec.get("ephemeralContainers", ())):
        place = f"{path}.ephemeralContainers[{index}]"
        containers.common_rules(one, around, place, faults)
        image = one.get("image", "")
        if image != image.strip():
            fault = "must not have leading or trailing whitespace"
            faults.append(FieldError.invalid(f"{place}.image", image, fault))
        _once(one, seen, place, faults)
        podparts.ephemeral(one, others, place, faults)


def _init_container(
    one: Mapping[str, Any],
    around: Surroundings,
    known: tuple[int, set[str]],
    place: str,
    faults: Faults,
) -> None:
    grace, seen = known
    containers.common_rules(one, around, place, faults)
    containers.restarting(one, place, faults)
    _once(one, seen, place, faults)
    if "ports" in one:
        # Kubernetes looks at these one by one, and then always says that it is the first.
        first = f"{place.rpartition('[')[0]}[0]"
        _host_ports(one, set(), first, faults)
    if one.get("restartPolicy") == "Always":
        probes.liveness(one, grace, place, faults)
    else:
        containers.before_start(one, place, faults)
        containers.resized_before_start(one, place, faults)


def _once(one: Mapping[str, Any], seen: set[str], place: str, faults: Faults) -> None:
    name = one.get("name", "")
    if name in seen:
        faults.append(FieldError.duplicate(f"{place}.name", name))
    if name:
        seen.add(name)


def _host_ports(one: Mapping[str, Any], taken: set[str], place: str, faults: Faults) -> None:
    for index, port in enumerate(one["ports"]):
        if number := port.get("hostPort"):
            key = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{number}"
            if key in taken:
                faults.append(FieldError.duplicate(f"{place}.ports[{index}].hostPort", key))
            taken.add(key)


def _host_network(spec: Spec, path: str, faults: Faults, *, is_pod: bool) -> None:
    for index, one in enumerate(spec.get("containers", ())):
        for at, port in enumerate(one.get("ports", ())):
            outer, inner = port.get("hostPort", 0), port.get("containerPort", 0)
            if (is_pod or outer) and outer != inner:
                fault = "must match `containerPort` when `hostNetwork` is true"
                place = f"{path}.containers[{index}].ports[{at}].hostPort"
                faults.append(FieldError.invalid(place, outer, fault))


def _no_tokens(spec: Spec, faults: Faults) -> None:
    for index, volume in enumerate(spec.get("volumes", ())):
        for at, source in enumerate(volume.get("projected", {}).get("sources", ())):
            if "serviceAccountToken" in source:
                path = f"spec.volumes[{index}].projected.sources[{at}].serviceAccountToken"
                fault = "must not be specified when serviceAccountName is not set"
                faults.append(FieldError.forbidden(path, fault))
