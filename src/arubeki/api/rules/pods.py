"""Rules of Pods and of the templates that make them.

Not checked yet: affinity, topology spread, sysctls, seccomp and AppArmor profiles, Windows options,
resource claims, volumes of cloud providers.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (ValidatePodSpec, ValidatePodUpdate).
"""

from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common, containers, podparts, sources
from arubeki.api.rules.common import Faults
from arubeki.api.rules.sound import Sound

_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_PREEMPTION = ("PreemptLowerPriority", "Never")
_UPDATABLE = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)
_NAMESERVERS_MAX, _SEARCHES_MAX, _SEARCHES_MAX_CHARS = 3, 32, 2048


def pod(obj: dict[str, Any], faults: Faults) -> None:
    """Check a Pod."""
    spec = obj.get("spec", {})
    pod_spec(spec, "spec", faults)
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0:
        path = "spec.terminationGracePeriodSeconds"
        faults.append(FieldError.invalid(path, grace, common.NOT_NEGATIVE))
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for index, one in enumerate(spec.get(field, ())):
            image = one.get("image", "")
            if image != image.strip():
                fault = "must not have leading or trailing whitespace"
                faults.append(FieldError.invalid(f"spec.{field}[{index}].image", image, fault))


def pod_template(obj: dict[str, Any], faults: Faults) -> None:
    """Check a PodTemplate."""
    template(obj.get("template", {}), "template", faults)


def template(obj: dict[str, Any], path: str, faults: Faults) -> None:
    """Check a Pod template."""
    template_metadata(obj, path, faults)
    spec = obj.get("spec", {})
    pod_spec(spec, f"{path}.spec", faults)
    if spec.get("ephemeralContainers"):
        fault = "ephemeral containers not allowed in pod template"
        faults.append(FieldError.forbidden(f"{path}.spec.ephemeralContainers", fault))


def template_metadata(obj: dict[str, Any], path: str, faults: Faults) -> None:
    """Check the labels and annotations of a Pod template; Kubernetes leaves `metadata` out."""
    metadata = obj.get("metadata", {})
    common.labels(metadata.get("labels"), f"{path}.labels", faults)
    common.annotations(metadata.get("annotations"), f"{path}.annotations", faults)


def pod_spec(spec: dict[str, Any], path: str, faults: Faults) -> None:
    """Check what Pods and templates share."""
    digest = _SOUND.digest(spec)
    if digest in _SOUND:
        return
    before = len(faults)
    _pod_spec(spec, path, faults)
    if len(faults) == before:
        _SOUND.add(digest)


_SOUND = Sound()


def _pod_spec(spec: dict[str, Any], path: str, faults: Faults) -> None:
    volumes = sources.volumes(spec, path, faults)
    _containers(spec, volumes, path, faults)
    common.one_of(spec.get("restartPolicy"), _RESTART_POLICIES, f"{path}.restartPolicy", faults)
    common.one_of(spec.get("dnsPolicy"), _DNS_POLICIES, f"{path}.dnsPolicy", faults)
    common.labels(spec.get("nodeSelector"), f"{path}.nodeSelector", faults)
    context, place = spec.get("securityContext", {}), f"{path}.securityContext"
    containers.user_and_group(context, ("fsGroup", "runAsUser", "runAsGroup"), place, faults)
    if spec.get("hostPID") and spec.get("shareProcessNamespace"):
        fault = "ShareProcessNamespace and HostPID cannot both be enabled"
        faults.append(FieldError.invalid(f"{path}.shareProcessNamespace", True, fault))
    _dns(spec, f"{path}.dnsConfig", faults)
    for index, gate in enumerate(spec.get("readinessGates", ())):
        at = f"{path}.readinessGates[{index}].conditionType"
        common.named(gate.get("conditionType", ""), at, faults, names.qualified_name)
    _scheduling_gates(spec, path, faults)
    for field, rule in _NAMED.items():
        if value := spec.get(field):
            common.named(value, f"{path}.{field}", faults, rule)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= common.INT32_MAX:
        fault = f"must be between 1 and {common.INT32_MAX}, inclusive"
        faults.append(FieldError.invalid(f"{path}.activeDeadlineSeconds", deadline, fault))
    tolerations(spec.get("tolerations", ()), f"{path}.tolerations", faults)
    for index, alias in enumerate(spec.get("hostAliases", ())):
        if fault := common.ip_fault(alias.get("ip", "")):
            at = f"{path}.hostAliases[{index}].ip"
            faults.append(FieldError.invalid(at, alias.get("ip", ""), fault))
    preemption = spec.get("preemptionPolicy")
    if preemption is not None:
        common.one_of(preemption, _PREEMPTION, f"{path}.preemptionPolicy", faults)


def pod_change(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """A Pod is what it was made as, but for its images, deadline, tolerations and gates."""
    after, before = new.get("spec", {}), old.get("spec", {})
    if after == before:
        return
    for field in ("containers", "initContainers"):
        if len(after.get(field, ())) != len(before.get(field, ())):
            fault = "pod updates may not add or remove containers"
            faults.append(FieldError.forbidden(f"spec.{field}", fault))
            return
    _deadline_change(after, before, faults)
    _tolerations_change(after, before, faults)
    places = {gate["name"]: at for at, gate in enumerate(after.get("schedulingGates", ()))}
    gates = {gate["name"] for gate in before.get("schedulingGates", ())}
    for name, index in places.items():
        if name not in gates:
            fault = f"only deletion is allowed, but found new scheduling gate '{name}'"
            faults.append(FieldError.forbidden(f"spec.schedulingGates[{index}].name", fault))
    munged = {**after}
    for field in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        munged.pop(field, None)
        if field in before:
            munged[field] = before[field]
    for field in ("containers", "initContainers"):
        if field in after:
            munged[field] = [
                {**one, "image": was.get("image")}
                for one, was in zip(after[field], before[field], strict=True)
            ]
    if before.get("schedulingGates"):
        # A Pod that is held back may still be told where to go.
        for field in ("nodeSelector", "affinity"):
            munged.pop(field, None)
            if field in before:
                munged[field] = before[field]
    if before.get("terminationGracePeriodSeconds", 0) < 0:
        munged["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"]
    if munged != before:
        fault = f"pod updates may not change fields other than {','.join(_UPDATABLE)}"
        faults.append(
            FieldError.forbidden("spec", f"{fault}\n{podparts.difference(before, munged)}")
        )


def tolerations(found: list[dict[str, Any]], path: str, faults: Faults) -> None:
    """Check tolerations."""
    for index, one in enumerate(found):
        place = f"{path}[{index}]"
        key, operator = one.get("key", ""), one.get("operator", "")
        value, effect = one.get("value", ""), one.get("effect", "")
        if key:
            common.named(key, f"{place}.key", faults, names.label_key)
        elif operator != "Exists":
            fault = (
                "operator must be Exists when `key` is empty, which means"
                ' "match all values and all keys"'
            )
            faults.append(FieldError.invalid(f"{place}.operator", operator, fault))
        if "tolerationSeconds" in one and effect != "NoExecute":
            fault = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            faults.append(FieldError.invalid(f"{place}.effect", effect, fault))
        if operator in ("", "Equal"):
            if messages := names.label_value(value):
                faults.append(FieldError.invalid(f"{place}.operator", value, ";".join(messages)))
        elif operator == "Exists":
            if value:
                fault = "value must be empty when `operator` is 'Exists'"
                faults.append(FieldError.invalid(f"{place}.operator", value, fault))
        else:
            known: tuple[str, ...] = ("Equal", "Exists")
            if operator in ("Lt", "Gt"):
                # Known, but off unless asked for; Kubernetes lists them all the same.
                known = ("Equal", "Exists", "Lt", "Gt")
            faults.append(FieldError.not_supported(f"{place}.operator", operator, known))
        if effect:
            common.one_of(effect, containers.TAINT_EFFECTS, f"{place}.effect", faults)


_NAMED = {
    "serviceAccountName": names.dns_subdomain,
    "nodeName": names.dns_subdomain,
    "hostname": names.dns_label,
    "subdomain": names.dns_label,
    "priorityClassName": names.dns_subdomain,
    "runtimeClassName": names.dns_subdomain,
}


def _containers(spec: dict[str, Any], volumes: set[str], path: str, faults: Faults) -> None:
    grace = spec.get("terminationGracePeriodSeconds", 30)
    regular = spec.get("containers", ())
    if not regular:
        faults.append(FieldError.required(f"{path}.containers"))
    seen: set[str] = set()
    ports: set[str] = set()
    for index, one in enumerate(regular):
        place = f"{path}.containers[{index}]"
        containers.container(one, volumes, place, faults)
        _once(one, seen, place, faults)
        containers.liveness(one, grace, place, faults)
    for index, one in enumerate(regular):
        _host_ports(one, ports, f"{path}.containers[{index}]", faults)
    for index, one in enumerate(spec.get("initContainers", ())):
        place = f"{path}.initContainers[{index}]"
        containers.container(one, volumes, place, faults)
        _once(one, seen, place, faults)
        _host_ports(one, set(), place, faults)
        if one.get("restartPolicy") == "Always":
            containers.liveness(one, grace, place, faults)
            continue
        for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if field in one:
                fault = "may not be set for init containers without restartPolicy=Always"
                faults.append(FieldError.forbidden(f"{place}.{field}", fault))
    others = set(seen)
    for index, one in enumerate(spec.get("ephemeralContainers", ())):
        place = f"{path}.ephemeralContainers[{index}]"
        containers.container(one, volumes, place, faults)
        _once(one, seen, place, faults)
        podparts.ephemeral(one, others, place, faults)


def _once(one: dict[str, Any], seen: set[str], place: str, faults: Faults) -> None:
    name = one.get("name", "")
    if name in seen:
        faults.append(FieldError.duplicate(f"{place}.name", name))
    if name:
        seen.add(name)


def _host_ports(one: dict[str, Any], taken: set[str], place: str, faults: Faults) -> None:
    for index, port in enumerate(one.get("ports", ())):
        if number := port.get("hostPort"):
            key = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{number}"
            if key in taken:
                faults.append(FieldError.duplicate(f"{place}.ports[{index}].hostPort", key))
            taken.add(key)


def _dns(spec: dict[str, Any], path: str, faults: Faults) -> None:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            needed = "must provide `dnsConfig` when `dnsPolicy` is None"
            faults.append(FieldError.required(path, needed))
            return
        if not config.get("nameservers"):
            needed = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            faults.append(FieldError.required(f"{path}.nameservers", needed))
            return
    servers, searches = (config or {}).get("nameservers", []), (config or {}).get("searches", [])
    if len(servers) > _NAMESERVERS_MAX:
        fault = f"must not have more than {_NAMESERVERS_MAX} nameservers"
        faults.append(FieldError.invalid(f"{path}.nameservers", servers, fault))
    for index, server in enumerate(servers):
        if fault := common.ip_fault(server):
            faults.append(FieldError.invalid(f"{path}.nameservers[{index}]", server, fault))
    if len(searches) > _SEARCHES_MAX:
        fault = f"must not have more than {_SEARCHES_MAX} search paths"
        faults.append(FieldError.invalid(f"{path}.searches", searches, fault))
    if len(" ".join(searches)) > _SEARCHES_MAX_CHARS:
        fault = (
            f"must not have more than {_SEARCHES_MAX_CHARS} characters"
            " (including spaces) in the search list"
        )
        faults.append(FieldError.invalid(f"{path}.searches", searches, fault))


def _scheduling_gates(spec: dict[str, Any], path: str, faults: Faults) -> None:
    seen = set()
    for index, gate in enumerate(spec.get("schedulingGates", ())):
        at, name = f"{path}.schedulingGates[{index}]", gate.get("name", "")
        common.named(name, at, faults, names.qualified_name)
        if name in seen:
            faults.append(FieldError.duplicate(at, name))
        seen.add(name)


def _deadline_change(after: dict[str, Any], before: dict[str, Any], faults: Faults) -> None:
    path = "spec.activeDeadlineSeconds"
    new, old = after.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    if old is None:
        return
    if new is None:
        fault = "must not update from a positive integer to nil value"
        faults.append(FieldError.invalid(path, None, fault))
    elif new > old:
        fault = "must be less than or equal to previous value"
        faults.append(FieldError.invalid(path, new, fault))


def _tolerations_change(after: dict[str, Any], before: dict[str, Any], faults: Faults) -> None:
    def lasting(one: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(one.get(name) for name in ("key", "operator", "value", "effect"))

    kept = {lasting(one) for one in after.get("tolerations", ())}
    if any(lasting(one) not in kept for one in before.get("tolerations", ())):
        fault = "existing toleration can not be modified except its tolerationSeconds"
        faults.append(FieldError.forbidden("spec.tolerations", fault))
