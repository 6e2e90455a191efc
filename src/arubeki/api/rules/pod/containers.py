"""Rules of one container of each sort.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (validateContainerCommon,
validateInitContainers, validateContainerRestartPolicy, validateResizePolicy).
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults
from arubeki.api.rules.pod import environment, mounts, resources, security
from arubeki.api.rules.pod.mounts import Volumes

Container = Mapping[str, Any]
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_RESIZABLE = ("cpu", "memory")
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_ACTIONS = ("Restart", "RestartAllContainers")
_OPERATORS = ("In", "NotIn")
_RULES_MAX, _EXIT_CODES_MAX = 20, 255


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the rules of a container must know of its Pod."""

    volumes: Volumes
    claims: Set[str]
    restart_policy: str
    host_users: bool


def common_rules(one: Container, around: Surroundings, path: str, faults: Faults) -> None:
    """Check what containers of every sort share."""
    name = one.get("name")
    if not name:
        faults.append(FieldError.required(f"{path}.name"))
    elif names.dns_label(name):
        common.named(name, f"{path}.name", faults)
    if not one.get("image"):
        faults.append(FieldError.required(f"{path}.image"))
    policy = one.get("terminationMessagePolicy")
    if policy not in _MESSAGE_POLICIES:
        common.one_of(policy, _MESSAGE_POLICIES, f"{path}.terminationMessagePolicy", faults)
    if "ports" in one:
        _ports(one["ports"], f"{path}.ports", faults)
    if "env" in one or "envFrom" in one:
        environment.environment(one, path, faults)
    if "volumeMounts" in one:
        mounts.mounts(one, around.volumes, f"{path}.volumeMounts", faults)
    if "volumeDevices" in one:
        mounts.devices(one, around.volumes, f"{path}.volumeDevices", faults)
    policy = one.get("imagePullPolicy")
    if policy not in _PULL_POLICIES:
        common.one_of(policy, _PULL_POLICIES, f"{path}.imagePullPolicy", faults)
    resources.requirements(one.get("resources", {}), around.claims, f"{path}.resources", faults)
    if "resizePolicy" in one:
        _resizing(one["resizePolicy"], around.restart_policy, f"{path}.resizePolicy", faults)
    if (context := one.get("securityContext")) is not None:
        place = f"{path}.securityContext"
        security.container_context(context, place, faults, host_users=around.host_users)


def restarting(one: Container, path: str, faults: Faults) -> None:
    """Check when a container is started again, beyond what its Pod says."""
    policy, rules = one.get("restartPolicy"), one.get("restartPolicyRules", ())
    if policy is None:
        if not rules:
            return
        needed = "must specify restartPolicy when restart rules are used"
        faults.append(FieldError.required(f"{path}.restartPolicy", needed))
    elif policy not in _RESTART_POLICIES:
        where = f"{path}.restartPolicy"
        faults.append(FieldError.not_supported(where, policy, _RESTART_POLICIES))
    if len(rules) > _RULES_MAX:
        faults.append(FieldError.too_many(f"{path}.restartPolicyRules", len(rules), _RULES_MAX))
    for index, rule in enumerate(rules):
        _restart_rule(rule, f"{path}.restartPolicyRules[{index}]", faults)


def before_start(one: Container, path: str, faults: Faults) -> None:
    """Check what an init container that ends may not have."""
    for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
        if field in one:
            fault = "may not be set for init containers without restartPolicy=Always"
            faults.append(FieldError.forbidden(f"{path}.{field}", fault))


def resized_before_start(one: Container, path: str, faults: Faults) -> None:
    """An init container that ends is not started again for a resize."""
    for index, policy in enumerate(one.get("resizePolicy", ())):
        if policy.get("restartPolicy") == "RestartContainer":
            fault = "must not be set to 'RestartContainer' for non-sidecar initContainers"
            where = f"{path}.resizePolicy[{index}].restartPolicy"
            faults.append(FieldError.invalid(where, "RestartContainer", fault))


def _restart_rule(rule: Mapping[str, Any], path: str, faults: Faults) -> None:
    action, codes = rule.get("action", ""), rule.get("exitCodes")
    if action not in _ACTIONS:
        faults.append(FieldError.not_supported(f"{path}.action", action, _ACTIONS))
    if codes is None:
        faults.append(FieldError.required(f"{path}.exitCodes", "must be specified"))
        return
    operator, values = codes.get("operator", ""), codes.get("values", ())
    if operator not in _OPERATORS:
        where = f"{path}.exitCodes.operator"
        faults.append(FieldError.not_supported(where, operator, _OPERATORS))
    if len(values) > _EXIT_CODES_MAX:
        where = f"{path}.exitCodes.values"
        faults.append(FieldError.too_many(where, len(values), _EXIT_CODES_MAX))


def _ports(ports: Sequence[Mapping[str, Any]], path: str, faults: Faults) -> None:
    seen = set()
    for index, port in enumerate(ports):
        name, number = port.get("name"), port.get("containerPort", 0)
        if name:
            if messages := names.port_name(name):
                place = f"{path}[{index}].name"
                faults += [FieldError.invalid(place, name, one) for one in messages]
            elif name in seen:
                faults.append(FieldError.duplicate(f"{path}[{index}].name", name))
            else:
                seen.add(name)
        if not number:
            faults.append(FieldError.required(f"{path}[{index}].containerPort"))
        else:
            common.port_number(number, f"{path}[{index}].containerPort", faults)
        if number := port.get("hostPort", 0):
            common.port_number(number, f"{path}[{index}].hostPort", faults)
        if port.get("protocol") not in common.PROTOCOLS:
            place = f"{path}[{index}].protocol"
            common.one_of(port.get("protocol"), common.PROTOCOLS, place, faults)


def _resizing(
    policies: Sequence[Mapping[str, Any]], restart: str, path: str, faults: Faults
) -> None:
    seen = set()
    for index, one in enumerate(policies):
        name, policy = one.get("resourceName", ""), one.get("restartPolicy", "")
        if name in seen:
            faults.append(FieldError.duplicate(f"{path}[{index}]", name))
        seen.add(name)
        common.one_of(name, _RESIZABLE, path, faults)
        common.one_of(policy, _RESIZE_POLICIES, path, faults)
        if restart == "Never" and policy != "NotRequired":
            fault = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            faults.append(FieldError.invalid(path, policy, fault))
