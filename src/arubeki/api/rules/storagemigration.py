"""Rules of StorageVersionMigrations.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/storagemigration/validation/validation.go.
"""

from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common, conditions
from arubeki.api.rules.common import Faults

_ENDS = (("Succeeded", "Success"), ("Failed", "Failed"))


def migration(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a StorageVersionMigration: what it migrates is meant for its life."""
    spec = new.get("spec", {})
    resource = spec.get("resource", {})
    name, group = resource.get("resource", ""), resource.get("group", "")
    if not name:
        needed = "resource is required to be set"
        faults.append(FieldError.required("spec.resource.resource", needed))
    elif messages := names.dns1035_label(name):
        faults.append(FieldError.invalid("spec.resource.resource", name, ",".join(messages)))
    if group and (messages := names.dns_subdomain(group)):
        faults.append(FieldError.invalid("spec.resource.group", group, ",".join(messages)))
    if old is None:
        return
    before = old.get("spec", {}).get("resource", {})
    internal = {"Resource": {"group": group, "resource": name}}
    common.unchanged(internal if resource != before else None, None, "spec", faults)
    _status(new.get("status", {}), old.get("status", {}), faults)


def _status(status: dict[str, Any], before: dict[str, Any], faults: Faults) -> None:
    path, found = "status.conditions", status.get("conditions") or []
    shown = [conditions.as_go(one) for one in found] or None
    conditions.check(found, path, faults)
    revision, was = status.get("resourceVersion", ""), before.get("resourceVersion", "")
    if was and revision != was:
        fault = FieldError.invalid("status.resourceVersion", revision, common.IMMUTABLE)
        faults.append(fault)
    if all(_is_true(status, kind) for kind, _ in _ENDS):
        both = "Both success and failed conditions cannot be true at the same time"
        faults.append(FieldError.invalid(path, shown, both))
    for kind, word in _ENDS:
        if _is_true(before, kind) and not _is_true(status, kind):
            fault = FieldError.invalid(
                path, shown, f"{word} condition cannot be set to false once it is true"
            )
            faults.append(fault)


def _is_true(status: dict[str, Any], kind: str) -> bool:
    return any(
        one.get("type") == kind and one.get("status") == "True"
        for one in status.get("conditions") or ()
    )


RULES = {"StorageVersionMigration": migration}
