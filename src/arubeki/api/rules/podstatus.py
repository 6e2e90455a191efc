"""Rules of a Pod's status: what its node may say, and not take back.

Not checked yet: claims of devices, users of containers, the health of volumes. Init containers are
not held to their ends: a node that comes again runs them again.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (ValidatePodStatusUpdate),
pkg/apis/core/v1/conversion.go (addresses).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from arubeki.api import ips, names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

_SYSTEM = ("PodScheduled", "Ready", "Initialized")
_BACK = "may not be transitioned to non-terminated state"
_NEGATIVE = "must be a non-negative integer"

Object = Mapping[str, Any]


def with_addresses(status: dict[str, Any]) -> None:
    """Make, in place, `podIP` and `podIPs` say the same; the former is who is believed."""
    first = status.get("podIP")
    listed = status.get("podIPs") or []
    if first and (not listed or listed[0].get("ip") != first):
        status["podIPs"] = [{"ip": first}]
    elif listed and not first:
        status["podIP"] = listed[0].get("ip", "")


def status_change(new: Object, old: Object) -> list[FieldError]:
    """Return what is wrong with a status that is written."""
    faults: list[FieldError] = []
    after, before = new.get("status") or {}, old.get("status") or {}
    _conditions(after, faults)
    named = after.get("nominatedNodeName") or ""
    if named and named != before.get("nominatedNodeName"):
        path = "status.nominatedNodeName"
        common.named(named, path, faults, names.dns_subdomain)
        if old["spec"].get("nodeName"):
            why = "may not be set on pods that are already bound to a node"
            faults.append(FieldError.forbidden(path, why))
    if after.get("observedGeneration", 0) < 0:
        value = after["observedGeneration"]
        faults.append(FieldError.invalid("status.observedGeneration", value, _NEGATIVE))
    if after.get("qosClass") != before.get("qosClass"):
        value = after.get("qosClass", "")
        faults.append(FieldError.invalid("status.qosClass", value, "field is immutable"))
    _transitions(new, old, faults)
    _addresses(after, before, faults)
    _host_addresses(after, before, faults)
    return faults


def _conditions(status: Object, faults: Faults) -> None:
    for index, one in enumerate(status.get("conditions") or ()):
        path = f"status.conditions[{index}]"
        if one.get("observedGeneration", 0) < 0:
            value = one["observedGeneration"]
            faults.append(FieldError.invalid(f"{path}.observedGeneration", value, _NEGATIVE))
        if one.get("type") not in _SYSTEM:
            common.named(one.get("type", ""), f"{path}.Type", faults, names.qualified_name)


def _transitions(new: Object, old: Object, faults: Faults) -> None:
    """A container that has ended for good does not run again."""
    spec = old["spec"]
    specs = {one["name"]: one for one in spec.get("containers") or ()}
    policy = spec.get("restartPolicy", "Always")
    for field in ("containerStatuses", "ephemeralContainerStatuses"):
        after = {one["name"]: one for one in new["status"].get(field) or ()}
        for index, was in enumerate((old.get("status") or {}).get(field) or ()):
            ended = (was.get("state") or {}).get("terminated")
            now = after.get(was["name"])
            if ended is None or now is None or "terminated" in (now.get("state") or {}):
                continue
            container = specs.get(was["name"])
            if container is None or not _comes_again(container, policy, ended.get("exitCode", 0)):
                faults.append(FieldError.forbidden(f"status.{field}[{index}].state", _BACK))


def _comes_again(container: Object, policy: str, code: int) -> bool:
    """Tell whether a container that ended with `code` is to be started again."""
    own = container.get("restartPolicy")
    if own:
        for rule in container.get("restartPolicyRules") or ():
            said = rule.get("exitCodes") or {}
            if (code in (said.get("values") or ())) is (said.get("operator") == "In"):
                return True
    policy = own or policy
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def _addresses(after: Object, before: Object, faults: Faults) -> None:
    path = "status.podIPs"
    listed = _texts(after.get("podIPs"))
    _valid(listed, _texts(before.get("podIPs")), path, faults)
    _one_a_family(listed, path, faults)


def _host_addresses(after: Object, before: Object, faults: Faults) -> None:
    path = "status.hostIPs"
    listed = _texts(after.get("hostIPs"))
    if listed and after.get("hostIP", "") != listed[0]:
        why = "must be equal to `hostIP`"
        faults.append(FieldError.invalid(f"{path}[0].ip", listed[0], why))
    _valid(listed, _texts(before.get("hostIPs")), path, faults)
    _one_a_family(listed, path, faults)


def _texts(addresses: Sequence[Object] | None) -> list[str]:
    return [one.get("ip", "") for one in addresses or ()]


def _valid(listed: list[str], known: list[str], path: str, faults: Faults) -> None:
    for index, one in enumerate(listed):
        if one not in known and (why := common.ip_fault(one)):
            faults.append(FieldError.invalid(f"{path}[{index}]", one, why))


def _one_a_family(listed: list[str], path: str, faults: Faults) -> None:
    families = {found.version for one in listed if (found := ips.parse(one)) is not None}
    if len(listed) > 1 and (len(listed) > 2 or len(families) < 2):
        shown = [{"IP": one} for one in listed]  # as Go shows a field without a name of its own
        why = "may specify no more than one IP for each IP family"
        faults.append(FieldError.invalid(path, shown, why))
