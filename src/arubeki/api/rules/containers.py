"""Rules of one container: names, ports, environment, probes, resources, mounts.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (validateContainerCommon and below).
"""

from collections.abc import Container as Names
from typing import Any

from arubeki.api import names, quantity
from arubeki.api.fields import FieldError
from arubeki.api.rules import common, sources
from arubeki.api.rules.common import Faults

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_SCHEMES = ("HTTP", "HTTPS")
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_STANDARD = ("cpu", "memory", "ephemeral-storage")
_PROBE_NUMBERS = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
)
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")


def container(one: dict[str, Any], volumes: Names[str], path: str, faults: Faults) -> None:
    """Check what containers of every sort share."""
    name = one.get("name", "")
    if name:
        common.named(name, f"{path}.name", faults)
    else:
        faults.append(FieldError.required(f"{path}.name"))
    if not one.get("image"):
        faults.append(FieldError.required(f"{path}.image"))
    policy = one.get("terminationMessagePolicy")
    common.one_of(policy, _MESSAGE_POLICIES, f"{path}.terminationMessagePolicy", faults)
    _ports(one.get("ports", ()), f"{path}.ports", faults)
    sources.environment(one, path, faults)
    _mounts(one, volumes, f"{path}.volumeMounts", faults)
    common.one_of(one.get("imagePullPolicy"), PULL_POLICIES, f"{path}.imagePullPolicy", faults)
    resources(one.get("resources", {}), f"{path}.resources", faults)
    _security(one.get("securityContext", {}), f"{path}.securityContext", faults)
    restart = one.get("restartPolicy")
    if restart is not None and restart not in RESTART_POLICIES:
        fault = FieldError.not_supported(f"{path}.restartPolicy", restart, RESTART_POLICIES)
        faults.append(fault)


def liveness(one: dict[str, Any], grace_seconds: int, path: str, faults: Faults) -> None:
    """Check probes and hooks, which not every sort of container may have."""
    for name in ("postStart", "preStop"):
        if (handler := one.get("lifecycle", {}).get(name)) is not None:
            _handler(handler, grace_seconds, f"{path}.lifecycle.{name}", faults)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if (probe := one.get(name)) is None:
            continue
        place = f"{path}.{name}"
        _handler(probe, grace_seconds, place, faults)
        common.not_negative(probe, _PROBE_NUMBERS, place, faults)
        own = probe.get("terminationGracePeriodSeconds")
        if name == "readinessProbe" and own is not None:
            fault = "must not be set for readinessProbes"
            faults.append(FieldError.invalid(f"{place}.terminationGracePeriodSeconds", own, fault))
        elif own is not None and own <= 0:
            fault = "must be greater than 0"
            faults.append(FieldError.invalid(f"{place}.terminationGracePeriodSeconds", own, fault))
        successes = probe.get("successThreshold")
        if name != "readinessProbe" and successes != 1:
            path_of = f"{place}.successThreshold"
            faults.append(FieldError.invalid(path_of, successes, "must be 1"))


def amount(name: str, value: Any, path: str, faults: Faults) -> None:
    """An amount of a resource must not be negative, and whole unless it can be shared."""
    if quantity.compare(value, "0") < 0:
        faults.append(FieldError.invalid(path, value, common.NOT_NEGATIVE))
    if ("/" in name or name.startswith("hugepages-")) and quantity.milli(value) % 1000:
        faults.append(FieldError.invalid(path, value, "must be an integer"))


def resources(found: dict[str, Any], path: str, faults: Faults) -> None:
    """Check limits and requests: names, amounts, and that no more is requested than allowed."""
    limits, requests = found.get("limits", {}), found.get("requests", {})
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, value in amounts.items():
            place = f"{path}.{field}[{name}]"
            resource_name(name, place, faults)
            amount(name, value, place, faults)
    place = f"{path}.requests"
    for name, value in requests.items():
        whole = "/" in name or name.startswith("hugepages-")
        if name not in limits:
            if whole:
                needed = "Limit must be set for non overcommitable resources"
                faults.append(FieldError.required(f"{path}.limits", needed))
            continue
        order, limit = quantity.compare(value, limits[name]), limits[name]
        if whole and order:
            fault = f"must be equal to {name} limit of {limit}"
            faults.append(FieldError.invalid(place, value, fault))
        elif order > 0:
            fault = f"must be less than or equal to {name} limit of {limit}"
            faults.append(FieldError.invalid(place, value, fault))


def resource_name(name: str, path: str, faults: Faults) -> None:
    """A resource of a container is a standard one or has a qualified name."""
    common.named(name, path, faults, names.qualified_name)
    standard = name in _STANDARD or name.startswith("hugepages-")
    if "/" not in name and not standard:
        # Kubernetes says both, as one and the same name is neither.
        if not names.qualified_name(name):
            general = "must be a standard resource type or fully qualified"
            faults.append(FieldError.invalid(path, name, general))
        fault = "must be a standard resource for containers"
        faults.append(FieldError.invalid(path, name, fault))


def _ports(ports: list[dict[str, Any]], path: str, faults: Faults) -> None:
    seen = set()
    for index, port in enumerate(ports):
        place = f"{path}[{index}]"
        if name := port.get("name"):
            if messages := names.port_name(name):
                faults += [FieldError.invalid(f"{place}.name", name, one) for one in messages]
            elif name in seen:
                faults.append(FieldError.duplicate(f"{place}.name", name))
            seen.add(name)
        if number := port.get("containerPort", 0):
            common.port_number(number, f"{place}.containerPort", faults)
        else:
            faults.append(FieldError.required(f"{place}.containerPort"))
        if number := port.get("hostPort", 0):
            common.port_number(number, f"{place}.hostPort", faults)
        common.one_of(port.get("protocol"), common.PROTOCOLS, f"{place}.protocol", faults)


def _mounts(one: dict[str, Any], volumes: Names[str], path: str, faults: Faults) -> None:
    seen = set()
    for index, mount in enumerate(one.get("volumeMounts", ())):
        place = f"{path}[{index}]"
        name, where = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            faults.append(FieldError.required(f"{place}.name"))
        if name not in volumes:
            faults.append(FieldError.not_found(f"{place}.name", name))
        if not where:
            faults.append(FieldError.required(f"{place}.mountPath"))
        if where in seen:
            faults.append(FieldError.invalid(f"{place}.mountPath", where, "must be unique"))
        seen.add(where)
        # Kubernetes leaves the index out of the paths below.
        for field in ("subPath", "subPathExpr"):
            if inside := mount.get(field):
                sources.descending_path(inside, f"{path}.{field}", faults)
        if mount.get("subPath") and mount.get("subPathExpr"):
            fault = "subPathExpr and subPath are mutually exclusive"
            faults.append(FieldError.invalid(f"{place}.subPathExpr", mount["subPathExpr"], fault))
        spread = mount.get("mountPropagation")
        if spread is not None and spread not in _PROPAGATIONS:
            place = f"{path}.mountPropagation"
            faults.append(FieldError.not_supported(place, spread, _PROPAGATIONS))
        elif spread == "Bidirectional" and not one.get("securityContext", {}).get("privileged"):
            fault = "Bidirectional mount propagation is available only to privileged containers"
            faults.append(FieldError.forbidden(f"{path}.mountPropagation", fault))


def _handler(handler: dict[str, Any], grace_seconds: int, path: str, faults: Faults) -> None:
    found = [name for name in _HANDLERS if handler.get(name) is not None]
    if not found:
        faults.append(FieldError.required(path, "must specify a handler type"))
    for name in found[1:]:
        fault = "may not specify more than 1 handler type"
        faults.append(FieldError.forbidden(f"{path}.{name}", fault))
    if not found:
        return
    action, place = handler[found[0]], f"{path}.{found[0]}"
    if found[0] == "exec":
        if not action.get("command"):
            faults.append(FieldError.required(f"{place}.command"))
    elif found[0] == "sleep":
        seconds = action.get("seconds", 0)
        if not 0 <= seconds <= grace_seconds:
            fault = (
                "must be non-negative and less than terminationGracePeriodSeconds"
                f" ({grace_seconds})"
            )
            faults.append(FieldError.invalid(place, seconds, fault))
    else:
        common.port_or_name(action.get("port", 0), f"{place}.port", faults)
        if found[0] == "httpGet":
            _http_get(action, place, faults)


def _http_get(action: dict[str, Any], path: str, faults: Faults) -> None:
    if not action.get("path"):
        faults.append(FieldError.required(f"{path}.path"))
    scheme = action.get("scheme", "")
    if scheme not in _SCHEMES:
        faults.append(FieldError.not_supported(f"{path}.scheme", scheme, _SCHEMES))
    for header in action.get("httpHeaders", ()):
        common.named(header.get("name", ""), f"{path}.httpHeaders", faults, names.header_name)


def _security(context: dict[str, Any], path: str, faults: Faults) -> None:
    user_and_group(context, ("runAsUser", "runAsGroup"), path, faults)
    if context.get("allowPrivilegeEscalation") is False and context.get("privileged"):
        fault = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        faults.append(FieldError.invalid(path, context, fault))


def user_and_group(
    context: dict[str, Any], fields: tuple[str, ...], path: str, faults: Faults
) -> None:
    """User and group numbers must be what a process can have."""
    for name in fields:
        value = context.get(name)
        if value is not None and not 0 <= value <= common.INT32_MAX:
            fault = f"must be between 0 and {common.INT32_MAX}, inclusive"
            faults.append(FieldError.invalid(f"{path}.{name}", value, fault))
