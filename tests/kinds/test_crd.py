from collections.abc import Mapping
from typing import Annotated, Any

import pytest

from arubeki.api.objects import Kind
from arubeki.errors import ConfigError
from arubeki.kinds import apiextensions_v1 as apiextensions
from arubeki.kinds.base import Model, Resource, decode, encode, from_dict, to_dict
from arubeki.kinds.crd import Conditions, crd, declaration, field, manifest
from arubeki.kinds.structural import schema_of


class Spec(Model):
    """What to show."""

    markdowns: Annotated[Mapping[str, str], field(min_properties=1, doc="Name to text.")] = {}
    replicas: Annotated[int, field(format="int32")] = 1
    viewerImage: str | None = None


class Status(Model):
    conditions: Conditions = ()
    replicas: int = 0
    selector: str = ""


@crd(
    "view.example.com/v1",
    columns={
        "Replicas": ".spec.replicas",
        "Available": '.status.conditions[?(@.type=="Available")].status',
    },
)
class MarkdownView(Resource[Spec, Status]):
    """Markdown in a browser."""


def test_the_manifest_of_the_example() -> None:
    assert manifest(MarkdownView) == {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "markdownviews.view.example.com"},
        "spec": {
            "group": "view.example.com",
            "names": {
                "kind": "MarkdownView",
                "listKind": "MarkdownViewList",
                "plural": "markdownviews",
                "singular": "markdownview",
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": [
                        {"name": "Replicas", "jsonPath": ".spec.replicas", "type": "integer"},
                        {
                            "name": "Available",
                            "jsonPath": '.status.conditions[?(@.type=="Available")].status',
                            "type": "string",
                        },
                    ],
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "description": "Markdown in a browser.",
                            "properties": {
                                "apiVersion": {"type": "string"},
                                "kind": {"type": "string"},
                                "metadata": {"type": "object"},
                                "spec": {
                                    "type": "object",
                                    "description": "What to show.",
                                    "properties": {
                                        "markdowns": {
                                            "type": "object",
                                            "description": "Name to text.",
                                            "additionalProperties": {"type": "string"},
                                            "minProperties": 1,
                                        },
                                        "replicas": {
                                            "type": "integer",
                                            "format": "int32",
                                            "default": 1,
                                        },
                                        "viewerImage": {"type": "string", "nullable": True},
                                    },
                                },
                                "status": {
                                    "type": "object",
                                    "properties": {
                                        "conditions": schema_of(Conditions, "conditions"),
                                        "replicas": {"type": "integer", "default": 0},
                                        "selector": {"type": "string", "default": ""},
                                    },
                                },
                            },
                        }
                    },
                    "subresources": {"status": {}},
                }
            ],
        },
    }


def test_the_manifest_is_a_custom_resource_definition() -> None:
    # A field that the generated class does not know would get lost on the way.
    definition = from_dict(apiextensions.CustomResourceDefinition, manifest(MarkdownView))
    assert to_dict(definition) == manifest(MarkdownView)


def test_the_decorator_names_the_kind() -> None:
    kind = MarkdownView.KIND
    assert kind == Kind("view.example.com", "v1", "MarkdownView", "markdownviews")
    view = decode(MarkdownView, b'{"metadata":{"name":"a"},"spec":{"markdowns":{"a":"b"}}}')
    assert (view.spec.replicas, view.spec.markdowns["a"], view.status.conditions) == (1, "b", ())
    assert encode(view) == (
        b'{"apiVersion":"view.example.com/v1","kind":"MarkdownView","metadata":{"name":"a"},'
        b'"spec":{"markdowns":{"a":"b"}}}'
    )


def test_everything_that_can_be_said_of_a_kind() -> None:
    @crd(
        "things.example.com/v1alpha1",
        kind="Proxy",
        plural="proxys",
        singular="prox",
        scope="Cluster",
        short_names=["px"],
        categories=["all"],
        columns={
            "Age": ".metadata.creationTimestamp",
            "Gen": ".metadata.generation",
            "Note": r".metadata.annotations.example\.com/note",
            "Wide": {"jsonPath": ".spec.viewerImage", "priority": 1, "description": "d"},
            "Since": {"jsonPath": ".status.selector", "type": "date"},
            "File": ".spec.markdowns.readme",
        },
        scale={"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
        selectable_fields=[".spec.viewerImage"],
        rules=["self.spec.replicas < 5"],
    )
    class Anything(Resource[Spec, Status]):
        extra: bool = False

    spec = manifest(Anything)["spec"]
    assert spec["scope"] == "Cluster"
    assert spec["names"] == {
        "kind": "Proxy", "listKind": "ProxyList", "plural": "proxys", "singular": "prox",
        "shortNames": ["px"], "categories": ["all"],
    }  # fmt: skip
    version = spec["versions"][0]
    assert [(one["name"], one["type"]) for one in version["additionalPrinterColumns"]] == [
        ("Age", "date"), ("Gen", "integer"), ("Note", "string"), ("Wide", "string"),
        ("Since", "date"), ("File", "string"),
    ]  # fmt: skip
    assert version["additionalPrinterColumns"][3]["priority"] == 1
    assert version["subresources"] == {
        "status": {},
        "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
    }
    assert version["selectableFields"] == [{"jsonPath": ".spec.viewerImage"}]
    schema = version["schema"]["openAPIV3Schema"]
    assert schema["x-kubernetes-validations"] == [{"rule": "self.spec.replicas < 5"}]
    assert schema["properties"]["extra"] == {"type": "boolean", "default": False}
    assert not Anything.KIND.namespaced


def test_a_kind_without_status_has_no_subresource() -> None:
    @crd("example.com/v1")
    class Plain(Resource[Spec, None]): ...

    version = manifest(Plain)["spec"]["versions"][0]
    assert "subresources" not in version
    assert "status" not in version["schema"]["openAPIV3Schema"]["properties"]


def test_a_spec_that_cannot_be_empty_is_required() -> None:
    class Needy(Model):
        image: str

    @crd("example.com/v1")
    class Needing(Resource[Needy, None]): ...

    schema = manifest(Needing)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert schema["required"] == ["spec"]
    assert schema["properties"]["spec"]["required"] == ["image"]


def test_a_spec_may_be_anything() -> None:
    @crd("example.com/v1", columns={"X": ".spec.deep.x"})
    class Loose(Resource[dict[str, Any], None]): ...

    properties = manifest(Loose)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    assert properties["spec"] == {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    assert decode(Loose, b'{"spec":{"deep":{"x":1}}}').spec == {"deep": {"x": 1}}
    assert Loose().spec == {}


@pytest.mark.parametrize(
    ("kind", "plural"),
    [("Dog", "dogs"), ("Policy", "policies"), ("Gateway", "gateways"), ("Class", "classes"),
     ("Box", "boxes"), ("Mesh", "meshes"), ("Match", "matches")],
)  # fmt: skip
def test_the_plural_is_english(kind: str, plural: str) -> None:
    @crd("example.com/v1", kind=kind)
    class Some(Resource[Spec, None]): ...

    assert Some.KIND.plural == plural


@pytest.mark.parametrize("name", ["v1", "example/v1", "example.com", "Example.com/v1", "a.b/V1"])
def test_a_malformed_api_version_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="group and version"):
        crd(name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {"X": ".spec.nothing"}}, "column X: .spec.nothing: .* no such field"),
        ({"columns": {"X": "spec.replicas"}}, "no path"),
        ({"columns": {"X": ".spec.replicas.deeper"}}, "no such field"),
        ({"scale": {"specReplicasPath": ".spec.size"}}, "scale specReplicasPath .spec.size"),
        ({"selectable_fields": [".spec.size"]}, "selectable field .spec.size"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(options: Any, message: str) -> None:
    @crd("example.com/v1", **options)
    class Lost(Resource[Spec, Status]): ...

    with pytest.raises(ConfigError, match=message):
        manifest(Lost)


def test_a_type_without_schema_is_refused_by_its_path() -> None:
    class Odd(Model):
        deep: tuple[Spec | str, ...] = ()

    @crd("example.com/v1")
    class Odder(Resource[Odd, None]): ...

    with pytest.raises(ConfigError, match=r"Odder\.spec\.deep\[\*\]: a schema has one type"):
        manifest(Odder)


def test_a_status_must_have_an_empty_form() -> None:
    class Phase(Model):
        phase: str

    with pytest.raises(ConfigError, match="every field of Phase needs a default"):

        @crd("example.com/v1")
        class Phased(Resource[Spec, Phase]): ...


def test_only_declared_resources_have_a_manifest() -> None:
    class Undeclared(Resource[Spec, Status]): ...

    class Derived(MarkdownView): ...

    for cls in (Undeclared, Derived):
        with pytest.raises(ConfigError, match="not decorated"):
            declaration(cls)
    with pytest.raises(ConfigError, match="must derive from Resource"):
        crd("example.com/v1")(Model)  # type: ignore[type-var]
