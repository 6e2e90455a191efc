"""What an object is: its kind, its name, its owners.

Objects are plain parsed JSON here (`dict`); the typed form lives in `arubeki.kinds`.

Pure: no I/O, no clock.
"""

from dataclasses import dataclass
from typing import NamedTuple


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
