import pytest

from arubeki.api.objects import Kind
from arubeki.errors import ConfigError
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds.base import Dynamic, Model, Object, Resource, decode, encode, from_dict

WIDGETS = Kind("example.com", "v1", "Widget", "widgets")

FULL = {
    "apiVersion": "example.com/v1",
    "kind": "Widget",
    "metadata": {
        "name": "a",
        "namespace": "n",
        "uid": "u",
        "resourceVersion": "5",
        "generation": 2,
        "labels": {"l": "1"},
        "annotations": {"x": "y"},
        "finalizers": ["f"],
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "p1"},
            {"apiVersion": "v1", "kind": "Pod", "name": "q", "uid": "q1", "controller": True},
        ],
    },
}


class Spec(Model):
    size: int = 1


class Status(Model):
    ready: bool = False


class Widget(Resource[Spec, Status]):
    KIND = WIDGETS


class Plain(Resource[Spec, None]):
    KIND = WIDGETS


@pytest.mark.parametrize("cls", [Widget, Dynamic.of(WIDGETS)])
def test_the_questions_one_asks_of_any_object(cls: type[Widget] | type[Dynamic]) -> None:
    obj = from_dict(cls, FULL)
    assert (obj.name, obj.namespace, obj.uid) == ("a", "n", "u")
    assert (obj.resource_version, obj.generation, obj.deleting) == ("5", 2, True)
    assert (obj.labels, obj.annotations, obj.finalizers) == ({"l": "1"}, {"x": "y"}, ("f",))
    assert [owner.name for owner in obj.owners] == ["p", "q"]
    assert obj.controller is not None
    assert obj.controller.uid == "q1"
    assert obj.KIND == WIDGETS


@pytest.mark.parametrize("cls", [Widget, Dynamic.of(WIDGETS)])
def test_a_new_object_has_empty_answers(cls: type[Widget] | type[Dynamic]) -> None:
    obj = from_dict(cls, {})
    assert (obj.name, obj.namespace, obj.uid, obj.resource_version) == ("", "", "", "")
    assert (obj.generation, obj.deleting, obj.controller) == (0, False, None)
    assert (dict(obj.labels), dict(obj.annotations)) == ({}, {})
    assert (obj.finalizers, obj.owners) == ((), ())


def test_api_version_and_kind_are_always_on_the_wire_and_come_first() -> None:
    assert encode(core.ConfigMap()) == b'{"apiVersion":"v1","kind":"ConfigMap"}'
    wire = encode(Widget(metadata=meta.ObjectMeta(name="a"), spec=Spec(size=1)))
    assert wire == (
        b'{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a"},"spec":{"size":1}}'
    )


def test_items_of_a_list_get_their_api_version_and_kind() -> None:
    pod = decode(core.Pod, b'{"metadata":{"name":"a"}}')
    assert (pod.apiVersion, pod.kind) == ("v1", "Pod")


def test_an_unsaid_spec_and_status_read_as_empty_ones() -> None:
    widget = decode(Widget, b'{"metadata":{"name":"a"}}')
    assert widget.spec == Spec()
    assert widget.status.ready is False
    assert widget == decode(Widget, b'{"metadata":{"name":"a"},"spec":{},"status":{}}')
    assert encode(widget.evolve(status=Status(ready=True))).endswith(b'"status":{"ready":true}}')
    assert not core.Pod().status.phase
    assert core.Pod().spec.containers == ()


def test_the_example_of_the_framework_s_face_reads_either_way() -> None:
    deployment = apps.Deployment()
    assert not bool(deployment.status and deployment.status.availableReplicas)
    up = apps.Deployment(status=apps.DeploymentStatus(availableReplicas=1))
    assert bool(up.status and up.status.availableReplicas)


def test_a_resource_without_status_has_none() -> None:
    plain = decode(Plain, b'{"spec":{"size":3}}')
    assert plain.status is None
    assert plain.spec.size == 3
    assert Widget.STATUS is Status
    assert Plain.STATUS is None


def test_a_class_without_a_kind_says_what_to_do() -> None:
    class Nameless(Resource[Spec, Status]): ...

    with pytest.raises(ConfigError, match="decorate it with @crd"):
        Nameless()


def test_objects_of_one_content_are_equal_and_hash_alike() -> None:
    pod = from_dict(core.Pod, {"metadata": {"name": "a"}})
    same = core.Pod(metadata=meta.ObjectMeta(name="a"), spec=core.PodSpec(containers=()))
    assert pod == same
    assert hash(pod) == hash(same)
    assert pod != core.Pod(metadata=meta.ObjectMeta(name="b"))
    assert pod != core.ConfigMap(metadata=meta.ObjectMeta(name="a"))


def test_objects_are_frozen() -> None:
    pod = core.Pod()
    with pytest.raises(AttributeError):
        pod.kind = "Node"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        pod.spec = core.PodSpec(containers=())  # type: ignore[misc]


def test_a_secret_does_not_show_its_values() -> None:
    secret = core.Secret(
        metadata=meta.ObjectMeta(name="s"),
        data={"key": b"hunter2"},
        stringData={"other": "hunter3"},
    )
    printed = repr(list(secret.__rich_repr__()))
    for text in (repr(secret), str(secret), f"{secret}", repr([secret]), printed):
        assert "hunter" not in text
        assert "key" in text


def test_a_dynamic_object_is_its_json() -> None:
    widget = decode(Dynamic.of(WIDGETS), b'{"metadata":{"name":"a"},"spec":{"deep":{"x":null}}}')
    assert widget["spec"] == {"deep": {"x": None}}
    assert encode(widget) == b'{"metadata":{"name":"a"},"spec":{"deep":{"x":null}}}'
    assert widget.evolve(spec={})["spec"] == {}
    assert widget["spec"]
    assert type(widget.evolve()) is type(widget)


def test_every_kind_answers_the_same_questions() -> None:
    assert issubclass(core.Pod, Object)
    assert issubclass(Widget, Object)
