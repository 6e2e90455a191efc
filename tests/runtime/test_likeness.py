"""What is applied again after a restart is known to be what was applied before."""

import json

import pytest

from arubeki import clock
from arubeki.api.apply import extract
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.runtime.likeness import is_same
from tests.support.play import make_namespace
from tests.support.world import World

POD = {
    "containers": [
        {
            "name": "main",
            "image": "one",
            "env": [
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
            ],
            "resources": {"limits": {"cpu": "1000m", "memory": "0.5Gi"}},
            "ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}],
            "volumeMounts": [{"name": "files", "mountPath": "/files", "readOnly": False}],
            "readinessProbe": {"httpGet": {"port": 80}},
        }
    ],
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "volumes": [
        {"name": "files", "configMap": {"name": "files", "items": []}},
        {"name": "own", "projected": {"sources": [{"downwardAPI": {"items": [
            {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}},
        {"name": "empty", "emptyDir": {"sizeLimit": "1024Mi"}},
    ],
    "nodeSelector": {},
    "hostNetwork": False,
}  # fmt: skip
DEPLOYMENT = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "ns"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": POD},
    },
}  # fmt: skip
SERVICE = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "ns"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
}  # fmt: skip
CLASSES = {"Deployment": apps.Deployment, "Service": core.Service}


def told_of(intent, then=None):
    """Apply an intent, let another manager do something, and return what is ours then."""

    async def main():
        async with World() as world:
            await make_namespace(world)
            kind = CLASSES[intent["kind"]].KIND
            await world.client.apply(intent, kind=kind, manager="me")
            if then is not None:
                await world.client.apply(then, kind=kind, manager="other")
            live = await world.client.get(kind, "web", "ns")
            return live["metadata"]["uid"], extract(live, "me")

    return clock.run_virtual(main())


def changed(obj, path, value):
    """Return a copy with another value at a path; None takes the member away."""
    copy = json.loads(json.dumps(obj))
    node = copy
    *above, last = path
    for key in above:
        node = node[key]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return copy


CONTAINER = ("spec", "template", "spec", "containers", 0)


@pytest.mark.parametrize("intent", [DEPLOYMENT, SERVICE], ids=["Deployment", "Service"])
def test_an_intent_is_known_again_in_the_form_that_the_server_gave_it(intent):
    uid, told = told_of(intent)
    assert is_same(json.dumps(intent).encode(), told, uid)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "replicas"), 3),
        (("spec", "replicas"), None),
        (("spec", "paused"), True),
        (("metadata", "labels"), {"a": "b"}),
        (("spec", "selector", "matchLabels", "app"), "other"),
        ((*CONTAINER, "image"), "two"),
        ((*CONTAINER, "imagePullPolicy"), "IfNotPresent"),
        ((*CONTAINER, "env", 0, "valueFrom", "fieldRef", "fieldPath"), "status.hostIP"),
        ((*CONTAINER, "env", 0, "valueFrom", "fieldRef", "apiVersion"), "v2"),
        ((*CONTAINER, "env", 1), None),
        ((*CONTAINER, "resources", "limits", "cpu"), "1001m"),
        ((*CONTAINER, "ports", 0, "name"), "http"),
        ((*CONTAINER, "ports", 1), None),
        (("spec", "template", "spec", "tolerations", 0, "key"), "b"),
        (("spec", "template", "spec", "hostNetwork"), True),
        (("spec", "replicas"), "many"),
    ],
)
def test_every_change_of_an_intent_is_one(path, value):
    uid, told = told_of(DEPLOYMENT)
    assert not is_same(json.dumps(changed(DEPLOYMENT, path, value)).encode(), told, uid)


def test_saying_what_is_the_default_is_a_change_because_it_claims_the_field():
    uid, told = told_of(DEPLOYMENT)
    more = changed(DEPLOYMENT, ("spec", "revisionHistoryLimit"), 10)
    assert not is_same(json.dumps(more).encode(), told, uid)


def test_what_another_manager_took_is_not_ours_any_more():
    then = changed(DEPLOYMENT, ("spec", "replicas"), 5)
    uid, told = told_of(DEPLOYMENT, then)
    assert not is_same(json.dumps(DEPLOYMENT).encode(), told, uid)


def test_another_object_of_that_name_is_another():
    uid, told = told_of(SERVICE)
    wanted = changed(SERVICE, ("metadata", "uid"), uid)
    assert is_same(json.dumps(wanted).encode(), told, uid)
    assert not is_same(json.dumps(wanted).encode(), told, "another")
