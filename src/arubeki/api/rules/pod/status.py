"""Rules of what is told of a Pod.

Not checked: what is told of devices, of users and of volumes' health.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (ValidatePodStatusUpdate),
pkg/api/v1/pod/util.go (ContainerShouldRestart).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from arubeki.api import internal, ips, names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults
from arubeki.api.rules.pod import change

Object = Mapping[str, Any]
_SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")


def pod_status(new: Object, old: Object, faults: Faults) -> None:
    """Check a Pod's status, and that it may follow the old one."""
    status, was = new.get("status", {}), old.get("status", {})
    change.annotations(new, old, faults)
    for index, one in enumerate(status.get("conditions", ())):
        if (kind := one.get("type", "")) not in _SYSTEM_CONDITIONS:
            place = f"status.conditions[{index}].Type"
            common.named(kind, place, faults, names.qualified_name)
    _nominated(status, was, old.get("spec", {}), faults)
    if (seen := status.get("observedGeneration", 0)) < 0:
        fault = "must be a non-negative integer"
        faults.append(FieldError.invalid("status.observedGeneration", seen, fault))
    common.unchanged(status.get("qosClass", ""), was.get("qosClass", ""), "status.qosClass", faults)
    _transitions(status, was, old.get("spec", {}), faults)
    _addresses(status, was, ("podIP", "podIPs", "core.PodIP"), faults)
    _host_addresses(status, was, faults)


def _nominated(status: Object, was: Object, spec: Object, faults: Faults) -> None:
    name, path = status.get("nominatedNodeName", ""), "status.nominatedNodeName"
    if not name or name == was.get("nominatedNodeName", ""):
        return
    common.named(name, path, faults, names.dns_subdomain)
    if spec.get("nodeName"):
        fault = "may not be set on pods that are already bound to a node"
        faults.append(FieldError.forbidden(path, fault))


def _transitions(status: Object, was: Object, spec: Object, faults: Faults) -> None:
    """A container that has ended for good does not run again."""
    now = {one.get("name"): one for one in status.get("containerStatuses", ())}
    declared = {one.get("name"): one for one in spec.get("containers", ())}
    for index, one in enumerate(was.get("containerStatuses", ())):
        ended, after = one.get("state", {}).get("terminated"), now.get(one.get("name"))
        if ended is None or after is None or "terminated" in after.get("state", {}):
            continue
        container = declared.get(one.get("name"))
        if container is None or not _starts_again(container, spec, ended.get("exitCode", 0)):
            fault = "may not be transitioned to non-terminated state"
            path = f"status.containerStatuses[{index}].state"
            faults.append(FieldError.forbidden(path, fault))


def _starts_again(container: Object, spec: Object, code: int) -> bool:
    for rule in container.get("restartPolicyRules", ()):
        codes = rule.get("exitCodes", {})
        if (code in codes.get("values", ())) == (codes.get("operator") == "In"):
            return True
    policy = container.get("restartPolicy") or spec.get("restartPolicy")
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def _addresses(status: Object, was: Object, fields: tuple[str, str, str], faults: Faults) -> None:
    one, several, shape = fields
    path = f"status.{several}"
    given, first = _texts(status.get(several, ())), status.get(one, "")
    _valid(given, _texts(was.get(several, ())), path, faults)
    shown = [internal.of(shape, address) for address in status.get(several, ())] or None
    _one_a_family(given, shown, path, faults)
    if bool(given) != bool(first):
        fault = f"{one} and {several} must either both be set or both be unset"
        faults.append(FieldError.invalid(path, shown, fault))
    elif given and first != given[0]:
        faults.append(FieldError.invalid(f"{path}[0].ip", given[0], f"must be equal to `{one}`"))


def _host_addresses(status: Object, was: Object, faults: Faults) -> None:
    path, given = "status.hostIPs", _texts(status.get("hostIPs", ()))
    if not given:
        return
    if status.get("hostIP", "") != given[0]:
        faults.append(FieldError.invalid(f"{path}[0].ip", given[0], "must be equal to `hostIP`"))
    _valid(given, _texts(was.get("hostIPs", ())), path, faults)
    shown = [internal.of("core.HostIP", one) for one in status.get("hostIPs", ())]
    _one_a_family(given, shown, path, faults)


def _texts(addresses: Sequence[Object]) -> list[str]:
    return [one.get("ip", "") for one in addresses]


def _valid(given: list[str], known: list[str], path: str, faults: Faults) -> None:
    for index, address in enumerate(given):
        if address not in known:
            common.named(address, f"{path}[{index}]", faults, ips.old_address)


def _one_a_family(given: list[str], shown: Any, path: str, faults: Faults) -> None:
    if len(given) > 2 or (len(given) == 2 and (":" in given[0]) == (":" in given[1])):
        fault = "may specify no more than one IP for each IP family"
        faults.append(FieldError.invalid(path, shown, fault))
