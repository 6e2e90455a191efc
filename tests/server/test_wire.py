"""Bytes: the stamp, the projection, the parts of a request."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arubeki.api.selectors import FieldSelector, LabelSelector
from arubeki.errors import NotAcceptable
from arubeki.server import wire
from arubeki.server.builtin import built_in
from arubeki.server.meta import Projection, Selectable, Selection
from arubeki.server.negotiation import METADATA, OBJECT, TABLE, negotiate, warning_header
from arubeki.server.resources import Registry, version_rank
from arubeki.storage.base import Entry

_texts = st.text(max_size=30) | st.just('"metadata":{')


@given(name=_texts, kind=_texts, value=_texts, first=st.integers(1), second=st.integers(1))
def test_a_stamp_is_the_resource_version_and_can_be_replaced(
    name: str, kind: str, value: str, first: int, second: int
) -> None:
    obj = {
        "data": {"metadata": {"resourceVersion": "mine"}, "k": value},
        "metadata": {"resourceVersion": "old", "name": name},
        "kind": kind,
        "apiVersion": "v1",
    }
    stored = wire.encode(obj)
    assert b"old" not in stored or "old" in name + kind + value
    stamped = wire.stamp(stored, first)
    read = json.loads(stamped)
    assert read["metadata"] == {"resourceVersion": str(first), "name": name}
    assert read["data"] == obj["data"]
    assert list(read) == ["apiVersion", "kind", "metadata", "data"]
    assert wire.stamp(stamped, second) == wire.stamp(stored, second)


def test_what_is_no_object_is_not_stamped() -> None:
    assert wire.stamp(b'{"owner":"x"}', 7) == b'{"owner":"x"}'


def test_a_projection_reads_labels_and_fields_and_keeps_them() -> None:
    projection = Projection(
        {
            "spec.node-name": Selectable(("spec.node-name",)),
            "spec.hostNetwork": Selectable(("spec.hostNetwork",), "false"),
            "source": Selectable(("source.component", "reporter")),
            "spec.class": Selectable(("spec.class",)),
        }
    )
    value = json.dumps(
        {
            "metadata": {"name": "a", "namespace": "n", "labels": {"x": "y"}},
            "spec": {"node-name": "n1", "hostNetwork": True, "class": 3, "more": []},
            "reporter": "me",
        }
    ).encode()
    entry = Entry("k", value, 1)
    meta = projection.of(entry)
    assert meta.labels == {"x": "y"}
    assert meta.fields == {
        "metadata.name": "a",
        "metadata.namespace": "n",
        "spec.node-name": "n1",
        "spec.hostNetwork": "true",
        "source": "me",
        "spec.class": "3",
    }
    assert not meta.deleting
    assert projection.of(entry) is meta
    bare = projection.read(b'{"metadata":{"name":"a","deletionTimestamp":"x"},"spec":null}')
    assert bare.deleting
    assert bare.fields["spec.hostNetwork"] == "false"
    both = Selection(LabelSelector.parse("x=y"), FieldSelector.parse("source=me"))
    assert both.matches(meta)
    assert not both.matches(bare)


def test_a_projection_does_not_stumble_over_another_shape() -> None:
    projection = Projection({"spec.a.b": Selectable(("spec.a.b",), "none")})
    meta = projection.read(b'{"metadata":{"name":"a","labels":{"x":"y"}},"spec":{"a":"text"}}')
    assert meta.fields["spec.a.b"] == "none"
    assert meta.labels == {"x": "y"}


@pytest.mark.parametrize(
    ("accept", "shape"),
    [
        ("", OBJECT),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", TABLE),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", TABLE),
        ("application/json;q=0.5,application/json;as=Table;g=meta.k8s.io;v=v1;q=0.9", TABLE),
        ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", METADATA),
        ("APPLICATION/JSON ; charset=utf-8", OBJECT),
    ],
)
def test_an_accept_header_names_a_form(accept: str, shape: str) -> None:
    assert negotiate(accept).shape == shape


def test_what_has_no_form_cannot_be_asked_for_in_one() -> None:
    with pytest.raises(NotAcceptable):
        negotiate("application/json;as=Table;v=v1;g=meta.k8s.io", forms=False)


def test_warnings_cannot_break_out_of_their_header() -> None:
    assert warning_header(['a "b"\r\nX: y', "c", "c"]) == '299 - "a \\"b\\"  X: y", 299 - "c"'


def test_versions_are_ordered_as_kubernetes_prefers_them() -> None:
    versions = ["foo", "v1alpha1", "v2beta1", "v10", "v2", "v11beta2", "v1", "bar", "v"]
    assert sorted(versions, key=version_rank) == [
        "v10", "v2", "v1", "v11beta2", "v2beta1", "v1alpha1", "bar", "foo", "v",
    ]  # fmt: skip


def test_a_registry_knows_what_was_added_and_forgets_what_was_removed() -> None:
    resources = built_in()
    registry = Registry(resources)
    pods = registry.find("", "v1", "pods")
    assert pods is not None
    assert registry.kind(pods.gvk) is pods
    before = registry.changes
    registry.remove(pods)
    assert registry.find("", "v1", "pods") is None
    assert registry.kind(pods.gvk) is None
    assert registry.changes == before + 1
    registry.remove(pods)
    assert registry.changes == before + 1
    assert registry.groups()["apps"] == ["v1"]


@pytest.mark.parametrize(
    ("plural", "key"),
    [
        ("pods", "/registry/pods/ns/x"),
        ("nodes", "/registry/minions/x"),
        ("services", "/registry/services/specs/ns/x"),
        ("endpoints", "/registry/services/endpoints/ns/x"),
        ("namespaces", "/registry/namespaces/x"),
    ],
)
def test_keys_are_those_of_kubernetes(plural: str, key: str) -> None:
    resource = Registry(built_in()).find("", "v1", plural)
    assert resource is not None
    assert resource.key("ns", "x") == key
