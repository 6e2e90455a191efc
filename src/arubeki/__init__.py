"""Kubernetes' programming model, in Python: write controllers, run them, check them.

The public face. Names are loaded when first used, so that importing the package costs next to
nothing; `__init__.pyi` tells editors and type checkers what they are. Typed resources are imported
from `arubeki.kinds.core_v1` and its siblings.
"""

from typing import Any

__version__ = "0.1.0"

# Public name -> the module that has it.
_HOMES = {
    "Again": "arubeki.runtime.results",
    "ApiError": "arubeki.errors",
    "App": "arubeki.runtime.app",
    "ArubekiError": "arubeki.errors",
    "CheckFailed": "arubeki.errors",
    "Client": "arubeki.client.client",
    "Cluster": "arubeki.cluster",
    "Conditions": "arubeki.kinds.crd",
    "ConfigError": "arubeki.errors",
    "Conflict": "arubeki.errors",
    "Context": "arubeki.runtime.context",
    "Dynamic": "arubeki.kinds.base",
    "LocalCluster": "arubeki.check.local",
    "Lookup": "arubeki.runtime.controller",
    "Manager": "arubeki.runtime.manager",
    "Model": "arubeki.kinds.base",
    "NotFound": "arubeki.errors",
    "Request": "arubeki.runtime.results",
    "Resource": "arubeki.kinds.base",
    "Terminal": "arubeki.errors",
    "TransportError": "arubeki.errors",
    "crd": "arubeki.kinds.crd",
    "field": "arubeki.kinds.crd",
    "manifest": "arubeki.kinds.crd",
}

__all__ = [
    "Again",
    "ApiError",
    "App",
    "ArubekiError",
    "CheckFailed",
    "Client",
    "Cluster",
    "Conditions",
    "ConfigError",
    "Conflict",
    "Context",
    "Dynamic",
    "LocalCluster",
    "Lookup",
    "Manager",
    "Model",
    "NotFound",
    "Request",
    "Resource",
    "Terminal",
    "TransportError",
    "crd",
    "field",
    "manifest",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
