"""kr8s, unmodified, in its blocking and its asyncio form."""

import asyncio
import gc
import warnings

import kr8s
import kr8s.asyncio
import kr8s.asyncio.objects
import pytest
from httpx_ws import WebSocketUpgradeError
from kr8s._async_utils import Portal
from kr8s.objects import ConfigMap, CustomResourceDefinition, Deployment, Pod, Service, new_class

from tests.clients import manifests
from tests.clients.conftest import until

# kr8s leaves connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module", autouse=True)
def leave_nothing_to_the_tests_that_follow():
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def api(served, namespace):
    found = kr8s.api(kubeconfig=served.kubeconfig, namespace=namespace)
    yield found
    Portal().call(found._session.aclose)


def placed(manifest, namespace):
    manifest["metadata"]["namespace"] = namespace
    return manifest


def test_it_knows_the_server(api):
    assert api.version()["gitVersion"].startswith("v1.")
    kinds = {one["kind"] for one in api.api_resources()}
    assert {"Pod", "Deployment", "CustomResourceDefinition"} <= kinds
    assert "apps/v1" in list(api.api_versions())


def test_an_object_is_created_found_changed_and_deleted(api, namespace):
    made = ConfigMap(placed(manifests.config_map(k="v"), namespace), api=api)
    assert not made.exists()
    made.create()
    assert made.exists()
    made.patch({"data": {"x": "1"}})
    made.patch([{"op": "add", "path": "/data/j", "value": "2"}], type="json")
    made.label({"l": "1"})
    made.annotate({"n": "1"})
    (found,) = kr8s.get("configmaps", label_selector={"l": "1"}, namespace=namespace, api=api)
    assert (dict(found.data), found.annotations["n"]) == ({"k": "v", "x": "1", "j": "2"}, "1")
    found.remove_label("l")
    assert list(api.get("cm", label_selector="l", namespace=namespace)) == []
    found.delete()
    with pytest.raises(kr8s.NotFoundError):
        ConfigMap.get("a", namespace=namespace, api=api)


def test_a_bad_object_is_refused_with_its_reasons(api, namespace):
    bad = ConfigMap(placed(manifests.config_map("Not A Name"), namespace), api=api)
    with pytest.raises(kr8s.ServerError) as refused:
        bad.create()
    assert refused.value.status["reason"] == "Invalid"
    assert [one["field"] for one in refused.value.status["details"]["causes"]] == ["metadata.name"]


def test_a_watch_tells_what_there_is_and_what_comes(api, namespace):
    ConfigMap(placed(manifests.config_map("a"), namespace), api=api).create()
    seen = []
    for event, found in api.watch("configmaps", namespace=namespace):
        seen.append((event, found.name))
        if found.name == "a" and event == "ADDED":
            ConfigMap(placed(manifests.config_map("b"), namespace), api=api).create()
        if found.name == "b" and event == "ADDED":
            found.patch({"data": {"x": "1"}})
        if event == "MODIFIED":
            found.delete()
        if event == "DELETED":
            break
    named = [one for one in seen if one[1] in ("a", "b")]
    assert named == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "b")]


def test_a_deployment_is_waited_for_scaled_and_deleted(api, namespace):
    made = Deployment(placed(manifests.deployment(), namespace), api=api)
    made.create()
    made.wait("condition=Available", timeout=30)
    assert made.ready()
    made.scale(3)
    until(lambda: len(list(made.pods())) == 3 and made.ready())
    (first, *_) = made.pods()
    until(lambda: list(first.logs()) == ["hello"])
    assert next(iter(first.logs(follow=True))) == "hello"
    made.delete(propagation_policy="Foreground")
    made.wait("delete", timeout=30)
    until(lambda: not list(api.get("pods", namespace=namespace)))


def test_a_pod_is_waited_for_by_path_and_its_log_is_read(api, namespace):
    made = Pod(placed(manifests.pod("once", "echo first; echo second"), namespace), api=api)
    made.create()
    made.wait("jsonpath='{.status.phase}'=Succeeded", timeout=30)
    assert list(made.logs()) == ["first", "second"]
    assert list(made.logs(tail_lines=1)) == ["second"]


def test_a_service_finds_its_pods(api, namespace):
    Deployment(placed(manifests.web(), namespace), api=api).create()
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}]}
    service = Service({"metadata": {"name": "web", "namespace": namespace}, "spec": spec}, api=api)
    service.create()
    until(service.ready)
    assert [pod.labels["app"] for pod in service.ready_pods()] == ["web"]


def test_a_definition_makes_a_kind(api, namespace):
    group = f"{namespace}.example.com"
    definition = CustomResourceDefinition(manifests.definition(group), api=api)
    definition.create()
    definition.wait("condition=Established", timeout=20)
    thing_class = new_class(
        "Thing", f"{group}/v1", asyncio=False, plural="things", scalable=True, scalable_spec="size"
    )
    made = thing_class(placed(manifests.thing(group, text="x"), namespace), api=api)
    made.create()
    assert made.spec.to_dict() == {"text": "x", "size": 1}
    made.patch({"status": {"size": 1}}, subresource="status")
    made.scale(2)
    (found,) = api.get(f"things.{group}", namespace=namespace)
    assert (found.spec["size"], found.status["size"]) == (2, 1)
    definition.delete()
    definition.wait("delete", timeout=20)


def test_owners_take_their_dependents(api, namespace):
    owner = ConfigMap(placed(manifests.config_map("owner"), namespace), api=api)
    owner.create()
    child = ConfigMap(placed(manifests.config_map("child"), namespace), api=api)
    child.create()
    child.set_owner(owner)
    owner.delete()
    child.wait("delete", timeout=20)


def test_what_is_not_served_says_so(api, namespace):
    made = Pod(placed(manifests.pod("p", "exec sleep 600"), namespace), api=api)
    made.create()
    made.wait("condition=Ready", timeout=30)
    with pytest.raises(WebSocketUpgradeError) as refused:
        made.exec(["true"])
    assert refused.value.response.status_code == 501


def test_the_asyncio_form_does_the_same(served, namespace):
    async def main():
        api = await kr8s.asyncio.api(kubeconfig=served.kubeconfig, namespace=namespace)
        objects = kr8s.asyncio.objects
        made = await objects.Deployment(placed(manifests.deployment(), namespace), api=api)
        await made.create()
        await made.wait("condition=Available", timeout=30)
        await made.scale(2)
        async with asyncio.timeout(30):
            async for event, found in api.watch("pods", namespace=namespace):
                if [pod async for pod in api.get("pods", namespace=namespace)][1:]:
                    break
                assert event != "DELETED", found.name
        pods = await made.pods()
        await pods[0].wait("condition=Ready", timeout=30)
        async with asyncio.timeout(30):
            while [line async for line in pods[0].logs()] != ["hello"]:
                await asyncio.sleep(0.03)
        await made.delete(propagation_policy="Foreground")
        await made.wait("delete", timeout=30)
        left = [one async for one in api.get("deployments", namespace=namespace)]
        await api._session.aclose()
        return left

    assert asyncio.run(main()) == []
