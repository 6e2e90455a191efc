"""What a HorizontalPodAutoscaler measures and aims at, in one cell: `cpu: 20%/80%, 3/10`.

On the ring: [storage > **server** > HTTP]. Source: kubernetes pkg/printers/internalversion/printers.go
formatHPAMetrics.
"""

from typing import Any

from arubeki.server.table.columns import Object, amount, dig

_LIMIT = 2
_UNKNOWN = "<unknown>"


def targets(obj: Object) -> str:
    """Return the metrics of an autoscaler (autoscaling/v2): at most two, and how many more."""
    specs = dig(obj, "spec", "metrics", default=[])
    statuses = dig(obj, "status", "currentMetrics", default=[])
    if not specs:
        return "<none>"
    shown = [
        _metric(one, statuses[index] if index < len(statuses) else {})
        for index, one in enumerate(specs)
    ]
    text = ", ".join(shown[:_LIMIT])
    return text if len(shown) <= _LIMIT else f"{text} + {len(shown) - _LIMIT} more..."


_SOURCES = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def _metric(spec: dict[str, Any], status: dict[str, Any]) -> str:
    kind = str(spec.get("type", ""))
    source = _SOURCES.get(kind)
    if source is None:
        return "<unknown type>"
    target = dig(spec, source, "target", default={})
    measured = dig(status, source)
    current = dig(measured, "current", default={})
    average = target.get("averageValue")
    if kind in ("External", "Object"):
        if average is None:
            now = _UNKNOWN if measured is None else amount(current.get("value"))
            return f"{now}/{amount(target.get('value'))}"
        return f"{_amount_or_unknown(current.get('averageValue'))}/{amount(average)} (avg)"
    now = _UNKNOWN if measured is None else amount(current.get("averageValue"))
    if kind == "Pods":
        return f"{now}/{amount(average)}"
    name = dig(spec, source, "name", default="")
    if average is not None:
        return f"{name}: {now}/{amount(average)}"
    wanted = target.get("averageUtilization")
    aim = "<auto>" if wanted is None else f"{wanted}%"
    used = current.get("averageUtilization")
    return f"{name}: {_UNKNOWN if used is None else f'{used}%'}/{aim}"


def _amount_or_unknown(found: Any) -> str:
    return _UNKNOWN if found is None else amount(found)
