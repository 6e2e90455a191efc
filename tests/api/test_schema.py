import pytest

from arubeki.api import schema
from arubeki.api.schema import UNSET_DEFAULT


def test_an_openapi_schema_becomes_nodes_that_keep_their_source():
    source = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "replicas": {
                        "type": "integer",
                        "format": "int32",
                        "default": 1,
                        "minimum": 0,
                        "maximum": 9,
                    },
                    "mode": {"type": "string", "enum": ["a", "b"], "nullable": True},
                    "ports": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["port"],
                        "items": {"type": "object"},
                    },
                    "labels": {
                        "type": "object",
                        "additionalProperties": {"type": "string"},
                        "x-kubernetes-map-type": "atomic",
                    },
                    "size": {"x-kubernetes-int-or-string": True},
                    "free": {"x-kubernetes-preserve-unknown-fields": True},
                    "pod": {"type": "object", "x-kubernetes-embedded-resource": True},
                },
            }
        },
    }
    root = schema.parse(source)
    assert (root.type, root.required, root.raw) == ("object", ("spec",), source)
    fields = root.properties["spec"].properties
    replicas = fields["replicas"]
    assert (replicas.format, replicas.default) == ("int32", 1)
    assert (replicas.minimum, replicas.maximum) == (0, 9)
    assert (fields["mode"].enum, fields["mode"].nullable) == (("a", "b"), True)
    assert fields["mode"].default is UNSET_DEFAULT
    assert (fields["ports"].list_type, fields["ports"].list_keys) == ("map", ("port",))
    assert fields["ports"].items is not None
    assert fields["labels"].additional is not None
    assert (fields["labels"].additional.type, fields["labels"].map_type) == ("string", "atomic")
    assert fields["size"].int_or_string
    assert fields["free"].preserve_unknown
    assert fields["pod"].embedded


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ([], "must be an object"),
        ({"type": 1}, "type of the schema"),
        ({"properties": []}, "properties of the schema"),
        ({"properties": {"a": 1}}, "must be an object"),
        ({"properties": {"a": {"minimum": "x"}}}, r"minimum of properties\[a\]"),
        ({"required": [1]}, "no text"),
        ({"items": "x"}, "items must be an object"),
        ({"additionalProperties": "x"}, "additionalProperties"),
        ({"minimum": True}, "minimum"),
    ],
)
def test_a_schema_of_the_wrong_shape_is_refused_with_its_place(source, complaint):
    with pytest.raises(ValueError, match=complaint):
        schema.parse(source)


def test_a_schema_that_is_nested_too_deep_is_refused():
    source: dict = {}
    for _ in range(schema.DEPTH_LIMIT + 1):
        source = {"items": source}
    with pytest.raises(ValueError, match="nested more than"):
        schema.parse(source)
