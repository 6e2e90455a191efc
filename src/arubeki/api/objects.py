"""What an object is: its kind, its name, its owners.

Objects are plain parsed JSON here (`dict`); the typed form lives in `arubeki.kinds`.

Pure: no I/O, no clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec


class GVK(NamedTuple):
    """A kind in a version of a group; the core group is ""."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version


class GVR(NamedTuple):
    """A resource (lower-case plural) in a version of a group."""

    group: str
    version: str
    resource: str


@dataclass(frozen=True, slots=True)
class Kind:
    """All that a client needs to build an object's URL: `/apis/{group}/{version}/.../{plural}`."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def gvk(self) -> GVK:
        """Group, version and kind."""
        return GVK(self.group, self.version, self.kind)

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the URL path of the collection, an object or its subresource.

        A namespaced kind without a `namespace` gives the path across all namespaces.
        """
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if self.namespaced and namespace:
            base += f"/namespaces/{namespace}"
        base += f"/{self.plural}"
        if name:
            base += f"/{name}"
        return f"{base}/{subresource}" if subresource else base


def gvk_of(obj: Mapping[str, Any]) -> GVK:
    """Return an object's group, version and kind, each "" where the object does not say."""
    group, _, version = str(obj.get("apiVersion") or "").rpartition("/")
    return GVK(group, version, str(obj.get("kind") or ""))


def identical(left: Any, right: Any) -> bool:
    """Whether two parsed JSON values are the same; unlike `==`, true is not 1."""
    if left is right:
        return True
    if left != right:
        return False
    if msgspec.json.encode(left) == msgspec.json.encode(right):
        return True
    sort = msgspec.json.Encoder(order="sorted").encode
    return sort(left) == sort(right)


DEPTH_LIMIT = 500
"""The deepest nesting of an object that patches may make; bodies are bounded far below."""


def is_too_deep(value: Any, limit: int = DEPTH_LIMIT) -> bool:
    """Whether a value is nested deeper than `limit`. Walks level by level, so that it cannot fail."""
    level = [value]
    for _ in range(limit):
        level = [
            child
            for one in level
            if isinstance(one, dict | list)
            for child in (one.values() if isinstance(one, dict) else one)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def controller_of(obj: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the owner reference whose `controller` is true, None when nothing controls `obj`.

    Source: apimachinery pkg/apis/meta/v1/controller_ref.go GetControllerOf.
    """
    metadata = obj.get("metadata") or {}
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            found: dict[str, Any] = reference
            return found
    return None


def owner_reference(
    owner: Mapping[str, Any], *, controller: bool = True, block: bool = True
) -> dict[str, Any]:
    """Return a reference to `owner`, for its dependents' `metadata.ownerReferences`.

    `controller` says that the owner manages the dependent (one may); `block` that the owner's
    foreground deletion waits for it.
    Source: apimachinery pkg/apis/meta/v1/controller_ref.go NewControllerRef.
    """
    metadata = owner["metadata"]
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }
    if controller:
        reference["controller"] = True
    if block:
        reference["blockOwnerDeletion"] = True
    return reference


def set_condition(
    conditions: Sequence[dict[str, Any]], new: Mapping[str, Any], now: str
) -> list[dict[str, Any]]:
    """Return `conditions` with `new` in the place of the condition of its type, or at the end.

    `lastTransitionTime` becomes the one `new` brings, else `now`, when the status flips, and stays
    otherwise. Members that `new` does not name keep their values.
    Source: apimachinery pkg/api/meta/conditions.go SetStatusCondition.
    """
    result = []
    found = False
    for old in conditions:
        if found or old.get("type") != new["type"]:
            result.append(old)
            continue
        found = True
        merged = {**old, **new}
        if old.get("status") != new["status"]:
            merged["lastTransitionTime"] = new.get("lastTransitionTime") or now
        elif "lastTransitionTime" in old:
            merged["lastTransitionTime"] = old["lastTransitionTime"]
        result.append(merged)
    if not found:
        result.append({"lastTransitionTime": now, **new})
    return result
