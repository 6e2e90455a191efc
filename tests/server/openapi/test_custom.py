from typing import Any

import pytest

from tests.server.openapi.support import Described, custom

BOTH = [{"type": "integer"}, {"type": "string"}]


def told(schema: dict[str, Any] | None, key: str = "apis/example.com/v1", **version: Any) -> Any:
    """Return the definition of a custom kind in a document."""
    document = Described(*custom(schema, **version)).document(key)
    definitions = document["definitions"] if key == "v2" else document["components"]["schemas"]
    return definitions["com.example.v1.Thing"]


def field(node: dict[str, Any], key: str = "apis/example.com/v1") -> Any:
    """Return a field as a document tells it."""
    return told({"type": "object", "properties": {"f": node}}, key)["properties"]["f"]


def test_every_custom_kind_has_what_every_object_has() -> None:
    found = told({"type": "object", "properties": {"metadata": {"type": "object"}}})
    reference = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    assert found["properties"].keys() == {"apiVersion", "kind", "metadata"}
    assert found["properties"]["metadata"]["allOf"] == [
        {"$ref": f"#/components/schemas/{reference}"}
    ]
    gvk = {"group": "example.com", "version": "v1", "kind": "Thing"}
    assert found["x-kubernetes-group-version-kind"] == [gvk]


def test_keywords_are_kept_and_what_is_none_is_not() -> None:
    node = {"type": "string", "enum": ["a"], "minLength": 0, "pattern": "a", "default": "a"}
    assert field({**node, "description": "says so", "x-mine": 1, "$schema": "x"}) == {
        **node,
        "description": "says so",
    }


@pytest.mark.parametrize("word", ["nullable", "exclusiveMinimum", "uniqueItems"])
def test_a_flag_that_is_down_is_not_told(word: str) -> None:
    assert field({"type": "integer", word: False}) == {"type": "integer"}


def test_an_integer_or_string_says_so_in_words() -> None:
    mark = {"x-kubernetes-int-or-string": True}
    assert field(mark) == {**mark, "anyOf": BOTH}
    assert field({**mark, "anyOf": BOTH}) == {**mark, "anyOf": BOTH}
    assert field({**mark, "anyOf": [{"maxLength": 3}]}) == {
        **mark,
        "allOf": [{"anyOf": BOTH}],
        "anyOf": [{"maxLength": 3}],
    }
    told_already = {**mark, "allOf": [{"anyOf": BOTH}, {"maxLength": 3}]}
    assert field(told_already) == told_already
    assert field({**mark, "anyOf": BOTH}, "v2") == mark


def test_an_embedded_resource_has_what_every_object_has() -> None:
    mark = {"type": "object", "x-kubernetes-embedded-resource": True}
    found = field({**mark, "properties": {"spec": {"type": "object"}}})
    assert found["properties"].keys() == {"apiVersion", "kind", "metadata", "spec"}
    assert found["required"] == ["kind", "apiVersion"]
    free = {**mark, "x-kubernetes-preserve-unknown-fields": True}
    assert field(free, "v2").keys() == free.keys() - {"type"}


def test_version_2_has_no_junctors_no_defaults_and_no_null() -> None:
    node = {
        "type": "object",
        "required": ["a", "b"],
        "properties": {"a": {"type": "string", "nullable": True}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}],
        "not": {"required": ["c"]},
        "default": {"b": "x"},
    }
    assert field(node, "v2") == {
        "type": "object",
        "required": ["b"],
        "properties": {"a": {}, "b": {"type": "string"}},
    }


def test_version_2_leaves_a_free_form_node_open() -> None:
    # kubectl would refuse every field that is not among the properties.
    mark = {"x-kubernetes-preserve-unknown-fields": True}
    node = {"type": "object", **mark, "properties": {"a": {"type": "string"}}}
    assert field(node, "v2") == mark
    assert field(node)["properties"] == {"a": {"type": "string"}}


@pytest.mark.parametrize(
    "schema", [None, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}]
)
def test_version_2_tells_of_a_kind_that_is_free_form_as_an_object_alone(schema: Any) -> None:
    assert told(schema, "v2").keys() == {"type", "x-kubernetes-group-version-kind"}


def test_fields_that_select_are_told() -> None:
    found = told({"type": "object"}, selectableFields=[{"jsonPath": ".spec.color"}])
    assert found["x-kubernetes-selectable-fields"] == [{"fieldPath": "spec.color"}]


def test_kinds_of_one_version_are_told_together() -> None:
    schema = {"type": "object"}
    described = Described(*custom(schema), *custom(schema, kind="Other"))
    schemas = described.document("apis/example.com/v1")["components"]["schemas"]
    assert {"com.example.v1.Thing", "com.example.v1.Other", "com.example.v1.OtherList"} <= set(
        schemas
    )
