"""The built-in kinds as OpenAPI v3 schemas, made from the facts one definition at a time.

The facts' own text is read, not the compiled schemas: a document names hundreds of definitions that
nobody has stored an object of, and once it is made none of them is needed again. What Kubernetes'
generator does with Go types is done here with the facts: a field that Go always writes has its zero
value as default, a reference with anything beside it is wrapped in `allOf`.

On the ring: [HTTP > **server**]. Source: kube-openapi pkg/generators/openapi.go,
pkg/builder3/util/util.go.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from arubeki.api import facts
from arubeki.api.objects import GVK
from arubeki.server.openapi import descriptions

Node = dict[str, Any]

REFERENCE = "#/components/schemas/"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_ANYWHERE = {f"{META}DeleteOptions", f"{META}WatchEvent"}
_SCALARS: Mapping[str, tuple[str, str]] = {
    "string": ("string", ""),
    "bytes": ("string", "byte"),
    "time": ("string", "date-time"),
    "int32": ("integer", "int32"),
    "int64": ("integer", "int64"),
    "double": ("number", "double"),
    "bool": ("boolean", ""),
    "object": ("object", ""),
}
_ZEROS: Mapping[str, Any] = {"string": "", "int32": 0, "int64": 0, "double": 0, "bool": False}
_JSON = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON"
# Definitions whose Go types say themselves how they look in JSON.
_SPECIAL: Mapping[str, Node] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {
        "oneOf": [{"type": "string"}, {"type": "number"}]
    },
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {
        "oneOf": [{"type": "integer"}, {"type": "string"}],
        "format": "int-or-string",
    },
    f"{META}Time": {"type": "string", "format": "date-time"},
    f"{META}MicroTime": {"type": "string", "format": "date-time"},
    _JSON: {},
    f"{_JSON}SchemaPropsOrArray": {},
    f"{_JSON}SchemaPropsOrBool": {},
    f"{_JSON}SchemaPropsOrStringArray": {},
}
_NO_DEFAULT = tuple(name for name, node in _SPECIAL.items() if "oneOf" in node)


def closure(roots: Iterable[str]) -> list[str]:
    """Return the full names of all that `roots` lead to, themselves included, sorted."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            if name not in _SPECIAL:
                waiting += _references(name)
    return sorted(found)


def schema(name: str, place: tuple[str, str] | None = None) -> Node:
    """Return a definition's schema by its full name.

    The kinds that every group has name those of `place` (group, version) and of core alone; of all
    groups without it. Raises: KeyError.
    """
    node: Node = {}
    if text := descriptions.of_definition(name):
        node["description"] = text
    if special := _SPECIAL.get(name):
        return node | special
    if name in _SPECIAL:
        return node
    fields, words = facts.fields(name), facts.openapi_words(name)
    node["type"] = "object"
    if required := [key for key, text in fields.items() if " required" in text]:
        node["required"] = required
    if properties := {
        key: _field(name, key, text, words.get(key, "")) for key, text in fields.items() if key
    }:
        node["properties"] = properties
    if gvks := _gvks(name, place):
        node["x-kubernetes-group-version-kind"] = gvks
    if fields.get("") == "atomic":
        node["x-kubernetes-map-type"] = "atomic"
    if unions := words.get(""):
        node["x-kubernetes-unions"] = unions
    return node


def gvk_node(gvk: GVK) -> dict[str, str]:
    """Return a kind as the extension x-kubernetes-group-version-kind has it."""
    return {"group": gvk.group, "kind": gvk.kind, "version": gvk.version}


def reference(name: str) -> Node:
    """Return a reference to a definition."""
    return {"$ref": REFERENCE + name}


def _references(name: str) -> Iterator[str]:
    for key, text in facts.fields(name).items():
        written = _core(text.partition(" ")[0])
        if key and "." in written:
            yield facts.full_name(written)


def _core(written: str) -> str:
    return written.rstrip("?!").replace("[]", "").replace("{}", "")


def _gvks(name: str, place: tuple[str, str] | None) -> list[dict[str, str]]:
    found = facts.kinds_of(name)
    if place is not None and name in _ANYWHERE:
        found = tuple(one for one in found if (one.group, one.version) in (place, ("", "v1")))
    return [gvk_node(one) for one in found]


def _field(name: str, key: str, text: str, word: str) -> Node:
    written, *words = text.split(" ")
    shape = written.rstrip("?!")
    said = dict(one.partition("=")[::2] for one in words)
    node = _shape(shape, facts.enum_at(name, said["go"]) if "go" in said else ())
    beside: Node = {}
    if text := descriptions.of_field(name, key):
        beside["description"] = text
    if "default" in said:
        beside["default"] = msgspec.json.decode(said["default"])
    elif written.endswith("!"):
        beside |= _zero(shape)
    if "list" in said or word == "atomic":
        beside["x-kubernetes-list-type"] = said.get("list", "atomic")
    if "keys" in said:
        beside["x-kubernetes-list-map-keys"] = said["keys"].split(",")
    if "atomic" in said or word == "granular":
        beside["x-kubernetes-map-type"] = word or "atomic"
    if "merge" in said:
        beside["x-kubernetes-patch-merge-key"] = said["merge"]
    if "strategy" in said:
        beside["x-kubernetes-patch-strategy"] = said["strategy"]
    # Kubernetes describes every field but most of one kind: no other reference stands alone.
    if "$ref" not in node or (name == f"{_JSON}SchemaProps" and key != "default"):
        return node | beside
    return {"allOf": [node], **beside}


def _zero(shape: str) -> Node:
    if "." in shape:
        return {} if facts.full_name(shape) in _NO_DEFAULT else {"default": {}}
    return {"default": _ZEROS[shape]} if shape in _ZEROS else {}


def _shape(written: str, enum: tuple[str, ...]) -> Node:
    if written.startswith("[]"):
        return {"type": "array", "items": _shape(written[2:], enum)}
    if written.startswith("{}"):
        return {"type": "object", "additionalProperties": _shape(written[2:], enum)}
    if "." in written:
        return reference(facts.full_name(written))
    kind, form = _SCALARS[written]
    node: Node = {"type": kind}
    if form:
        node["format"] = form
    if enum:
        node["enum"] = list(enum)
    return node
