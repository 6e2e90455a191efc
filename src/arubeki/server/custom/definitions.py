"""What a CustomResourceDefinition makes the server serve.

On the ring: [HTTP > **server** > storage].
Source: apiextensions-apiserver pkg/apiserver/customresource_handler.go.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from arubeki.api import structure
from arubeki.api.objects import GVK
from arubeki.api.schema import UNSET_DEFAULT, Schema, parse
from arubeki.server.meta import Projection, Selectable
from arubeki.server.resources import Converter, Custom, Resource, ScalePaths, Subresource
from arubeki.server.wire import decode, encode_json, with_api_version

Object = dict[str, Any]


class SameShape:
    """Conversion `None`: every version has the same fields, only apiVersion differs."""

    def __init__(self, stored: str, served: str) -> None:
        self._stored = stored
        self._served = served

    def to_storage(self, obj: Object) -> Object:
        """Return the object under the stored version."""
        return {**obj, "apiVersion": self._stored}

    def to_served(self, obj: Object) -> Object:
        """Return a stored object under this version."""
        return {**obj, "apiVersion": self._served}

    def served_bytes(self, value: bytes) -> bytes:
        """Return a stored object's bytes under this version."""
        if value.startswith(b'{"apiVersion":"%b"' % self._served.encode()):
            return value
        try:
            return with_api_version(value, self._stored, self._served)
        except ValueError:
            # Stored while another version was the stored one.
            end = value.index(b'"', len(b'{"apiVersion":"'))
            head = b'{"apiVersion":"%b' % self._served.encode()
            return head + value[end:]


class Defaulted:
    """Objects show the defaults of the stored version, also those that came into it after them.

    What is shown is stored with the next write. `inner` converts between versions, if there are two.
    """

    def __init__(self, shape: Schema, inner: Converter | None) -> None:
        self._shape = shape
        self._inner = inner

    def to_storage(self, obj: Object) -> Object:
        """Return the object as it is stored."""
        return obj if self._inner is None else self._inner.to_storage(obj)

    def to_served(self, obj: Object) -> Object:
        """Return a stored object with its defaults."""
        structure.default(obj, self._shape)
        return obj if self._inner is None else self._inner.to_served(obj)

    def served_bytes(self, value: bytes) -> bytes:
        """Return a stored object's bytes with its defaults."""
        return encode_json(self.to_served(decode(value)))


def resources_of(definition: Mapping[str, Any]) -> list[Resource]:
    """Return the served versions of a definition as resources; none until it is established."""
    if not is_established(definition):
        return []
    spec = definition["spec"]
    versions = spec["versions"]
    # Entries are shared by all versions, so what is projected of them must do for each.
    shared = Projection(
        {label: one for version in versions for label, one in _selectable(version).items()}
    )
    return [_resource(definition, version, shared) for version in versions if version.get("served")]


def is_established(definition: Mapping[str, Any]) -> bool:
    """Tell whether a definition's names were accepted, so that it is served."""
    return condition(definition, "Established") == "True"


def is_terminating(definition: Mapping[str, Any]) -> bool:
    """Tell whether a definition is being deleted."""
    return "deletionTimestamp" in definition["metadata"]


def condition(definition: Mapping[str, Any], kind: str) -> str:
    """Return the status of a definition's condition, "" without one."""
    for one in (definition.get("status") or {}).get("conditions") or ():
        if one.get("type") == kind:
            return str(one.get("status"))
    return ""


def stored_version(definition: Mapping[str, Any]) -> str:
    """Return the version in which objects are stored."""
    for version in definition["spec"]["versions"]:
        if version.get("storage"):
            return str(version["name"])
    return str(definition["spec"]["versions"][0]["name"])


def prefix_of(definition: Mapping[str, Any]) -> str:
    """Return what the storage keys of a definition's objects begin with."""
    spec = definition["spec"]
    return f"/registry/{spec['group']}/{spec['names']['plural']}/"


def _resource(
    definition: Mapping[str, Any], version: Mapping[str, Any], shared: Projection
) -> Resource:
    spec = definition["spec"]
    group, names = spec["group"], definition["status"].get("acceptedNames") or spec["names"]
    gvk = GVK(group, version["name"], names["kind"])
    source = (version.get("schema") or {}).get("openAPIV3Schema")
    below = version.get("subresources") or {}
    scale = below.get("scale")
    subresources = {}
    if "status" in below:
        subresources["status"] = Subresource("status", gvk)
    if scale is not None:
        subresources["scale"] = Subresource("scale", GVK("autoscaling", "v1", "Scale"))
    return Resource(
        gvk=gvk,
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        list_kind=names.get("listKind") or f"{names['kind']}List",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        namespaced=spec["scope"] == "Namespaced",
        subresources=subresources,
        prefix=prefix_of(definition),
        selectable=_selectable(version),
        converter=_converter(definition, gvk.api_version),
        shape=_shape(source),
        shared_projection=shared,
        custom=Custom(
            definition=definition["metadata"]["name"],
            schema=source,
            columns=tuple(version.get("additionalPrinterColumns") or ()),
            scale=_scale(scale),
            preserve_unknown=bool((source or {}).get("x-kubernetes-preserve-unknown-fields")),
            deprecated=bool(version.get("deprecated")),
            deprecation_warning=str(version.get("deprecationWarning") or ""),
            terminating=is_terminating(definition),
        ),
    )


def _converter(definition: Mapping[str, Any], served: str) -> Converter | None:
    """Return what is between the stored objects and those of a version, None for nothing."""
    spec = definition["spec"]
    version = stored_version(definition)
    stored = f"{spec['group']}/{version}"
    only = len(spec["versions"]) == 1 and served == stored
    inner = None if only else SameShape(stored, served)
    (source,) = [one.get("schema") or {} for one in spec["versions"] if one["name"] == version]
    shape = _shape(source.get("openAPIV3Schema"))
    return inner if shape is None or not _has_defaults(shape) else Defaulted(shape, inner)


def _has_defaults(node: Schema) -> bool:
    below = [*node.properties.values(), node.items, node.additional]
    return any(
        one.default is not UNSET_DEFAULT or _has_defaults(one)
        for one in below
        if isinstance(one, Schema)
    )


def _shape(source: Mapping[str, Any] | None) -> Schema | None:
    return parse(dict(source)) if source is not None else None


def _selectable(version: Mapping[str, Any]) -> dict[str, Selectable]:
    return {label: Selectable((label,)) for label in _selectable_paths(version)}


def _selectable_paths(version: Mapping[str, Any]) -> Iterator[str]:
    for one in version.get("selectableFields") or ():
        yield str(one["jsonPath"]).removeprefix(".")


def _scale(source: Mapping[str, Any] | None) -> ScalePaths | None:
    if source is None:
        return None
    return ScalePaths(
        replicas=source["specReplicasPath"],
        status_replicas=source["statusReplicasPath"],
        selector=source.get("labelSelectorPath") or "",
    )
