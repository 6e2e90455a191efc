"""Whether an object has the shape of its kind: unknown fields, wrong types, absent defaults.

Built-in kinds are decoded by Go into structs, which is where Kubernetes' behaviour comes from: a
null is an absent field, an unknown field is dropped (and told, or refused, as `fieldValidation`
says), a wrong type is a 400. Custom resources are held against their structural schema instead.

On the ring: [HTTP > **server** > storage].
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from arubeki.api import defaults, facts, structure
from arubeki.api.fields import FieldError
from arubeki.api.schema import Schema
from arubeki.server import failures
from arubeki.server.decoding import ONCE, Repeated
from arubeki.server.resources import Resource
from arubeki.server.wire import encode_json

_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def conform(
    resource: Resource,
    obj: dict[str, Any],
    validation: str,
    warnings: list[str],
    repeated: Repeated = ONCE,
) -> None:
    """Bring an object, in place, into its kind's shape: typed, pruned, defaulted.

    `validation` is Ignore, Warn or Strict. Raises: Undecodable.
    """
    if resource.custom is None:
        strict = _merged(repeated, _built_in(resource, obj))
    else:
        strict = [*repeated.told, *_custom(resource, obj)]
    if strict and validation == "Strict":
        raise cannot_handle(resource, f"strict decoding error: {repeated.head}{', '.join(strict)}")
    if strict and validation != "Ignore":
        warnings += strict
    if resource.custom is None:
        defaults.apply_defaults(resource.gvk, obj)


def add_empty_status(resource: Resource, obj: dict[str, Any]) -> None:
    """Give a new built-in object, in place, the status that Go's structs always have.

    Clients read `status` of what they have just created: `{}`, a Service's `{"loadBalancer": {}}`.
    """
    if resource.custom is not None or resource.schema is None or not resource.has_status:
        return
    shape = resource.schema.properties["status"]
    if shape.presence == "always" and "status" not in obj:
        obj["status"] = {}
        structure.prune(obj["status"], shape)


def cannot_handle(resource: Resource, why: str) -> failures.Undecodable:
    """Return the error for a body that is no object of the kind."""
    return failures.cannot_handle(resource.kind, resource.version, resource.kind, why)


def _merged(repeated: Repeated, unknown: Sequence[str]) -> list[str]:
    """Return what is said of a built-in object's fields, in the order of the fields.

    A field that nobody knows is not told to be there twice as well.
    """
    if not repeated.told and (repeated.places is not None or len(unknown) < 2):
        return list(unknown)
    places = repeated.places
    if places is None:
        return [*repeated.told, *sorted(unknown, key=_steps)]
    known = [one for one in repeated.told if one.replace("duplicate", "unknown", 1) not in unknown]
    return sorted([*known, *unknown], key=lambda one: places.get(one.partition('"')[2][:-1], -1))


def _steps(told: str) -> list[tuple[str, int]]:
    """Return the path that something is said of as what sorts a parent's members by name."""
    path = told.partition('"')[2][:-1].replace("[", ".[")
    return [
        ("", int(one[1:-1])) if one[:1] == "[" and one[1:-1].isdigit() else (one, 0)
        for one in path.split(".")
    ]


def drop_nulls(value: Any) -> None:
    """Remove, in place, members that are null: to Go's decoder they are absent."""
    if isinstance(value, dict):
        gone = [name for name, one in value.items() if one is None]
        for name in gone:
            del value[name]
        for one in value.values():
            if isinstance(one, dict | list):
                drop_nulls(one)
    elif isinstance(value, list):
        for one in value:
            if isinstance(one, dict | list):
                drop_nulls(one)


def _built_in(resource: Resource, obj: dict[str, Any]) -> list[str]:
    schema = resource.schema
    if b"null" in encode_json(obj):
        # To look for the word in the text costs a tenth of the walk that it nearly always spares.
        # In managedFields, which may be most of an object, are none.
        managed = obj["metadata"].pop("managedFields", None)
        drop_nulls(obj)
        if managed is not None:
            obj["metadata"]["managedFields"] = managed
    if schema is None:
        return []
    wrong = structure.types(obj, schema, resource.kind)
    if wrong:
        raise cannot_handle(resource, wrong)
    return [f'unknown field "{path}"' for path in structure.prune(obj, schema)]


def _custom(resource: Resource, obj: dict[str, Any]) -> list[str]:
    metadata = obj["metadata"]
    shape = facts.definition(_OBJECT_META)
    drop_nulls(metadata)
    wrong = structure.types({"metadata": metadata}, _with_metadata(), resource.kind)
    if wrong:
        raise cannot_handle(resource, wrong)
    unknown = [f"metadata.{path}" for path in structure.prune(metadata, shape)]
    schema = resource.schema
    if schema is not None:
        unknown += structure.prune(obj, schema)
        structure.default(obj, schema)
    return [f'unknown field "{path}"' for path in unknown]


@cache
def _with_metadata() -> Schema:
    metadata = facts.definition(_OBJECT_META)
    return Schema("object", properties={"metadata": metadata}, preserve_unknown=True)


def schema_faults(resource: Resource, obj: dict[str, Any]) -> list[FieldError]:
    """Return what a custom resource's schema finds wrong with an object."""
    if resource.custom is None or resource.schema is None:
        return []
    return structure.check(obj, resource.schema)
