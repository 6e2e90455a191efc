"""How a schema divides an object into fields that can be owned.

A map is granular (each entry can have its own owner) or atomic; a list is atomic, a set of scalars,
or a map list, whose items are known by the values of some of their fields. What a schema does not
describe is deduced: maps are granular, lists atomic.

Part of server-side apply; pure.
Source: structured-merge-diff typed/helpers.go; kube-openapi pkg/schemaconv.
"""

from functools import cache, lru_cache
from typing import Any

from arubeki.api.apply.fieldset import key_text, value_text
from arubeki.api.schema import UNSET_DEFAULT, Schema


def _deduced() -> Schema:
    schema = Schema(preserve_unknown=True)
    schema.additional = schema
    return schema


DEDUCED = _deduced()
"""The shape of what no schema describes."""


@cache
def object_meta() -> Schema:
    """Return the shape of `metadata`, which every kind has whether its schema says so or not.

    Source: apimachinery pkg/apis/meta/v1/types.go ObjectMeta.
    """
    text, number, flag = Schema("string"), Schema("integer"), Schema("boolean")
    texts = Schema("object", additional=text)
    reference = Schema(
        "object",
        properties={
            "apiVersion": text,
            "blockOwnerDeletion": flag,
            "controller": flag,
            "kind": text,
            "name": text,
            "uid": text,
        },
        map_type="atomic",
    )
    properties = {
        "annotations": texts,
        "creationTimestamp": text,
        "deletionGracePeriodSeconds": number,
        "deletionTimestamp": text,
        "finalizers": Schema("array", items=text, list_type="set"),
        "generateName": text,
        "generation": number,
        "labels": texts,
        "managedFields": Schema("array", items=Schema("object", preserve_unknown=True)),
        "name": text,
        "namespace": text,
        "ownerReferences": Schema("array", items=reference, list_type="map", list_keys=("uid",)),
        "resourceVersion": text,
        "selfLink": text,
        "uid": text,
    }
    return Schema("object", properties=properties)


def rooted(schema: Schema | None) -> Schema:
    """Return the shape of a whole object: the schema's, with what every object has."""
    if schema is None:
        return DEDUCED
    shape: Schema | None = schema.walks.get("rooted")
    if shape is None:
        shape = schema.walks["rooted"] = _rooted(schema)
    return shape


def _rooted(schema: Schema) -> Schema:
    known = schema.properties.get("metadata")
    if known is not None and known.properties:
        return schema
    text = Schema("string")
    properties = {"apiVersion": text, "kind": text, **schema.properties}
    properties["metadata"] = object_meta()
    return Schema(
        schema.type,
        properties=properties,
        additional=schema.additional,
        preserve_unknown=schema.preserve_unknown,
        raw=schema.raw,
        required=schema.required,
    )


class UntypedError(ValueError):
    """A value does not have the shape that its schema says; the text names the place."""


def entry_schema(schema: Schema) -> Schema:
    """Return the node of a map's entries that have no property of their own."""
    return schema.additional or DEDUCED


def is_atomic_map(schema: Schema) -> bool:
    """Whether a map of this node has one owner as a whole."""
    if schema.map_type == "atomic":
        return True
    if schema.type or schema.preserve_unknown:
        return False
    # No type and nothing known below: an arbitrary value, owned whole.
    return not schema.properties and schema.additional is None


def list_steps(items: list[Any], schema: Schema) -> list[str]:
    """Return the step of each item of a set or map list.

    Raises: UntypedError for an item that cannot be told from others.
    """
    if schema.list_type == "set":
        return [_set_step(item, index) for index, item in enumerate(items)]
    keys = schema.list_keys
    if len(keys) == 1:
        key = keys[0]
        steps = []
        for index, item in enumerate(items):
            value = item.get(key) if item.__class__ is dict else None
            if value.__class__ is str:
                steps.append(text_step(key, value))
            else:
                steps.append(_map_step(item, schema, index))
        return steps
    return [_map_step(item, schema, index) for index, item in enumerate(items)]


@lru_cache(maxsize=4096)
def text_step(key: str, value: str) -> str:
    """Return the step of an item with one key, which is nearly always a name seen before."""
    return key_text([(key, value)])


def _set_step(item: Any, index: int) -> str:
    if item is None:
        problem = "associative list without keys has an element that's an explicit null"
    elif isinstance(item, dict):
        problem = "associative list without keys has an element that's a map type"
    elif isinstance(item, list):
        problem = "not supported: associative list with lists as elements"
    else:
        return f"v:{value_text(item)}"
    raise UntypedError(f": element {index}: {problem}")


def _map_step(item: Any, schema: Schema, index: int) -> str:
    if item is None:
        problem = "associative list with keys may not have a null element"
        raise UntypedError(f": element {index}: {problem}")
    if not isinstance(item, dict):
        problem = "associative list with keys may not have non-map elements"
        raise UntypedError(f": element {index}: {problem}")
    pairs = []
    for key in sorted(schema.list_keys):
        if key in item:
            pairs.append((key, item[key]))
        elif (default := key_default(schema, key)) is not None:
            pairs.append((key, default))
    if not pairs:
        listed = " ".join(f'"{key}"' for key in schema.list_keys)
        problem = (
            f"associative list with keys has an element that omits all key fields [{listed}]"
            " (and doesn't have default values for any key fields)"
        )
        raise UntypedError(f": element {index}: {problem}")
    try:
        return _pairs_step(*[one for pair in pairs for one in pair])
    except TypeError:  # a value that is a map or a list
        return key_text(pairs)


@lru_cache(maxsize=4096, typed=True)
def _pairs_step(*flat: Any) -> str:
    """Return the step of an item with these keys and values, in turn: the same few ports, mostly."""
    return key_text(zip(flat[::2], flat[1::2], strict=True))


def key_default(schema: Schema, key: str) -> Any:
    """Return what a map list's key counts as in an item that does not have it, None for nothing."""
    node = schema.items.properties.get(key) if schema.items is not None else None
    if node is None or node.default is UNSET_DEFAULT:
        return None
    return node.default
