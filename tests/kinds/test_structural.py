import enum
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
import pytest

from arubeki.errors import ConfigError
from arubeki.kinds import apiextensions_v1 as apiextensions
from arubeki.kinds import core_v1 as core
from arubeki.kinds.marks import Conditions, field
from arubeki.kinds.model import UNSET, Model, UnsetType, required
from arubeki.kinds.structural import schema_of

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Item(Model):
    """One item.

    It has a key.
    """

    key: str
    weight: int = 5


class Keyless(Model):
    key: str | None = None


class Looped(Model):
    inner: "Looped | None" = None


class Generically(Model, Generic[T]):
    value: T


STRING = {"type": "string"}
INTEGER = {"type": "integer"}
ANYTHING = {"x-kubernetes-preserve-unknown-fields": True}
ITEM = {
    "type": "object",
    "description": "One item.\n\nIt has a key.",
    "properties": {"key": STRING, "weight": {"type": "integer", "default": 5}},
    "required": ["key"],
}


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (str, STRING),
        (int, INTEGER),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (bytes, {"type": "string", "format": "byte"}),
        (Any, ANYTHING),
        (str | None, {"type": "string", "nullable": True}),
        (str | UnsetType, STRING),
        (str | None | UnsetType, {"type": "string", "nullable": True}),
        (int | str, {"x-kubernetes-int-or-string": True}),
        (int | str | UnsetType, {"x-kubernetes-int-or-string": True}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal[1, 2], {"type": "integer", "enum": [1, 2]}),
        (Literal["a", None], {"type": "string", "nullable": True, "enum": ["a", None]}),
        (Literal["a"] | None, {"type": "string", "nullable": True, "enum": ["a", None]}),
        (Colour, {"type": "string", "enum": ["red", "blue"]}),
        (Level, {"type": "integer", "enum": [1, 2]}),
        (tuple[str, ...], {"type": "array", "items": STRING}),
        (list[int], {"type": "array", "items": INTEGER}),
        (Sequence[int], {"type": "array", "items": INTEGER}),
        (frozenset[str], {"type": "array", "items": STRING, "x-kubernetes-list-type": "set"}),
        (Mapping[str, int], {"type": "object", "additionalProperties": INTEGER}),
        (dict[str, tuple[int, ...]],
         {"type": "object", "additionalProperties": {"type": "array", "items": INTEGER}}),
        (dict, {"type": "object", **ANYTHING}),
        (Mapping[str, Any], {"type": "object", **ANYTHING}),
        (Item, ITEM),
        (tuple[Item, ...], {"type": "array", "items": ITEM}),
        (Item | None, {**ITEM, "nullable": True}),
        (core.Pod, {"type": "object", "x-kubernetes-embedded-resource": True, **ANYTHING}),
        (Annotated[str | None, field(max_length=3)],
         {"type": "string", "maxLength": 3, "nullable": True}),
        (Annotated[str, field(max_length=3)] | None,
         {"type": "string", "maxLength": 3, "nullable": True}),
        (Annotated[int, msgspec.Meta(gt=0, le=5)],
         {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "maximum": 5}),
        (tuple[Annotated[str, field(pattern="^a")], ...],
         {"type": "array", "items": {"type": "string", "pattern": "^a"}}),
    ],
    ids=str,
)  # fmt: skip
def test_a_type_has_its_schema(hint: Any, expected: Mapping[str, Any]) -> None:
    assert schema_of(hint, "spec") == expected


@pytest.mark.parametrize(
    ("hint", "mark", "expected"),
    [
        (int, field(format="int32", minimum=1, maximum=5, exclusive_maximum=True, multiple_of=2),
         {"type": "integer", "format": "int32", "minimum": 1, "maximum": 5,
          "exclusiveMaximum": True, "multipleOf": 2}),
        (int, field(minimum=0), {"type": "integer", "minimum": 0}),
        (str, field(doc="A name.", min_length=1, max_length=3, pattern="^a$"),
         {"type": "string", "description": "A name.", "minLength": 1, "maxLength": 3,
          "pattern": "^a$"}),
        (str, field(enum=("a", "b")), {"type": "string", "enum": ["a", "b"]}),
        (tuple[str, ...], field(min_items=1, max_items=2, list_type="set"),
         {"type": "array", "items": STRING, "minItems": 1, "maxItems": 2,
          "x-kubernetes-list-type": "set"}),
        (tuple[Item, ...], field(list_type="map", list_keys=["key"]),
         {"type": "array", "items": ITEM, "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["key"]}),
        (Mapping[str, str], field(min_properties=1, max_properties=9, map_type="atomic"),
         {"type": "object", "additionalProperties": STRING, "minProperties": 1,
          "maxProperties": 9, "x-kubernetes-map-type": "atomic"}),
        (str, field(immutable=True, rules=["self != ''", {"rule": "true", "message": "m"}]),
         {"type": "string", "x-kubernetes-validations": [
             {"rule": "self != ''"},
             {"rule": "true", "message": "m"},
             {"rule": "self == oldSelf", "message": "field is immutable"}]}),
        (Item, field(doc="Mine.", preserve_unknown=True),
         {**ITEM, "description": "Mine.", **ANYTHING}),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_type_cannot_say_is_said_beside_it(hint: Any, mark: Any, expected: Any) -> None:
    assert schema_of(Annotated[hint, mark], "spec") == expected


def test_conditions_are_a_map_by_type_and_as_strict_as_kubernetes() -> None:
    schema = schema_of(Conditions, "status.conditions")
    assert schema["x-kubernetes-list-type"] == "map"
    assert schema["x-kubernetes-list-map-keys"] == ["type"]
    assert schema["items"]["required"] == [
        "lastTransitionTime", "message", "reason", "status", "type",
    ]  # fmt: skip
    assert schema["items"]["properties"]["status"]["enum"] == ["True", "False", "Unknown"]


def test_defaults_are_told_where_they_say_something() -> None:
    class Defaults(Model):
        count: int = 0
        paused: bool = False
        name: str = ""
        title: Annotated[str, field(min_length=1)] = ""
        colour: Colour = Colour.RED
        hosts: tuple[str, ...] = ("a",)
        nothing: tuple[str, ...] = ()
        files: Mapping[str, str] = {}
        item: Item = Item(key="k")
        part: Keyless = Keyless()
        maybe: str | None = None
        unset: str | UnsetType = UNSET
        made: list[int] = msgspec.field(default_factory=lambda: [1])

    schema = schema_of(Defaults, "spec")
    defaults = {
        name: node["default"] for name, node in schema["properties"].items() if "default" in node
    }
    assert defaults == {
        "count": 0, "paused": False, "name": "", "colour": "red", "hosts": ["a"],
        "item": {"key": "k"}, "part": {}, "made": [1],
    }  # fmt: skip
    assert "required" not in schema


def test_required_is_what_has_no_default() -> None:
    class Mixed(Model):
        given: str
        nullable: str | None
        zero: int = required(0)
        empty: Annotated[Mapping[str, str], field(min_properties=1)] = {}
        renamed: str = msgspec.field(name="re-named")

    assert schema_of(Mixed, "spec")["required"] == ["given", "nullable", "re-named", "zero"]


def test_a_generic_part_is_filled_in() -> None:
    assert schema_of(Generically[int], "spec")["properties"] == {"value": INTEGER}


def test_a_generated_part_can_be_a_field() -> None:
    schema = schema_of(core.ResourceRequirements, "spec.resources")
    assert schema["properties"]["limits"] == {"type": "object", "additionalProperties": STRING}
    assert schema_of(core.PodTemplateSpec, "spec.template")["properties"]["spec"]["required"] == [
        "containers"
    ]


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        (int | float, r"spec: a schema has one type, not int \| float"),
        (Item | str, "spec: a schema has one type"),
        (tuple[int, str], "spec: .* say tuple"),
        (tuple, "spec: tuple has no schema"),
        (Mapping[int, str], "spec: the keys of .* must be str"),
        (object.__class__, "spec: type has no schema"),
        (complex, "spec: complex has no schema"),
        (Literal["a", 1], "spec: the values of .* must be of one plain type"),
        (Looped, r"spec\.inner: Looped holds itself"),
        (apiextensions.JSONSchemaProps, "JSONSchemaProps"),
        (T, "spec: the type variable T has no schema"),
        (dict[str, tuple[complex, ...]], r"spec\[\*\]\[\*\]: complex has no schema"),
        (Annotated[str, field(list_type="set")], "spec: list_type is for type array"),
        (Annotated[str, field(map_type="atomic")], "spec: map_type is for type object"),
        (Annotated[tuple[Item, ...], field(list_type="map")], "go together"),
        (Annotated[tuple[Item, ...], field(list_keys=["key"])], "go together"),
        (Annotated[tuple[Item, ...], field(list_type="map", list_keys=["x"])], "list key 'x'"),
        (Annotated[tuple[Keyless, ...], field(list_type="map", list_keys=["key"])], "required"),
    ],
    ids=str,
)
def test_what_a_schema_cannot_say_is_refused_by_name(hint: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        schema_of(hint, "spec")
