"""Schemas of custom resources, as they are published and as kubectl uses them.

Source: kubernetes test/e2e/apimachinery/crd_publish_openapi.go.
"""

import contextlib
import json
import re

import pytest

from tests.conformance.api_machinery.schemas import FOO, PRESERVE_NESTED, PRESERVE_ROOT, WALDO
from tests.conformance.kit import conformance, eventually
from tests.conformance.kit.custom import ANYTHING, defined, definition, definitions, version
from tests.conformance.kit.lifecycle import is_newer

FAMILY = "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] "
pytestmark = pytest.mark.kubectl


@pytest.fixture
def publish(api):
    """Serve a schema in some versions, and see it published in each."""
    with contextlib.ExitStack() as stack:

        def act(schema, word, suffix, *names, expect=None):
            group = f"publish-{suffix}.example.com"
            versions = [version(name, schema, storage=name == names[0]) for name in names]
            wanted = definition(*versions, word=word, group=group, scope="Namespaced")
            made = stack.enter_context(defined(api, wanted))
            for name in names:
                wait_published(api, made, name, expect)
            return made

        yield act


def definition_name(made, name):
    """Return what a kind's definition is called: com.example.group.v1.Kind."""
    group = ".".join(reversed(made["spec"]["group"].split(".")))
    return f"{group}.{name}.{made['spec']['names']['kind']}"


def published(api, made, name):
    """Return the published definition of a version, without what all objects have."""
    found = api.get("/openapi/v2")["definitions"].get(definition_name(made, name))
    if found is None:
        return None
    properties = found.get("properties", {})
    own = {key: properties[key] for key in properties if key not in OF_ALL}
    kept = {key: value for key, value in found.items() if not key.startswith("x-kubernetes-")}
    kept.pop("properties", None)
    return {**kept, **({"properties": own} if own else {})}


OF_ALL = ("apiVersion", "kind", "metadata")


def wait_published(api, made, name, expect=None):
    def is_there():
        found = published(api, made, name)
        return found is not None and (expect is None or found == expect)

    eventually(is_there, f"the definition {definition_name(made, name)}")


class Manifests:
    """Manifests of a custom resource, created, applied and deleted by kubectl."""

    def __init__(self, kubectl, made, name):
        self.kubectl = kubectl
        self.plural = f"{made['spec']['names']['plural']}.{made['spec']['group']}"
        self.head = {
            "kind": made["spec"]["names"]["kind"],
            "apiVersion": f"{made['spec']['group']}/{made['spec']['versions'][0]['name']}",
            "metadata": {"name": name},
        }
        self.name = name

    def accepted(self, **content):
        """See a manifest created and applied."""
        for verb in ("create", "apply"):
            self.kubectl(verb, "-f", "-", stdin=json.dumps({**self.head, **content}))
            self.kubectl("delete", self.plural, self.name)

    def refused(self, *messages, verbs=("create", "apply"), **content):
        """See a manifest refused, with one of several messages."""
        for verb in verbs:
            said = self.kubectl.fails(verb, "-f", "-", stdin=json.dumps({**self.head, **content}))
            assert any(one in said for one in messages), said

    def explains(self, path, pattern):
        said = self.kubectl("explain", self.plural + path)
        assert re.search(pattern, said, re.DOTALL), said


@conformance(f"{FAMILY}works for CRD with validation schema [Conformance]")
def test_kubectl_validates_and_explains_by_the_schema(publish, kubectl):
    manifests = Manifests(kubectl, publish(FOO, "foo", "foo", "v1", expect=FOO), "test-foo")
    manifests.accepted(spec={"bars": [{"name": "test-bar"}]})
    manifests.refused(
        'Unsupported value: "NonExistentValue"',
        verbs=("create",),
        spec={"bars": [{"name": "test-bar", "feeling": "NonExistentValue"}]},
    )
    unknown = ('unknown field "foo"', 'unknown field "spec.foo"')
    manifests.refused(*unknown, spec={"foo": True})
    missing = ('missing required field "name"', "spec.bars[0].name: Required value")
    manifests.refused(*missing, spec={"bars": [{"age": "10"}]})
    manifests.explains(
        "",
        r"DESCRIPTION:.*Foo CRD for Testing.*FIELDS:.*apiVersion.*<string>.*APIVersion defines.*"
        r"spec.*<Object>.*Specification of Foo",
    )
    manifests.explains(
        ".metadata",
        r"DESCRIPTION:.*Standard object's metadata.*FIELDS:.*creationTimestamp.*<string>.*"
        r"CreationTimestamp is a timestamp",
    )
    manifests.explains(
        ".spec",
        r"DESCRIPTION:.*Specification of Foo.*FIELDS:.*bars.*<\[\]Object>.*"
        r"List of Bars and their specs",
    )
    manifests.explains(
        ".spec.bars",
        r"(FIELD|RESOURCE):.*bars.*<\[\]Object>.*DESCRIPTION:.*List of Bars and their specs.*"
        r"FIELDS:.*bazs.*<\[\]string>.*List of Bazs.*name.*<string>.*Name of Bar",
    )
    assert 'field "bars2" does not exist' in kubectl.fails(
        "explain", f"{manifests.plural}.spec.bars2"
    )


@conformance(f"{FAMILY}works for CRD without validation schema [Conformance]")
def test_kubectl_takes_anything_without_a_schema(publish, kubectl):
    made = publish(ANYTHING, "empty", "empty", "v1", expect={"type": "object"})
    manifests = Manifests(kubectl, made, "test-cr")
    manifests.accepted(a={"b": [{"c": "d"}]})
    manifests.explains("", r"DESCRIPTION:.*<empty>")


@conformance(f"{FAMILY}works for CRD preserving unknown fields at the schema root [Conformance]")
def test_kubectl_takes_anything_that_the_root_preserves(publish, kubectl):
    made = publish(PRESERVE_ROOT, "root", "unknown-at-root", "v1")
    manifests = Manifests(kubectl, made, "test-cr")
    manifests.accepted(a={"b": [{"c": "d"}]})
    manifests.explains("", r"KIND:.*Root")


@conformance(f"{FAMILY}works for CRD preserving unknown fields in an embedded object [Conformance]")
def test_kubectl_takes_anything_that_a_field_preserves(publish, kubectl):
    made = publish(PRESERVE_NESTED, "nested", "unknown-in-nested", "v1")
    manifests = Manifests(kubectl, made, "test-cr")
    manifests.accepted(spec={"a": None, "b": [{"c": "d"}]})
    manifests.explains("", r"DESCRIPTION:.*preserve-unknown-properties in nested field for Testing")


@conformance(f"{FAMILY}works for multiple CRDs of different groups [Conformance]")
def test_groups_are_published_beside_each_other(api, publish):
    foo = publish(FOO, "foo", "foo", "v1", expect=FOO)
    waldo = publish(WALDO, "waldo", "waldo", "v1beta1", expect=WALDO)
    assert foo["spec"]["group"] != waldo["spec"]["group"]
    assert published(api, foo, "v1") == FOO


@conformance(f"{FAMILY}works for multiple CRDs of same group but different versions [Conformance]")
def test_versions_are_published_beside_each_other(api, publish):
    publish(FOO, "foo", "multi-ver", "v2", "v3", expect=FOO)
    foo = publish(FOO, "foo", "common-group", "v4", expect=FOO)
    publish(WALDO, "waldo", "common-group", "v5", expect=WALDO)
    assert published(api, foo, "v4") == FOO


@conformance(
    f"{FAMILY}works for multiple CRDs of same group and version but different kinds [Conformance]"
)
def test_kinds_are_published_beside_each_other(api, publish):
    foo = publish(FOO, "foo", "common-group", "v6", expect=FOO)
    publish(WALDO, "waldo", "common-group", "v6", expect=WALDO)
    assert published(api, foo, "v6") == FOO


@conformance(f"{FAMILY}updates the published spec when one version gets renamed [Conformance]")
def test_a_renamed_version_is_published_under_its_new_name(api, publish):
    made = publish(FOO, "foo", "multi-ver", "v2", "v3", expect=FOO)
    patch = [
        {"op": "test", "path": "/spec/versions/1/name", "value": "v3"},
        {"op": "replace", "path": "/spec/versions/1/name", "value": "v4"},
    ]
    definitions(api).patch(made["metadata"]["name"], patch, form="json")
    wait_published(api, made, "v4", FOO)
    eventually(lambda: published(api, made, "v3") is None)
    assert published(api, made, "v2") == FOO


@conformance(
    f"{FAMILY}removes definition from spec when one version gets changed to not be served "
    "[Conformance]"
)
def test_a_version_that_is_not_served_is_not_published(api, publish):
    publish(FOO, "foo", "multi-to-single-ver", "v5", "v6alpha1", expect=FOO)
    name = "foos.publish-multi-to-single-ver.example.com"
    before = definitions(api).get(name)
    made = definitions(api).change(
        name, lambda obj: obj["spec"]["versions"][1].update(served=False)
    )
    assert is_newer(made, before)
    eventually(lambda: published(api, made, "v6alpha1") is None)
    assert published(api, made, "v5") == FOO
