"""The options of a request as its query: names as Kubernetes has them, nothing that was not said.

On the ring: [informer > **client** > transport > HTTP].
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

PATCH_TYPES: Mapping[str, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
"""Media types of patches by short name. Source: apimachinery pkg/types/patch.go."""


def query_text(**options: str | int | bool | None) -> str:
    """Return a query of the options that are said: no None, no "", no False."""
    said = [
        (name, "true" if value is True else str(value))
        for name, value in options.items()
        if value is not None and value != "" and value is not False
    ]
    return urlencode(said)


def selection(labels: str, fields: str) -> dict[str, str]:
    """Return the options that select objects."""
    return {"labelSelector": labels, "fieldSelector": fields}


def delete_options(
    *,
    uid: str = "",
    resource_version: str = "",
    grace_seconds: int | None = None,
    propagation: str = "",
    dry_run: bool = False,
) -> dict[str, Any]:
    """Return a `DeleteOptions`. Source: apimachinery pkg/apis/meta/v1/types.go."""
    options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
    if grace_seconds is not None:
        options["gracePeriodSeconds"] = grace_seconds
    preconditions = {"uid": uid, "resourceVersion": resource_version}
    said = {name: value for name, value in preconditions.items() if value}
    if said:
        options["preconditions"] = said
    if propagation:
        options["propagationPolicy"] = propagation
    if dry_run:
        options["dryRun"] = ["All"]
    return options
