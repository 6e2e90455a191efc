"""Rules of probes and of the hooks of a container's life.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (validateProbe, validateHandler,
validateLifecycle).
"""

from collections.abc import Mapping
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

_SCHEMES = ("HTTP", "HTTPS")
_NUMBERS = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
)
_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")


def liveness(one: Mapping[str, Any], grace_seconds: int, path: str, faults: Faults) -> None:
    """Check probes and hooks, which not every sort of container may have."""
    if "lifecycle" in one:
        for name in ("postStart", "preStop"):
            if (handler := one["lifecycle"].get(name)) is not None:
                place = f"{path}.lifecycle.{name}"
                _handler(handler, _HOOK_HANDLERS, grace_seconds, place, faults)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if (probe := one.get(name)) is not None:
            _probe(probe, grace_seconds, f"{path}.{name}", faults)
            if name == "readinessProbe":
                _no_grace(probe, f"{path}.{name}", faults)
            elif (successes := probe.get("successThreshold")) != 1:
                place = f"{path}.{name}.successThreshold"
                faults.append(FieldError.invalid(place, successes, "must be 1"))


def _probe(probe: Mapping[str, Any], grace_seconds: int, path: str, faults: Faults) -> None:
    _handler(probe, _PROBE_HANDLERS, grace_seconds, path, faults)
    common.not_negative(probe, _NUMBERS, path, faults)
    own = probe.get("terminationGracePeriodSeconds")
    if own is not None and own <= 0:
        place = f"{path}.terminationGracePeriodSeconds"
        faults.append(FieldError.invalid(place, own, "must be greater than 0"))


def _no_grace(probe: Mapping[str, Any], path: str, faults: Faults) -> None:
    if (own := probe.get("terminationGracePeriodSeconds")) is not None:
        place = f"{path}.terminationGracePeriodSeconds"
        faults.append(FieldError.invalid(place, own, "must not be set for readinessProbes"))


def _handler(
    handler: Mapping[str, Any],
    known: tuple[str, ...],
    grace_seconds: int,
    path: str,
    faults: Faults,
) -> None:
    found = [name for name in known if name in handler]
    if not found:
        faults.append(FieldError.required(path, "must specify a handler type"))
        return
    action, place = handler[found[0]], f"{path}.{found[0]}"
    if found[0] == "exec":
        if not action.get("command"):
            faults.append(FieldError.required(f"{place}.command"))
    elif found[0] == "sleep":
        _sleep(action.get("seconds", 0), grace_seconds, place, faults)
    elif found[0] == "httpGet":
        _http_get(action, place, faults)
    else:
        common.port_or_name(action.get("port", 0), f"{place}.port", faults)
    for name in found[1:]:
        fault = "may not specify more than 1 handler type"
        faults.append(FieldError.forbidden(f"{path}.{name}", fault))


def _sleep(seconds: int, grace_seconds: int, path: str, faults: Faults) -> None:
    if not 0 <= seconds <= grace_seconds:
        fault = (
            f"must be non-negative and less than terminationGracePeriodSeconds ({grace_seconds})"
        )
        faults.append(FieldError.invalid(path, seconds, fault))


def _http_get(action: Mapping[str, Any], path: str, faults: Faults) -> None:
    if not action.get("path"):
        faults.append(FieldError.required(f"{path}.path"))
    common.port_or_name(action.get("port", 0), f"{path}.port", faults)
    scheme = action.get("scheme", "")
    if scheme not in _SCHEMES:
        faults.append(FieldError.not_supported(f"{path}.scheme", scheme, _SCHEMES))
    for header in action.get("httpHeaders", ()):
        common.named(header.get("name", ""), f"{path}.httpHeaders", faults, names.header_name)
