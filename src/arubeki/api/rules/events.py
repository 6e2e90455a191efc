"""Rules of Events, in both spellings: they are judged in the one in which they are stored.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/events.go.
"""

from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

NOTE_MAX_BYTES = 1024
_LIMITS = {"reportingInstance": 128, "action": 128, "reason": 128}
_TYPES = ("Normal", "Warning")
# events.k8s.io/v1 name, and the internal one that faults are told under.
_UNSET = {
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_KEPT = {
    "regarding": "involvedObject",
    "reason": "reason",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "type": "type",
    "eventTime": "eventTime",
    "action": "action",
    "related": "related",
    "reportingController": "reportingController",
    "reportingInstance": "reportingInstance",
}


def event(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check an Event, of core/v1 or of events.k8s.io/v1."""
    is_new_api = new.get("apiVersion") == "events.k8s.io/v1"
    _dated(new, faults, is_new_api=is_new_api)
    if is_new_api and old is None:
        _created(new, faults)
    elif is_new_api and old is not None:
        _updated(new, old, faults)


def _dated(new: dict[str, Any], faults: Faults, *, is_new_api: bool) -> None:
    about = new.get("regarding" if is_new_api else "involvedObject") or {}
    where, namespace = about.get("namespace", ""), new["metadata"].get("namespace", "")
    path, fault = "involvedObject.namespace", "does not match event.namespace"
    if not new.get("eventTime"):
        if namespace != (where or "default"):
            faults.append(FieldError.invalid(path, where, fault))
        return
    if not where and namespace not in ("default", "kube-system"):
        faults.append(FieldError.invalid(path, where, fault))
    field = "reportingController" if is_new_api else "reportingComponent"
    controller = new.get(field, "")
    if not controller:
        faults.append(FieldError.required(field))
    common.named(controller, field, faults, names.qualified_name)
    for name, most in _LIMITS.items():
        text = new.get(name, "")
        if not text:
            faults.append(FieldError.required(name))
        _short(text, most, name, faults)
    _short(new.get("note" if is_new_api else "message", ""), NOTE_MAX_BYTES, "message", faults)


def _short(text: str, most: int, path: str, faults: Faults) -> None:
    if len(text.encode()) > most:
        faults.append(FieldError.invalid(path, "", f"can have at most {most} characters"))


def _created(new: dict[str, Any], faults: Faults) -> None:
    _series(new, faults)
    if not new.get("eventTime"):
        faults.append(FieldError.required("eventTime"))
    if (kind := new.get("type", "")) not in _TYPES:
        faults.append(FieldError.invalid("type", "", f"has invalid value: {kind}"))
    for name, shown in _UNSET.items():
        if new.get(name):
            faults.append(FieldError.invalid(shown, "", "needs to be unset"))
    if any((new.get("deprecatedSource") or {}).values()):
        faults.append(FieldError.invalid("source", "", "needs to be unset"))


def _updated(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    if new.get("series") != old.get("series"):
        _series(new, faults)
    for name, shown in _KEPT.items():
        now, before = new.get(name) or None, old.get(name) or None
        if now != before:
            value = _internal(now) if isinstance(now, dict) else now
            empty = 0 if shown == "count" else ""
            shown_value = empty if value is None and name != "related" else value
            faults.append(FieldError.invalid(shown, shown_value, common.IMMUTABLE))


def _internal(reference: dict[str, Any]) -> dict[str, Any]:
    """Return a reference as Go shows its internal struct."""
    if "component" in reference or "host" in reference:
        return {"Component": reference.get("component", ""), "Host": reference.get("host", "")}
    spelled = {
        "Kind": "kind",
        "Namespace": "namespace",
        "Name": "name",
        "UID": "uid",
        "APIVersion": "apiVersion",
        "ResourceVersion": "resourceVersion",
        "FieldPath": "fieldPath",
    }
    return {shown: reference.get(name, "") for shown, name in spelled.items()}


def _series(new: dict[str, Any], faults: Faults) -> None:
    if (series := new.get("series")) is None:
        return
    if series.get("count", 0) < 2:
        faults.append(FieldError.invalid("series.count", "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        faults.append(FieldError.required("series.lastObservedTime"))


RULES = {"Event": event}
