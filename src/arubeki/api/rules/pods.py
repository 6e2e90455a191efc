"""Rules of Pods and of the templates that make them; the parts are in `pod`.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go.
"""

from typing import Any

from arubeki.api.rules.common import Faults
from arubeki.api.rules.pod.change import pod_update
from arubeki.api.rules.pod.spec import pod, template, template_metadata, whole

__all__ = [
    "pod",
    "pod_template",
    "pod_update",
    "template",
    "template_metadata",
    "whole",
]


def pod_template(obj: dict[str, Any], faults: Faults) -> None:
    """Check a PodTemplate."""
    template(obj.get("template", {}), "template", faults)
