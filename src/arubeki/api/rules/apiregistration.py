"""Rules of APIServices.

Pure: no I/O, no clock.
Source: kube-aggregator pkg/apis/apiregistration/validation/validation.go.
"""

from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

_STATUSES = ("True", "False", "Unknown")


def api_service(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check an APIService, whose name says what it is for."""
    del old
    spec, name = new.get("spec", {}), new["metadata"].get("name", "")
    group, version = spec.get("group", ""), spec.get("version", "")
    required = f"{version}.{group}"
    if name and not names.path_segment(name) and name != required:
        fault = f'must be `spec.version+"."+spec.group`: "{required}"'
        faults.append(FieldError.invalid("metadata.name", name, fault))
    if not group and version != "v1":
        needed = "only v1 may have an empty group and it better be legacy kube"
        faults.append(FieldError.required("spec.group", needed))
    if group:
        common.named(group, "spec.group", faults, names.dns_subdomain)
    common.named(version, "spec.version", faults, names.dns1035_label)
    for field, most in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        value = spec.get(field, 0)
        if not 0 < value <= most:
            fault = f"must be positive and less than {most}"
            faults.append(FieldError.invalid(f"spec.{field}", value, fault))
    _behind(spec, faults)
    for index, condition in enumerate(new.get("status", {}).get("conditions") or ()):
        status, path = condition.get("status", ""), f"status.conditions[{index}].status"
        if status not in _STATUSES:
            faults.append(FieldError.not_supported(path, status, _STATUSES))


def _behind(spec: dict[str, Any], faults: Faults) -> None:
    service, bundle = spec.get("service"), spec.get("caBundle", "")
    insecure, path = spec.get("insecureSkipTLSVerify", False), "spec.insecureSkipTLSVerify"
    if service is None:
        if bundle:
            size = len(bundle) * 3 // 4 - bundle[-2:].count("=")
            fault = "local APIServices may not have a caBundle"
            faults.append(FieldError.invalid("spec.caBundle", f"{size} bytes", fault))
        if insecure:
            fault = "local APIServices may not have insecureSkipTLSVerify"
            faults.append(FieldError.invalid(path, insecure, fault))
        return
    for field in ("namespace", "name"):
        if not service.get(field):
            faults.append(FieldError.required(f"spec.service.{field}"))
    if messages := names.port_number(port := service.get("port", 0)):
        fault = f"port is not valid: {', '.join(messages)}"
        faults.append(FieldError.invalid("spec.service.port", port, fault))
    if insecure and bundle:
        fault = "may not be true if caBundle is present"
        faults.append(FieldError.invalid(path, insecure, fault))


RULES = {"APIService": api_service}
