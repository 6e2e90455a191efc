"""What the server serves: one `Resource` per resource and version, and the `Registry` of them all.

A resource is data: its names, its verbs, where its objects lie in the storage, which of its fields
select. Built-in ones come from facts and a small table (`arubeki.server.builtin`); a
CustomResourceDefinition adds and removes resources while the server runs
(`arubeki.server.custom`). Discovery, OpenAPI and tables read the same registry, and keep what they
made of it until `Registry.changes` moves.

On the ring: [HTTP > **server** > storage].
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from arubeki.api.objects import GVK
from arubeki.api.schema import Schema
from arubeki.server.meta import Projection, Selectable, projection_of

ALL_VERBS = (
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
)  # fmt: skip
"""The verbs of an ordinary resource, in discovery's order."""


@dataclass(frozen=True, slots=True)
class Subresource:
    """A path below an object. `gvk` is the kind of its bodies: `Scale` for `deployments/scale`."""

    name: str
    gvk: GVK
    verbs: tuple[str, ...] = ("get", "patch", "update")


class Converter(Protocol):
    """How a version's objects become the stored version's, and back. Arguments may be changed."""

    def to_storage(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Return the object as it is stored."""

    def to_served(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Return a stored object as this version shows it."""

    def served_bytes(self, value: bytes) -> bytes:
        """Return a stored object's bytes as this version shows them."""


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where a custom resource keeps what its `scale` shows: `.spec.replicas` and so on."""

    replicas: str
    status_replicas: str
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Custom:
    """What only a custom resource's version has.

    `definition` is the CustomResourceDefinition's name, `schema` its OpenAPI v3 source for this
    version (None: anything goes), `columns` its additionalPrinterColumns.
    """

    definition: str
    schema: Mapping[str, Any] | None = None
    columns: Sequence[Mapping[str, Any]] = ()
    scale: ScalePaths | None = None
    preserve_unknown: bool = False
    deprecated: bool = False
    deprecation_warning: str = ""
    terminating: bool = False


@dataclass(slots=True, eq=False, kw_only=True)
class Resource:
    """One resource in one version, built in or custom. Never changed after it is registered."""

    gvk: GVK
    plural: str
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: Mapping[str, Subresource] = field(default_factory=dict)
    not_served: frozenset[str] = frozenset()
    """What Kubernetes has below its objects and this server does not, yet."""
    prefix: str = ""
    """Storage keys begin so; ends in `/`. "" for a resource that is not stored (`bindings`)."""
    selectable: Mapping[str, Selectable] = field(default_factory=dict)
    """Field labels of field selectors; metadata.name and metadata.namespace go without saying."""
    converter: Converter | None = None
    """None when objects are served as they are stored."""
    custom: Custom | None = None
    deprecation: str = ""
    """What whoever uses it is warned of."""
    shape: Schema | None = None
    """A custom resource's; built-in kinds find theirs when it is first asked for."""
    shared_projection: Projection | None = None
    """Of versions that share their stored objects: what reads the fields of them all."""
    projection: Projection = field(init=False)
    """Reads labels and selectable fields out of stored objects."""

    def __post_init__(self) -> None:
        self.singular = self.singular or self.gvk.kind.lower()
        self.list_kind = self.list_kind or f"{self.gvk.kind}List"
        self.projection = self.shared_projection or projection_of(self.selectable)

    @property
    def group(self) -> str:
        """The API group; "" for core."""
        return self.gvk.group

    @property
    def version(self) -> str:
        """The version within the group."""
        return self.gvk.version

    @property
    def kind(self) -> str:
        """The kind of its objects."""
        return self.gvk.kind

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return self.gvk.api_version

    @property
    def qualified(self) -> str:
        """`deployments.apps`, or `pods` for the core group: how messages name a resource."""
        return f"{self.plural}.{self.gvk.group}" if self.gvk.group else self.plural

    @property
    def has_status(self) -> bool:
        """Whether status is written apart from the rest."""
        return "status" in self.subresources

    @property
    def schema(self) -> Schema | None:
        """The shape of its objects; None when anything goes."""
        if self.shape is None and self.custom is None:
            from arubeki.api import facts

            self.shape = facts.schema_of(self.gvk)
        return self.shape

    def key(self, namespace: str, name: str) -> str:
        """Return the storage key of an object."""
        return f"{self.prefix}{namespace}/{name}" if self.namespaced else self.prefix + name

    def key_prefix(self, namespace: str) -> str:
        """Return what the keys of a namespace's objects (of all, for "") begin with."""
        return f"{self.prefix}{namespace}/" if self.namespaced and namespace else self.prefix


class Registry:
    """All served resources. `changes` counts registrations, so that caches know their age."""

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self.changes = 0
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_gvk: dict[GVK, Resource] = {}
        for resource in resources:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        """Serve a resource from now on, in place of what had its path."""
        path = (resource.group, resource.version, resource.plural)
        known = self._by_path.get(path)
        if known is not None:
            self._by_gvk.pop(known.gvk, None)
        self._by_path[path] = resource
        self._by_gvk[resource.gvk] = resource
        self.changes += 1

    def remove(self, resource: Resource) -> None:
        """Serve a resource no more."""
        path = (resource.group, resource.version, resource.plural)
        if self._by_path.get(path) is resource:
            del self._by_path[path]
            self._by_gvk.pop(resource.gvk, None)
            self.changes += 1

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """Return the resource at a path."""
        return self._by_path.get((group, version, plural))

    def kind(self, gvk: GVK) -> Resource | None:
        """Return the resource of a kind."""
        return self._by_gvk.get(gvk)

    def all(self) -> list[Resource]:
        """Return every resource and version, in the order of registration."""
        return list(self._by_path.values())

    def groups(self) -> dict[str, list[str]]:
        """Return the groups with their versions, the preferred one first; core ("") included."""
        found: dict[str, list[str]] = {}
        for resource in self._by_path.values():
            versions = found.setdefault(resource.group, [])
            if resource.version not in versions:
                versions.append(resource.version)
        for versions in found.values():
            versions.sort(key=version_rank)
        return found


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Return a key that sorts versions as Kubernetes prefers them: v2, v1, v2beta1, v1alpha1, foo.

    Source: apimachinery pkg/version/helpers.go CompareKubeAwareVersionStrings.
    """
    rest = version[1:] if version.startswith("v") else ""
    for stage, word in ((1, "beta"), (2, "alpha"), (0, "")):
        major, found, minor = rest.partition(word) if word else (rest, "", "0")
        if (found or not word) and _is_number(major) and _is_number(minor):
            return (stage, -int(major), -int(minor), "")
    return (3, 0, 0, version)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
