import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arubeki.api import facts, schema, structure
from arubeki.api.objects import GVK
from arubeki.errors import BadRequest

POD = facts.schema_of(GVK("", "v1", "Pod"))
DEPLOYMENT = facts.schema_of(GVK("apps", "v1", "Deployment"))


def types(kind, obj, group="", version="v1"):
    found = facts.schema_of(GVK(group, version, kind))
    assert found is not None
    return structure.types(obj, found, kind)


# Every expected text below was printed by sigs.k8s.io/json decoding the same body.
@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        ({"replicas": 3}, ""),
        (
            {"replicas": "3"},
            "json: cannot unmarshal string into Go struct field"
            " DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"replicas": 3.5},
            "json: cannot unmarshal number 3.5 into Go struct field"
            " DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"replicas": 3000000000},
            "json: cannot unmarshal number 3000000000 into Go struct field"
            " DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"template": {"spec": {"containers": {}}}},
            "json: cannot unmarshal object into Go struct field"
            " PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            {"template": {"spec": {"containers": ["x"]}}},
            "json: cannot unmarshal string into Go struct field"
            " PodSpec.spec.template.spec.containers of type v1.Container",
        ),
        (
            {"template": {"spec": {"containers": [{"imagePullPolicy": 1, "command": "x"}]}}},
            "json: cannot unmarshal number into Go struct field"
            " Container.spec.template.spec.containers.imagePullPolicy of type v1.PullPolicy",
        ),
        (
            {"template": {"spec": {"containers": [{"command": ["x", 1]}]}}},
            "json: cannot unmarshal number into Go struct field"
            " Container.spec.template.spec.containers.command of type string",
        ),
        (
            {"template": {"metadata": {"creationTimestamp": "x"}}},
            'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"',
        ),
        (
            {"template": {"metadata": {"labels": {"a": 1}}}},
            "json: cannot unmarshal number into Go struct field"
            " ObjectMeta.spec.template.metadata.labels of type string",
        ),
    ],
)
def test_wrong_types_are_told_in_the_words_of_go(obj, expected):
    assert types("Deployment", {"spec": obj}, "apps") == expected


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        (
            {"livenessProbe": {"httpGet": {"port": True}}},
            "json: cannot unmarshal bool into Go struct field HTTPGetAction"
            ".spec.containers.livenessProbe.ProbeHandler.httpGet.port of type int32",
        ),
        (
            {"resources": {"limits": {"cpu": "abc"}}},
            "quantities must match the regular expression"
            " '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        ({"resources": {"limits": {"cpu": 1.5}}}, ""),
        ({"livenessProbe": {"httpGet": {"port": "http"}}}, ""),
        ({"name": None}, ""),
    ],
)
def test_a_types_own_decoder_says_what_it_found(container, expected):
    assert types("Pod", {"spec": {"containers": [container]}}) == expected


def test_what_a_types_own_decoder_says_goes_before_an_earlier_wrong_type():
    metadata = {"name": 1, "creationTimestamp": "2020-13-01T00:00:00Z"}
    expected = 'parsing time "2020-13-01T00:00:00Z": month out of range'
    assert types("Pod", {"metadata": metadata}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-12-01T00:00:00Z", ""),
        ("2020-12-01T00:00:00.5+02:00", ""),
        ("2020-02-30T00:00:00Z", 'parsing time "2020-02-30T00:00:00Z": day out of range'),
        (
            "2020-12-01T00:00:00",
            'parsing time "2020-12-01T00:00:00" as "2006-01-02T15:04:05Z07:00":'
            ' cannot parse "" as "Z07:00"',
        ),
        (
            "2020-12-01T00:00:00Zx",
            'parsing time "2020-12-01T00:00:00Zx": extra text: "x"',
        ),
    ],
)
def test_times_are_read_as_go_reads_them(text, expected):
    assert types("Pod", {"metadata": {"creationTimestamp": text}}) == expected


def test_micro_times_need_six_digits():
    wrong = types("Event", {"eventTime": "2020-01-01T00:00:00Z"})
    assert wrong.endswith('cannot parse "Z" as ".000000"')
    assert types("Event", {"eventTime": "2020-01-01T00:00:00.123456Z"}) == ""


@pytest.mark.parametrize("text", ["YQ==", "", "YWJj\n"])
def test_base64_is_accepted(text):
    assert types("Secret", {"data": {"a": text}}) == ""


@pytest.mark.parametrize("text", ["***", "YQ", "YQ=", "Y=Q="])
def test_what_is_not_base64_is_refused(text):
    assert types("Secret", {"data": {"a": text}}).startswith("illegal base64 data at input byte")


def test_schemas_inside_a_definition_are_typed_too():
    def definition(inner):
        version = {"schema": {"openAPIV3Schema": {"properties": {"a": {"items": inner}}}}}
        return {"spec": {"versions": [version]}}

    group = "apiextensions.k8s.io"
    assert types("CustomResourceDefinition", definition({"type": "string"}), group) == ""
    wrong = types("CustomResourceDefinition", definition({"type": 3}), group)
    assert wrong.endswith("openAPIV3Schema.properties.items.type of type string")


def test_unknown_fields_go_and_are_told_in_document_order():
    obj = {"spec": {"foo": 1, "containers": [{"name": "c", "bar": 2, "ports": [{"x": 1}]}]}}
    assert structure.prune(obj, POD) == [
        "spec.foo",
        "spec.containers[0].bar",
        "spec.containers[0].ports[0].x",
    ]
    assert obj["spec"]["containers"][0]["ports"] == [{"containerPort": 0}]
    assert structure.prune(obj, POD) == []


def test_a_null_in_a_list_is_an_empty_value():
    obj = {"spec": {"containers": [None, {"name": "c", "args": [None, "x"]}]}}
    assert structure.prune(obj, POD) == []
    assert obj["spec"]["containers"] == [
        {"name": "", "resources": {}},
        {"name": "c", "args": ["", "x"], "resources": {}},
    ]


def test_two_ways_of_saying_the_same_become_one():
    long = {
        "metadata": {"name": "d", "labels": {}, "annotations": {"a": ""}},
        "spec": {
            "replicas": 0,
            "paused": False,
            "minReadySeconds": 0,
            "template": {"spec": {"containers": [{"name": "c", "env": [], "image": ""}]}},
            "strategy": {"rollingUpdate": {}},
        },
    }
    short = {
        "metadata": {"name": "d", "annotations": {"a": ""}},
        "spec": {
            "replicas": 0,
            "template": {"spec": {"containers": [{"name": "c", "resources": {}}]}},
            "strategy": {"rollingUpdate": {}},
        },
    }
    assert structure.prune(long, DEPLOYMENT) == structure.prune(short, DEPLOYMENT) == []
    assert long == short
    assert long["spec"]["template"]["metadata"] == {}
    assert long["status"] == {}


def test_values_are_kept_as_go_would_write_them():
    limits = {"cpu": 0.5, "memory": "1024Ki"}
    obj = {
        "metadata": {"creationTimestamp": "2020-12-31T23:30:00.5-01:00"},
        "spec": {"containers": [{"resources": {"limits": limits}}]},
    }
    assert structure.prune(obj, POD) == []
    assert obj["metadata"]["creationTimestamp"] == "2021-01-01T00:30:00Z"
    assert limits == {"cpu": "500m", "memory": "1Mi"}


def test_what_has_no_schema_inside_a_built_in_is_kept():
    obj = {"data": {"any": {"thing": [1]}}, "revision": 1}
    assert structure.prune(obj, facts.schema_of(GVK("apps", "v1", "ControllerRevision"))) == []
    assert obj["data"] == {"any": {"thing": [1]}}


def test_nesting_without_end_is_an_error_and_not_a_crash():
    inner = {}
    for _ in range(5000):
        inner = {"not": inner}
    version = {"schema": {"openAPIV3Schema": inner}}
    obj = {"spec": {"versions": [version]}}
    found = facts.schema_of(GVK("apiextensions.k8s.io", "v1", "CustomResourceDefinition"))
    assert structure.types(obj, found, "CustomResourceDefinition") == "exceeded max depth"
    with pytest.raises(BadRequest):
        structure.prune(obj, found)


def custom(spec, **root):
    return schema.parse({"type": "object", "properties": {"spec": spec}, **root})


def test_a_custom_resource_keeps_what_every_object_has():
    obj = {"apiVersion": "e/v1", "kind": "X", "metadata": {"any": 1}, "spec": {"b": 1, "a": 2}}
    shape = custom({"type": "object", "properties": {"a": {"type": "integer"}}})
    obj["extra"] = {}
    assert structure.prune(obj, shape) == ["extra", "spec.b"]
    assert obj == {"apiVersion": "e/v1", "kind": "X", "metadata": {"any": 1}, "spec": {"a": 2}}


def test_preserved_unknown_fields_and_embedded_resources_are_kept():
    spec = {
        "type": "object",
        "properties": {
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "pod": {"type": "object", "x-kubernetes-embedded-resource": True},
        },
    }
    obj = {"spec": {"free": {"x": {"y": 1}}, "pod": {"kind": "Pod", "spec": {}}}}
    assert structure.prune(obj, custom(spec)) == ["spec.pod.spec"]
    assert obj == {"spec": {"free": {"x": {"y": 1}}, "pod": {"kind": "Pod"}}}


def test_defaults_are_filled_in_from_the_outside_in():
    spec = {
        "type": "object",
        "default": {},
        "properties": {
            "a": {"type": "integer", "default": 1},
            "list": {
                "type": "array",
                "items": {"type": "object", "properties": {"p": {"default": "TCP"}}},
            },
        },
    }
    shape = custom(spec)
    obj = {}
    structure.default(obj, shape)
    assert obj == {"spec": {"a": 1}}
    obj["spec"]["a"] = 2
    structure.default(obj, shape)
    other = {"spec": {"a": None, "list": [{}, {"p": "UDP"}]}}
    structure.default(other, shape)
    assert other == {"spec": {"a": 1, "list": [{"p": "TCP"}, {"p": "UDP"}]}}
    # What was filled in is nobody else's.
    assert structure.default({}, shape) is None
    assert obj == {"spec": {"a": 2}}


def test_a_null_that_may_not_be_is_an_absent_field():
    spec = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"nullable": True}}}
    obj = {"spec": {"a": None, "b": None}}
    structure.default(obj, custom(spec))
    assert obj == {"spec": {"b": None}}


# Every expected text below was given by apiextensions-apiserver 0.37 for the same schema and value.
@pytest.mark.parametrize(
    ("spec", "value", "expected"),
    [
        (
            {"type": "integer"},
            "x",
            'spec: Invalid value: "string": spec in body must be of type integer: "string"',
        ),
        (
            {"type": "string"},
            None,
            'spec: Invalid value: "null": spec in body must be of type string: "null"',
        ),
        (
            {"x-kubernetes-int-or-string": True},
            True,
            'spec: Invalid value: "boolean": spec in body must be of type integer,string: "boolean"',
        ),
        (
            {"type": "integer", "minimum": 1},
            0,
            "spec: Invalid value: 0: spec in body should be greater than or equal to 1",
        ),
        (
            {"type": "number", "maximum": 1000000},
            1000000.5,
            "spec: Invalid value: 1.0000005e+06: spec in body should be less than or equal to 1e+06",
        ),
        (
            {"type": "integer", "multipleOf": 2},
            3,
            "spec: Invalid value: 3: spec in body should be a multiple of 2",
        ),
        (
            {"type": "integer", "format": "int32"},
            4000000000,
            '<nil>: Invalid value: "": Checked value must be of type integer with format int32'
            " in spec",
        ),
        ({"type": "string", "maxLength": 1}, "ab", "spec: Too long: may not be more than 1 byte"),
        (
            {"type": "string", "minLength": 1},
            "",
            'spec: Invalid value: "": spec in body should be at least 1 chars long',
        ),
        (
            {"type": "string", "pattern": "^a"},
            "b",
            "spec: Invalid value: \"b\": spec in body should match '^a'",
        ),
        (
            {"type": "string", "enum": ["a", "b"]},
            "x",
            'spec: Unsupported value: "x": supported values: "a", "b"',
        ),
        (
            {"type": "string", "format": "date"},
            "2021-02-30",
            'spec: Invalid value: "2021-02-30": spec in body must be of type date: "2021-02-30"',
        ),
        (
            {"type": "array", "items": {"type": "string"}, "maxItems": 1},
            ["a", "b"],
            "spec: Too many: 2: must have at most 1 item",
        ),
        (
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
            [],
            "spec: Invalid value: 0: spec in body should have at least 1 items",
        ),
        (
            {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 0},
            {"a": "b"},
            "spec: Too many: 1: must have at most 0 items",
        ),
        (
            {"type": "object", "required": ["a"]},
            {},
            "spec.a: Required value",
        ),
        (
            {"type": "array", "items": {"type": "integer"}},
            [1, "x"],
            'spec[1]: Invalid value: "string": spec[1] in body must be of type integer: "string"',
        ),
        (
            {
                "type": "array",
                "items": {"type": "object", "properties": {"n": {"type": "string"}}},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["n"],
            },
            [{"n": "a"}, {"n": "a"}, {"n": "a"}],
            'spec[1]: Duplicate value: {"n":"a"}',
        ),
        (
            {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            ["a", "a"],
            'spec[1]: Duplicate value: "a"',
        ),
        (
            {"type": "object", "not": {"required": ["a"]}, "properties": {"a": {"type": "string"}}},
            {"a": "x"},
            '<nil>: Invalid value: "": "spec" must not validate the schema (not)',
        ),
    ],
)
def test_a_custom_resource_is_told_what_its_schema_finds_wrong(spec, value, expected):
    assert [one.message for one in structure.check({"spec": value}, custom(spec))] == [expected]


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ({"type": "number"}, 1),
        ({"type": "integer"}, 1.0),
        ({"type": "string", "nullable": True}, None),
        ({"type": "string", "format": "no-such-format"}, "x"),
        ({"type": "string", "format": "date-time"}, "2020-01-01T00:00:00+02:00"),
        ({"x-kubernetes-int-or-string": True}, "80%"),
        ({"x-kubernetes-preserve-unknown-fields": True}, [{"a": None}]),
        ({"anyOf": [{"minLength": 3}, {"enum": ["a"]}], "type": "string"}, "a"),
        ({"type": "object", "additionalProperties": True}, {"a": 1}),
    ],
)
def test_a_valid_custom_resource_has_no_faults(spec, value):
    assert structure.check({"spec": value}, custom(spec)) == []


def test_all_faults_are_told_at_once():
    spec = {
        "type": "object",
        "required": ["c"],
        "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
    }
    faults = structure.check({"spec": {"a": "x", "b": 1}}, custom(spec))
    assert [one.path for one in faults] == ["spec.a", "spec.b", "spec.c"]
    assert {one.reason for one in faults[:2]} == {"FieldValueTypeInvalid"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "spec", "name"]), inner, max_size=3)
    ),
    max_leaves=12,
)
SPECS = st.sampled_from(
    [
        {"type": "string", "pattern": "a", "format": "uuid", "enum": ["a"]},
        {"type": "integer", "minimum": 2, "multipleOf": 3},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]},
        {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "object"}}},
        {
            "type": "array",
            "items": {"type": "object", "properties": {"name": {"type": "string"}}},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        {"x-kubernetes-preserve-unknown-fields": True, "oneOf": [{"required": ["a"]}, {}]},
    ]
)


@settings(max_examples=200, deadline=None)
@given(SPECS, VALUES)
def test_no_value_is_too_strange_for_a_custom_schema(spec, value):
    obj = {"spec": value}
    shape = custom(spec)
    structure.prune(obj, shape)
    structure.default(obj, shape)
    once = copy.deepcopy(obj)
    # A second time there is nothing left to do.
    assert structure.prune(obj, shape) == []
    structure.default(obj, shape)
    assert obj == once
    assert all(one.message for one in structure.check(obj, shape))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([POD, DEPLOYMENT]), st.dictionaries(st.text(max_size=4), VALUES))
def test_no_value_is_too_strange_for_a_built_in_schema(shape, spec):
    obj = {"spec": spec, "metadata": {"labels": spec}}
    if not structure.types(obj, shape, "Pod"):
        structure.prune(obj, shape)
        assert structure.prune(obj, shape) == []


def test_a_quotient_beyond_all_numbers_is_no_multiple():
    shape = schema.parse({"type": "number", "multipleOf": 0.001})
    (fault,) = structure.check(1e308, shape)
    assert "should be a multiple of 0.001" in fault.message
