"""What Kubernetes' published packages say about its built-in kinds, as schemas.

The JSON files beside this module are written by tools/generate_facts.py and hold facts only. A
definition is a map from field name to a type and words, for example:

    "ports": "[]core.v1.ServicePort list=map keys=port,protocol merge=port strategy=merge"

Types are `string`, `bytes`, `time`, `int32`, `int64`, `double`, `bool`, `object`, the name of a
definition, `[]T` and `{}T` (a map with text keys); behind a type stands `!` where Go always writes
the field, `?` where it is written as it is, nothing where only a value other than zero is. Words: `list=`, `keys=`, `atomic` (a map that is
one value to server-side apply), `merge=` and `strategy=` (strategic merge), `required`,
`default=` (JSON), `go=` (the Go type where it does not follow) and `in=` (the Go struct whose
fields are inlined here). The field "" speaks of the
definition itself. Nodes are compiled when first asked for and shared, so that recursive
definitions end.

Pure: no clock. The one place of api/ that reads files: its own package data.
"""

import functools
import pkgutil
from typing import Any

import msgspec

from arubeki.api.objects import GVK
from arubeki.api.schema import Schema

_PREFIXES = (
    ("meta.", "io.k8s.apimachinery.pkg.apis.meta."),
    ("apiextensions.", "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions."),
    ("apiregistration.", "io.k8s.kube-aggregator.pkg.apis.apiregistration."),
    ("resource.Quantity", "io.k8s.apimachinery.pkg.api.resource.Quantity"),
    ("intstr.", "io.k8s.apimachinery.pkg.util.intstr."),
    ("version.", "io.k8s.apimachinery.pkg.version."),
    ("runtime.", "io.k8s.apimachinery.pkg.runtime."),
    ("", "io.k8s.api."),
)
# (type, format, Go type) of the words for scalars.
_SCALARS = {
    "string": ("string", "", "string"),
    "bytes": ("string", "byte", "[]uint8"),
    "time": ("string", "date-time", "v1.Time"),
    "int32": ("integer", "int32", "int32"),
    "int64": ("integer", "int64", "int64"),
    "double": ("number", "double", "float64"),
    "bool": ("boolean", "", "bool"),
}
# Definitions whose Go types read and write JSON by themselves.
_SPECIAL: dict[str, dict[str, Any]] = {
    "resource.Quantity": {"type": "string", "format": "quantity"},
    "intstr.IntOrString": {"int_or_string": True, "format": "int-or-string"},
    "meta.v1.Time": {"type": "string", "format": "date-time"},
    "meta.v1.MicroTime": {"type": "string", "format": "date-time"},
    "meta.v1.FieldsV1": {"type": "object", "preserve_unknown": True},
    "meta.v1.Patch": {"type": "object"},
    "runtime.RawExtension": {"type": "object", "preserve_unknown": True},
    "apiextensions.v1.JSON": {"preserve_unknown": True},
    "apiextensions.v1.JSONSchemaPropsOrArray": {"preserve_unknown": True},
    "apiextensions.v1.JSONSchemaPropsOrBool": {"preserve_unknown": True},
    "apiextensions.v1.JSONSchemaPropsOrStringArray": {"preserve_unknown": True},
}


def schema_of(gvk: GVK) -> Schema | None:
    """Return the schema of a built-in kind of a stable version, None for any other kind."""
    name = _kinds().get(f"{gvk.group}/{gvk.version}/{gvk.kind}")
    return None if name is None else _definition(name)


def definition(name: str) -> Schema:
    """Return a definition by its full name (`io.k8s.api.core.v1.PodSpec`). Raises: KeyError."""
    return _definition(short_name(name))


def definition_name(gvk: GVK) -> str | None:
    """Return the full name of a built-in kind's definition, None for any other kind."""
    name = _kinds().get(f"{gvk.group}/{gvk.version}/{gvk.kind}")
    return None if name is None else full_name(name)


def kinds() -> tuple[GVK, ...]:
    """Return every built-in kind of a stable version, lists and options included."""
    return tuple(GVK(*key.split("/")) for key in _kinds())


def enum_of(name: str) -> tuple[str, ...]:
    """Return the words of an enumerated Go type (`core.v1.PullPolicy`), sorted. Raises: KeyError."""
    return _enums()[name]


def messages() -> dict[str, tuple[str, ...]]:
    """Return the protobuf messages by cut name (`core.v1.Pod`); see `arubeki.api.protobuf`."""
    return _messages()


class SubresourceFact(msgspec.Struct, frozen=True):
    """A path below an object: the kind of its bodies (`Pod`, `autoscaling/v1/Scale`) and its verbs."""

    kind: str
    verbs: tuple[str, ...]


class ResourceFact(msgspec.Struct, frozen=True):
    """What discovery says of a resource; no verbs stand for all eight."""

    kind: str
    namespaced: bool = False
    verbs: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: dict[str, SubresourceFact] = {}


def resources() -> dict[str, ResourceFact]:
    """Return the resources of stable versions by `group/version/resource`, in discovery's order."""
    return msgspec.json.decode(_data("resources.json"), type=dict[str, ResourceFact])


def kinds_of(name: str) -> tuple[GVK, ...]:
    """Return the kinds that a definition is, by its full name; () for one that is only a part."""
    return _kinds_of().get(short_name(name), ())


def fields(name: str) -> dict[str, str]:
    """Return a definition's fields as the file has them, by its full name. Raises: KeyError."""
    return _schemas()[short_name(name)]


def openapi_words(name: str) -> dict[str, Any]:
    """Return what OpenAPI documents say of a definition beyond its schema, by its full name.

    By field: `atomic` for a list that is so in so many words, `granular` for such a map; under
    "" the definition's unions.
    """
    return _openapi().get(short_name(name), {})


def enum_at(name: str, go_type: str) -> tuple[str, ...]:
    """Return the words of a Go type (`v1.PullPolicy`) as a definition refers to it; () for none."""
    kind = go_type.replace("]", ".").rpartition(".")[2]
    for place in (short_name(name).rpartition(".")[0], "core.v1", "meta.v1"):
        if found := _enums().get(f"{place}.{kind}"):
            return found
    return ()


def sources() -> tuple[bytes, ...]:
    """Return the files that schemas are made of, for a hash of them."""
    return tuple(_data(f"{name}.json") for name in ("kinds", "schemas", "enums", "openapi"))


def internal_forms() -> dict[str, tuple[str, ...]]:
    """Return Kubernetes' unversioned structs by name (`core.PodSpec`); see `arubeki.api.internal`."""
    return _internal()


def full_name(name: str) -> str:
    """Return the full name of a definition's cut one: `core.v1.Pod`, `meta.v1.ObjectMeta`."""
    for cut, prefix in _PREFIXES:
        if name.startswith(cut):
            return prefix + name.removeprefix(cut)
    raise AssertionError("the last prefix fits every name")


def short_name(name: str) -> str:
    """Return the cut name of a definition's full one; a cut one is returned as it is."""
    for cut, prefix in _PREFIXES:
        if name.startswith(prefix):
            return cut + name.removeprefix(prefix)
    return name


@functools.cache
def _kinds() -> dict[str, str]:
    return msgspec.json.decode(_data("kinds.json"), type=dict[str, str])


@functools.cache
def _kinds_of() -> dict[str, tuple[GVK, ...]]:
    found: dict[str, tuple[GVK, ...]] = {}
    for key, name in _kinds().items():
        found[name] = (*found.get(name, ()), GVK(*key.split("/")))
    return found


@functools.cache
def _schemas() -> dict[str, dict[str, str]]:
    return msgspec.json.decode(_data("schemas.json"), type=dict[str, dict[str, str]])


@functools.cache
def _enums() -> dict[str, tuple[str, ...]]:
    return msgspec.json.decode(_data("enums.json"), type=dict[str, tuple[str, ...]])


@functools.cache
def _openapi() -> dict[str, dict[str, Any]]:
    return msgspec.json.decode(_data("openapi.json"), type=dict[str, dict[str, Any]])


@functools.cache
def _messages() -> dict[str, tuple[str, ...]]:
    return msgspec.json.decode(_data("protobuf.json"), type=dict[str, tuple[str, ...]])


@functools.cache
def _internal() -> dict[str, tuple[str, ...]]:
    return msgspec.json.decode(_data("internal.json"), type=dict[str, tuple[str, ...]])


def _data(name: str) -> bytes:
    data = pkgutil.get_data(__name__, name)
    if data is None:
        raise FileNotFoundError(f"arubeki is installed without api/facts/{name}")
    return data


@functools.cache
def _compiled() -> dict[str, Schema]:
    """Return the definitions compiled so far; they are facts, so there is one set of them."""
    return {}


def _definition(name: str) -> Schema:
    compiled = _compiled()
    found = compiled.get(name)
    if found is None:
        compiled[name] = found = _compile(name, compiled)
    return found


def _compile(name: str, compiled: dict[str, Schema]) -> Schema:
    fields = _schemas()[name]
    go_type = ".".join(name.split(".")[-2:])
    node = Schema(name=full_name(name), go_type=go_type)
    if special := _SPECIAL.get(name):
        for attribute, value in special.items():
            setattr(node, attribute, value)
        return node
    node.type = "object"
    node.required = tuple(key for key, text in fields.items() if " required" in text)
    if fields.get("") == "atomic":
        node.map_type = "atomic"
    # Known before its fields are: a definition may refer to itself.
    compiled[name] = node
    node.properties = {key: _field(text) for key, text in fields.items() if key}
    return node


def _field(text: str) -> Schema:
    written, *words = text.split(" ")
    presence = _PRESENCE.get(written[-1], "nonzero")
    node = _type(written.rstrip("?!"))
    words = [word for word in words if word != "required"]
    if node.name:
        if not words and presence == "":
            return node
        node = _copy(node)
    node.presence = presence
    for word in words:
        _SETTERS[word.partition("=")[0]](node, word.partition("=")[2])
    return node


def _type(written: str) -> Schema:
    if written.startswith("[]"):
        items = _type(written[2:])
        return Schema("array", items=items, go_type="[]" + items.go_type)
    if written.startswith("{}"):
        values = _type(written[2:])
        return Schema("object", additional=values, go_type="map[string]" + values.go_type)
    if scalar := _SCALARS.get(written):
        return Schema(scalar[0], format=scalar[1], go_type=scalar[2])
    return _definition(written)


def _copy(node: Schema) -> Schema:
    """Return a node that differs where a field says more than its type; what is below is shared."""
    copied = Schema()
    for attribute in Schema.__slots__:
        if attribute != "walks":
            setattr(copied, attribute, getattr(node, attribute))
    return copied


def _set_list_type(node: Schema, value: str) -> None:
    node.list_type = value


def _set_list_keys(node: Schema, value: str) -> None:
    node.list_keys = tuple(value.split(","))


def _set_atomic(node: Schema, _: str) -> None:
    node.map_type = "atomic"


def _set_merge_key(node: Schema, value: str) -> None:
    node.merge_key = value


def _set_merge_strategy(node: Schema, value: str) -> None:
    node.merge_strategy = tuple(value.split(","))


def _set_default(node: Schema, value: str) -> None:
    node.default = msgspec.json.decode(value)


def _set_go_type(node: Schema, value: str) -> None:
    node.go_type = value


def _set_inlined(node: Schema, value: str) -> None:
    node.inlined = value


_PRESENCE = {"?": "", "!": "always"}
_SETTERS = {
    "list": _set_list_type,
    "keys": _set_list_keys,
    "atomic": _set_atomic,
    "merge": _set_merge_key,
    "strategy": _set_merge_strategy,
    "default": _set_default,
    "go": _set_go_type,
    "in": _set_inlined,
}
