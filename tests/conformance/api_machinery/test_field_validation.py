"""Strict validation of fields: what is unknown, and what is said twice.

Source: kubernetes test/e2e/apimachinery/field_validation.go.
"""

import pytest

from tests.conformance.kit import conformance
from tests.conformance.kit.custom import ANYTHING, defined, definition, objects_of, version

FAMILY = "[sig-api-machinery] FieldValidation should "
STRICT = {"fieldManager": "conformance", "fieldValidation": "Strict"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}

PORT = {
    "type": "object",
    "required": ["containerPort", "protocol"],
    "properties": {
        "containerPort": {"type": "integer", "format": "int32"},
        "hostIP": {"type": "string"},
        "hostPort": {"type": "integer", "format": "int32"},
        "name": {"type": "string"},
        "protocol": {"type": "string"},
    },
}
FIELDS = {
    "foo": {"type": "string"},
    "cronSpec": {
        "type": "string",
        "pattern": r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$",
    },
    "ports": {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
        "items": PORT,
    },
}
EMBEDDED = {
    "type": "object",
    "x-kubernetes-embedded-resource": True,
    "properties": {
        "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
        "spec": {"type": "object"},
    },
}


def schema(**more):
    fields = {**FIELDS, **more.pop("fields", {})}
    spec = {"type": "object", "properties": fields, **more}
    return {"type": "object", "properties": {"spec": spec}}


PRESERVING = {"x-kubernetes-preserve-unknown-fields": True}


@pytest.fixture
def apply(api):
    """Serve a schema, and send manifests of it strictly: `{head}` stands for whose they are."""

    def act(schema, manifest):
        versions = [version("v1beta1", schema, storage=False), version("v1beta2", schema)]
        with defined(api, definition(*versions)) as made:
            objects = objects_of(api, made)
            head = f"apiVersion: {objects.api_version}\nkind: {objects.kind}"
            body = manifest.format(head=head)
            return api.send("PATCH", objects.path("mytest"), body, headers=APPLY, **STRICT)

    return act


DEPLOYMENT = """{
  "apiVersion": "apps/v1",
  "kind": "Deployment",
  "metadata": {"name": "my-dep", %s "labels": {"app": "nginx"}},
  "spec": {
    %s
    "selector": {"matchLabels": {"app": "nginx"}},
    "template": {
      "metadata": {"labels": {"app": "nginx"}},
      "spec": {"containers": [{"name": "nginx", "image": "nginx:latest"}]}
    }
  }
}"""
MANIFEST = """
{head}
metadata:
  name: mytest
spec:
  foo: foo1
  cronSpec: "* * * * */5"
  ports:
  - name: x
    containerPort: 80
    protocol: TCP"""


def create_deployment(api, namespace, metadata, spec):
    path = api.of("apps/v1", "Deployment", namespace).path()
    answer = api.send("POST", path, DEPLOYMENT % (metadata, spec), **STRICT)
    assert answer.status == 400
    return answer.json["message"]


@conformance(f"{FAMILY}detect unknown and duplicate fields of a typed object [Conformance]")
def test_unknown_and_duplicate_fields_are_refused(api, namespace):
    twice = '"unknownField": "foo", "replicas": 2, "replicas": 3,'
    message = create_deployment(api, namespace, "", twice)
    wanted = (
        'strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"'
    )
    assert wanted in message


@conformance(f"{FAMILY}detect unknown metadata fields of a typed object [Conformance]")
def test_unknown_metadata_is_refused(api, namespace):
    message = create_deployment(api, namespace, '"unknownMeta": "foo",', "")
    assert 'strict decoding error: unknown field "metadata.unknownMeta"' in message


@conformance(f"{FAMILY}create/apply a valid CR for CRD with validation schema [Conformance]")
def test_a_valid_custom_resource_is_applied(apply):
    answer = apply(schema(), MANIFEST)
    assert answer.status == 201
    assert answer.json["spec"]["ports"] == [{"name": "x", "containerPort": 80, "protocol": "TCP"}]


@conformance(
    f"{FAMILY}create/apply a CR with unknown fields for CRD with no validation schema [Conformance]"
)
def test_anything_goes_without_a_schema(apply):
    answer = apply(ANYTHING, MANIFEST.replace("foo: foo1", "unknown: uk1"))
    assert answer.status == 201
    assert answer.json["spec"]["unknown"] == "uk1"


@conformance(
    f"{FAMILY}create/apply an invalid CR with extra properties for CRD with validation schema "
    "[Conformance]"
)
def test_a_field_that_the_schema_does_not_have_is_refused(apply):
    answer = apply(schema(), MANIFEST.replace("\nspec:", "\nunknownField: unknown\nspec:"))
    assert answer.status >= 400
    assert ".unknownField: field not declared in schema" in answer.json["message"]


@conformance(
    f"{FAMILY}detect unknown metadata fields in both the root and embedded object of a CR "
    "[Conformance]"
)
def test_unknown_metadata_is_refused_at_the_root_and_within(apply):
    template = (
        "\nspec:\n  template:\n    apiVersion: foo/v1\n    kind: Sub\n"
        "    metadata:\n      unknownSubMeta: unknown\n      name: subobject"
    )
    rules = schema(fields={"template": EMBEDDED}, **PRESERVING)
    root = MANIFEST.replace("name: mytest", "name: mytest\n  unknownMeta: unknown")
    within = MANIFEST.replace("\nspec:", template)
    both = root.replace("\nspec:", template)
    at_root = ".metadata.unknownMeta: field not declared in schema"
    below = ".spec.template.metadata.unknownSubMeta: field not declared in schema"
    # Of both, the server may tell the first that it finds.
    for manifest, wanted in ((both, (at_root, below)), (root, (at_root,)), (within, (below,))):
        answer = apply(rules, manifest)
        assert answer.status >= 400, answer.json
        assert any(one in answer.json["message"] for one in wanted), answer.json


@conformance(f"{FAMILY}detect duplicates in a CR when preserving unknown fields [Conformance]")
def test_duplicates_are_refused_even_where_anything_goes(apply):
    # The official manifest has `unknown: uk1` before, which makes it the ninth line.
    manifest = MANIFEST.replace("foo: foo1", "unknown: uk1\n  foo: foo1\n  foo: foo2")
    answer = apply(schema(**PRESERVING), manifest)
    assert answer.status == 400
    assert 'line 9: key "foo" already set in map' in answer.json["message"]
