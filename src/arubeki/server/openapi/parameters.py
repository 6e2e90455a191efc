"""The query parameters of every operation.

On the ring: [HTTP > **server**].
Source: apimachinery pkg/apis/meta/v1/types.go (ListOptions and the other options),
api core/v1/types.go (PodLogOptions, PodExecOptions, ...).
"""

from collections.abc import Mapping, Sequence
from typing import Any

_SELECTING = (
    "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
    "resourceVersionMatch", "sendInitialEvents", "shardSelector", "timeoutSeconds",
)  # fmt: skip
_DELETING = (
    "dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents", "propagationPolicy",
)  # fmt: skip
_LISTING = (*_SELECTING, "allowWatchBookmarks", "watch")

OF_ACTION: Mapping[str, tuple[str, ...]] = {
    "get": ("pretty",),
    "list": ("pretty", *_LISTING),
    "post": ("dryRun", "fieldManager", "fieldValidation", "pretty"),
    "put": ("dryRun", "fieldManager", "fieldValidation", "pretty"),
    "patch": ("dryRun", "fieldManager", "fieldValidation", "force", "pretty"),
    "delete": ("pretty", *_DELETING),
    "deletecollection": ("pretty", *_DELETING, *_SELECTING),
}
"""The parameters of a built-in kind's operations, by x-kubernetes-action."""

OF_CUSTOM_ACTION: Mapping[str, tuple[str, ...]] = {
    **OF_ACTION,
    "get": ("pretty", "resourceVersion"),
    "deletecollection": ("pretty", *_LISTING),
}
"""The same of custom resources, as their own builder has them."""

OF_SUBRESOURCE: Mapping[str, tuple[str, ...]] = {
    "attach": ("container", "stderr", "stdin", "stdout", "tty"),
    "exec": ("command", "container", "stderr", "stdin", "stdout", "tty"),
    "log": (
        "container", "follow", "insecureSkipTLSVerifyBackend", "limitBytes", "pretty", "previous",
        "sinceSeconds", "stream", "tailLines", "timestamps",
    ),
    "portforward": ("ports",),
    "proxy": ("path",),
}  # fmt: skip
"""The parameters of subresources that are no objects."""


def type_of(name: str) -> str:
    """Return the type of a parameter's values."""
    if name in _BOOLEANS:
        return "boolean"
    return "integer" if name in _INTEGERS else "string"


def description_of(name: str) -> str:
    """Return what a parameter does, in a sentence."""
    return _DESCRIPTIONS[name]


def path_parameters(path: str) -> list[str]:
    """Return the names in braces of a path."""
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def common(queries: Sequence[Sequence[str]]) -> set[str]:
    """Return the query parameters that all operations of a path have."""
    return set.intersection(*map(set, queries))


def version3(name: str, place: str = "query") -> dict[str, Any]:
    """Return a parameter as OpenAPI v3 has it."""
    node: dict[str, Any] = {"name": name, "in": place, "description": description_of(name)}
    if place == "path":
        node["required"] = True
    node["schema"] = {"type": type_of(name), "uniqueItems": True}
    return node


def version2(name: str, place: str = "query") -> dict[str, Any]:
    """Return a parameter as OpenAPI v2 has it."""
    node = version3(name, place)
    node |= node.pop("schema")
    return node


_BOOLEANS = {
    "allowWatchBookmarks", "follow", "force", "ignoreStoreReadErrorWithClusterBreakingPotential",
    "insecureSkipTLSVerifyBackend", "orphanDependents", "previous", "sendInitialEvents", "stderr",
    "stdin", "stdout", "timestamps", "tty", "watch",
}  # fmt: skip
_INTEGERS = {
    "gracePeriodSeconds", "limit", "limitBytes", "ports", "sinceSeconds", "tailLines",
    "timeoutSeconds",
}  # fmt: skip

_DESCRIPTIONS: Mapping[str, str] = {
    "allowWatchBookmarks": "Whether the watch may send bookmarks.",
    "command": "The command to run, a parameter for each word.",
    "container": "The container; needed where there are several.",
    "continue": "Where to go on, as the page before said.",
    "dryRun": "`All` does everything but store the outcome.",
    "fieldManager": "Who is to own the fields that are set.",
    "fieldSelector": "Fields that objects must have, such as `metadata.name=a`.",
    "fieldValidation": "What becomes of unknown and doubled fields: `Ignore`, `Warn` or `Strict`.",
    "follow": "Whether to go on with what is written later.",
    "force": "Whether an apply takes over fields of others.",
    "gracePeriodSeconds": "How long the object may take to end; 0 deletes at once.",
    "ignoreStoreReadErrorWithClusterBreakingPotential": (
        "Whether to delete an object even if what is stored of it cannot be read."
    ),
    "insecureSkipTLSVerifyBackend": "Whether to trust the node whatever its certificate.",
    "labelSelector": "Labels that objects must have, such as `app=web,tier!=test`.",
    "limit": "How many objects a page has at most.",
    "limitBytes": "How many bytes to return at most.",
    "name": "The name of the object.",
    "namespace": "The namespace of the object.",
    "orphanDependents": "Whether dependents stay. Deprecated: see propagationPolicy.",
    "path": "The rest of the address to ask.",
    "ports": "The port to forward.",
    "pretty": "Whether the answer is indented for people.",
    "previous": "Whether to return the log of the container's last run.",
    "propagationPolicy": "What becomes of dependents: `Orphan`, `Background` or `Foreground`.",
    "resourceVersion": "Which revision to return, or to watch from.",
    "resourceVersionMatch": "How to read resourceVersion: `Exact` or `NotOlderThan`.",
    "sendInitialEvents": "Whether the watch begins with what there is.",
    "shardSelector": "Which part of the objects to return.",
    "sinceSeconds": "How far back the log goes.",
    "stderr": "Whether errors are returned.",
    "stdin": "Whether input is sent.",
    "stdout": "Whether output is returned.",
    "stream": "Which log to return: `All`, `Stdout` or `Stderr`.",
    "tailLines": "How many lines from the end to return.",
    "timeoutSeconds": "When a list or watch ends at the latest.",
    "timestamps": "Whether each line begins with its time.",
    "tty": "Whether there is a terminal.",
    "watch": "Whether to be told of changes instead of a list.",
}
