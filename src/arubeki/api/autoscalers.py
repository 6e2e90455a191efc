"""One HorizontalPodAutoscaler, two spellings: what v2 keeps in fields, v1 keeps in annotations.

v1 knows one target, the CPU utilization. All else that v2 has travels through v1 as JSON in
annotations, so that who reads and writes v1 loses nothing. The form in which it is stored and
judged is v2.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/autoscaling/v1/conversion.go, pkg/apis/autoscaling/annotations.go.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

Object = dict[str, Any]

_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS = f"{_PREFIX}metrics"
BEHAVIOR = f"{_PREFIX}behavior"
CURRENT_METRICS = f"{_PREFIX}current-metrics"
CONDITIONS = f"{_PREFIX}conditions"
OF_SPEC = (METRICS, BEHAVIOR)
"""Annotations that say more of the spec."""
OF_STATUS = (CURRENT_METRICS, CONDITIONS)
"""Annotations that say more of the status."""
_TOLERANCES = (f"{_PREFIX}scale-down-tolerance", f"{_PREFIX}scale-up-tolerance")
_ALL = (*OF_SPEC, *OF_STATUS, *_TOLERANCES)

CPU_PERCENT = 80
"""The target of who gives none."""

# Where v2 keeps a field of a v1 metric's source, in the order of v1's fields.
_SPEC: dict[str, dict[str, tuple[str, ...]]] = {
    "object": {
        "target": ("describedObject",),
        "metricName": ("metric", "name"),
        "targetValue": ("target", "value"),
        "selector": ("metric", "selector"),
        "averageValue": ("target", "averageValue"),
    },
    "pods": {
        "metricName": ("metric", "name"),
        "targetAverageValue": ("target", "averageValue"),
        "selector": ("metric", "selector"),
    },
    "resource": {
        "name": ("name",),
        "targetAverageUtilization": ("target", "averageUtilization"),
        "targetAverageValue": ("target", "averageValue"),
    },
    "containerResource": {
        "name": ("name",),
        "targetAverageUtilization": ("target", "averageUtilization"),
        "targetAverageValue": ("target", "averageValue"),
        "container": ("container",),
    },
    "external": {
        "metricName": ("metric", "name"),
        "metricSelector": ("metric", "selector"),
        "targetValue": ("target", "value"),
        "targetAverageValue": ("target", "averageValue"),
    },
}
_STATUS: dict[str, dict[str, tuple[str, ...]]] = {
    "object": {
        "target": ("describedObject",),
        "metricName": ("metric", "name"),
        "currentValue": ("current", "value"),
        "selector": ("metric", "selector"),
        "averageValue": ("current", "averageValue"),
    },
    "pods": {
        "metricName": ("metric", "name"),
        "currentAverageValue": ("current", "averageValue"),
        "selector": ("metric", "selector"),
    },
    "resource": {
        "name": ("name",),
        "currentAverageUtilization": ("current", "averageUtilization"),
        "currentAverageValue": ("current", "averageValue"),
    },
    "containerResource": {
        "name": ("name",),
        "currentAverageUtilization": ("current", "averageUtilization"),
        "currentAverageValue": ("current", "averageValue"),
        "container": ("container",),
    },
    "external": {
        "metricName": ("metric", "name"),
        "metricSelector": ("metric", "selector"),
        "currentValue": ("current", "value"),
        "currentAverageValue": ("current", "averageValue"),
    },
}
# What v1 writes even where there is none.
_ZEROS = {
    ("object", "targetValue"),
    ("object", "currentValue"),
    ("pods", "targetAverageValue"),
    ("pods", "currentAverageValue"),
    ("resource", "currentAverageValue"),
    ("containerResource", "currentAverageValue"),
    ("external", "currentValue"),
}
_RULE = ("StabilizationWindowSeconds", "SelectPolicy", "Policies", "Tolerance")
_POLICY = ("Type", "Value", "PeriodSeconds")
_REFERENCE = ("kind", "name", "apiVersion")
_CONDITION = ("type", "status", "lastTransitionTime", "reason", "message", "observedGeneration")


def cpu_metric(percent: int) -> Object:
    """Return the v2 metric that v1's one target stands for."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def to_v2(obj: Mapping[str, Any]) -> Object:
    """Return a v1 autoscaler as v2; a v2 one loses the annotations that only v1 has."""
    found = dict(obj)
    metadata, annotations = _without_annotations(obj)
    found["metadata"] = metadata
    if obj.get("apiVersion") != "autoscaling/v1":
        return found
    found["apiVersion"] = "autoscaling/v2"
    if "spec" in obj:
        found["spec"] = _spec_to_v2(obj["spec"], annotations)
    if "status" in obj:
        found["status"] = _status_to_v2(obj["status"], annotations)
    return found


def to_v1(obj: Mapping[str, Any]) -> Object:
    """Return a v2 autoscaler as v1, with annotations for what v1 has no fields for."""
    found = dict(obj)
    found["apiVersion"] = "autoscaling/v1"
    metadata, _ = _without_annotations(obj)
    more: dict[str, str] = {}
    if "spec" in obj:
        found["spec"] = _spec_to_v1(obj["spec"], more)
    if "status" in obj:
        found["status"] = _status_to_v1(obj["status"], more)
    if more:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **more}
    found["metadata"] = metadata
    return found


def _without_annotations(obj: Mapping[str, Any]) -> tuple[Object, dict[str, str]]:
    metadata = dict(obj["metadata"])
    annotations: dict[str, str] = metadata.get("annotations") or {}
    if any(name in annotations for name in _ALL):
        kept = {name: text for name, text in annotations.items() if name not in _ALL}
        metadata["annotations"] = kept
        if not kept:
            del metadata["annotations"]
    return metadata, annotations


def _spec_to_v2(spec: Mapping[str, Any], annotations: Mapping[str, str]) -> Object:
    found = {name: value for name, value in spec.items() if name != _CPU}
    metrics = _decoded_list(annotations.get(METRICS))
    wanted = [_metric_to_v2(one, _SPEC) for one in metrics or ()]
    if _CPU in spec:
        wanted.append(cpu_metric(spec[_CPU]))
    found["metrics"] = wanted or [cpu_metric(CPU_PERCENT)]
    behavior = _decoded(annotations.get(BEHAVIOR))
    if isinstance(behavior, dict) and (lowered := _lowered(behavior)):
        found["behavior"] = lowered
    return found


_CPU = "targetCPUUtilizationPercentage"
_CPU_NOW = "currentCPUUtilizationPercentage"


def _spec_to_v1(spec: Mapping[str, Any], annotations: dict[str, str]) -> Object:
    found = {name: value for name, value in spec.items() if name not in ("metrics", "behavior")}
    others = []
    for metric in spec.get("metrics") or ():
        percent = _cpu_percent(metric)
        if percent is None:
            others.append(_metric_to_v1(metric, _SPEC))
        else:
            found.setdefault(_CPU, percent)
    if others:
        annotations[METRICS] = _encoded(others)
    if "behavior" in spec:
        behavior = spec["behavior"]
        raised = {name: _raised(behavior.get(_lower(name))) for name in ("ScaleUp", "ScaleDown")}
        annotations[BEHAVIOR] = _encoded(raised)
    return found


def _cpu_percent(metric: Mapping[str, Any]) -> int | None:
    source = metric.get("resource") or {}
    if metric.get("type") != "Resource" or source.get("name") != "cpu":
        return None
    percent: int | None = source.get("target", {}).get("averageUtilization")
    return percent


def _status_to_v2(status: Mapping[str, Any], annotations: Mapping[str, str]) -> Object:
    found = {name: value for name, value in status.items() if name != _CPU_NOW}
    if _CPU_NOW in status:
        current = {"averageUtilization": status[_CPU_NOW]}
        one = {"type": "Resource", "resource": {"name": "cpu", "current": current}}
        found["currentMetrics"] = [one]
    if (metrics := _decoded_list(annotations.get(CURRENT_METRICS))) is not None:
        found["currentMetrics"] = [_metric_to_v2(one, _STATUS) for one in metrics]
    if (conditions := _decoded_list(annotations.get(CONDITIONS))) is not None:
        found["conditions"] = conditions
    return found


def _status_to_v1(status: Mapping[str, Any], annotations: dict[str, str]) -> Object:
    apart = ("currentMetrics", "conditions")
    found = {name: value for name, value in status.items() if name not in apart}
    for name in ("currentReplicas", "desiredReplicas"):
        found.setdefault(name, 0)
    metrics = status.get("currentMetrics") or ()
    for metric in metrics:
        source = metric.get("resource") or {}
        percent = source.get("current", {}).get("averageUtilization")
        if metric.get("type") == "Resource" and source.get("name") == "cpu" and percent is not None:
            found[_CPU_NOW] = percent
    if metrics:
        annotations[CURRENT_METRICS] = _encoded([_metric_to_v1(one, _STATUS) for one in metrics])
    if conditions := status.get("conditions"):
        annotations[CONDITIONS] = _encoded([_ordered(one, _CONDITION) for one in conditions])
    return found


def _metric_to_v1(
    metric: Mapping[str, Any], tables: Mapping[str, Mapping[str, tuple[str, ...]]]
) -> Object:
    found: Object = {"type": metric.get("type", "")}
    for name, table in tables.items():
        if name not in metric:
            continue
        source: Object = {}
        for field, path in table.items():
            value: Any = metric[name]
            for step in path:
                value = (value or {}).get(step)
            if value is None and (name, field) in _ZEROS:
                value = "0"
            if field == "target":
                value = _ordered(value or {}, _REFERENCE)
            if value is not None:
                source[field] = value
        found[name] = source
    return found


def _ordered(found: Mapping[str, Any], names: tuple[str, ...]) -> Object:
    """Return the members in the order of Go's struct."""
    return {name: found[name] for name in names if name in found}


def _metric_to_v2(
    metric: Mapping[str, Any], tables: Mapping[str, Mapping[str, tuple[str, ...]]]
) -> Object:
    found: Object = {"type": metric.get("type", "")}
    for name, table in tables.items():
        given = metric.get(name)
        if not isinstance(given, dict):
            continue
        source: Object = {}
        for field, path in table.items():
            if (value := given.get(field)) is None:
                continue
            if len(path) == 1:
                source[path[0]] = value
            else:
                source.setdefault(path[0], {})[path[1]] = value
        if tables is _SPEC:
            _add_target_type(name, source)
        current = source.get("current", {})
        if "averageValue" in current and current.get("value") in ("0", 0):
            # v1 cannot leave the value out, so a zero beside an average is none.
            del current["value"]
        found[name] = source
    return found


def _add_target_type(name: str, source: Object) -> None:
    """Say what v1 leaves to be seen: what sort of number the target is."""
    target = source.setdefault("target", {})
    if name == "object":
        average = "averageValue" in target
        # v1 cannot leave the value out, so a zero beside an average is none.
        if average and target.get("value") in ("0", 0):
            del target["value"]
        kind = "AverageValue" if average else "Value"
    elif name == "external":
        kind = "Value" if "value" in target else "AverageValue"
    else:
        kind = "Utilization" if "averageUtilization" in target else "AverageValue"
    source["target"] = {"type": kind, **target}


def _raised(rules: Mapping[str, Any] | None) -> Object | None:
    """Return scaling rules as Go's internal struct is written, every field in capitals."""
    if rules is None:
        return None
    found: Object = {name: rules.get(_lower(name)) for name in _RULE}
    if (policies := found["Policies"]) is not None:
        found["Policies"] = [{name: one.get(_lower(name)) for name in _POLICY} for one in policies]
    return found


def _lowered(value: Any) -> Any:
    if isinstance(value, dict):
        return {_lower(name): _lowered(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_lowered(one) for one in value]
    return value


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def _encoded(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _decoded(text: str | None) -> Any:
    """Return the value of an annotation; None for what is no JSON, as Kubernetes lets it pass."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None


def _decoded_list(text: str | None) -> list[Object] | None:
    found = _decoded(text)
    if isinstance(found, list) and all(isinstance(one, dict) for one in found):
        return found
    return None
