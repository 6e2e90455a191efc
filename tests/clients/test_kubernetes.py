"""The official Python client, unmodified: its typed, its dynamic and its asyncio half."""

import asyncio
import json
import threading

import pytest
import yaml
from kubernetes import aio, client, config, dynamic, stream, utils, watch
from kubernetes.dynamic import exceptions
from kubernetes.informer import ADDED, DELETED, SharedInformer
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

from tests.clients import manifests
from tests.clients.conftest import until


@pytest.fixture
def api(served):
    with config.new_client_from_config(served.kubeconfig) as found:
        yield found


@pytest.fixture
def core(api):
    return client.CoreV1Api(api)


@pytest.fixture
def apps(api):
    return client.AppsV1Api(api)


def named(name, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data)


def test_typed_objects_are_created_read_changed_and_deleted(core, namespace):
    made = core.create_namespaced_config_map(namespace, named("a", k="v"))
    assert (made.kind, made.metadata.name, made.data) == ("ConfigMap", "a", {"k": "v"})
    core.patch_namespaced_config_map("a", namespace, {"data": {"x": "1"}})
    patched = core.patch_namespaced_config_map(
        "a", namespace, [{"op": "add", "path": "/data/j", "value": "2"}]
    )
    assert patched.data == {"k": "v", "x": "1", "j": "2"}
    patched.data = {"only": "this"}
    replaced = core.replace_namespaced_config_map("a", namespace, patched)
    listed = core.list_namespaced_config_map(namespace, field_selector="metadata.name=a").items
    assert [one.data for one in listed] == [replaced.data] == [{"only": "this"}]
    core.delete_namespaced_config_map("a", namespace)
    with pytest.raises(client.ApiException) as gone:
        core.read_namespaced_config_map("a", namespace)
    assert gone.value.status == 404
    assert json.loads(gone.value.body)["message"] == 'configmaps "a" not found'


def test_a_stale_change_is_a_conflict(core, namespace):
    stale = core.create_namespaced_config_map(namespace, named("a", n="1"))
    core.patch_namespaced_config_map("a", namespace, {"data": {"n": "2"}})
    with pytest.raises(client.ApiException) as refused:
        core.replace_namespaced_config_map("a", namespace, stale)
    assert (refused.value.status, json.loads(refused.value.body)["reason"]) == (409, "Conflict")
    assert core.read_namespaced_config_map("a", namespace).data == {"n": "2"}


def test_long_lists_come_in_pages(core, namespace):
    for number in range(7):
        core.create_namespaced_config_map(namespace, named(f"page-{number}"))
    names, token = [], None
    while token != "":
        more = {"_continue": token} if token else {}
        page = core.list_namespaced_config_map(namespace, limit=3, **more)
        assert len(page.items) <= 3
        names += [one.metadata.name for one in page.items]
        token = page.metadata._continue or ""
    assert [name for name in names if name.startswith("page-")] == [f"page-{n}" for n in range(7)]


def test_a_watch_tells_what_happens_after_a_list(core, namespace):
    version = core.list_namespaced_config_map(namespace).metadata.resource_version
    seen = []

    def follow():
        for event in watch.Watch().stream(
            core.list_namespaced_config_map, namespace, resource_version=version, timeout_seconds=30
        ):
            seen.append((event["type"], event["object"].metadata.name, event["object"].data))
            if event["type"] == "DELETED":
                return

    following = threading.Thread(target=follow)
    following.start()
    core.create_namespaced_config_map(namespace, named("a", k="1"))
    core.patch_namespaced_config_map("a", namespace, {"data": {"k": "2"}})
    core.delete_namespaced_config_map("a", namespace)
    following.join(30)
    assert seen == [
        ("ADDED", "a", {"k": "1"}),
        ("MODIFIED", "a", {"k": "2"}),
        ("DELETED", "a", {"k": "2"}),
    ]


def test_a_watch_without_a_start_begins_with_what_there_is_and_ends_in_time(core, namespace):
    core.create_namespaced_config_map(namespace, named("a"))
    events = watch.Watch().stream(
        core.list_namespaced_config_map,
        namespace,
        field_selector="metadata.name=a",
        timeout_seconds=1,
    )
    assert [(event["type"], event["object"].metadata.name) for event in events] == [("ADDED", "a")]


def test_a_deployment_rolls_out_scales_logs_and_goes(api, core, apps, namespace, tmp_path):
    path = tmp_path / "web.yaml"
    path.write_text(yaml.safe_dump(manifests.deployment()))
    utils.create_from_yaml(api, str(path), namespace=namespace)

    def available(count):
        status = apps.read_namespaced_deployment_status("web", namespace).status
        return status.available_replicas == status.replicas == count

    until(lambda: available(1))
    scale = apps.read_namespaced_deployment_scale("web", namespace)
    assert (scale.spec.replicas, scale.status.selector) == (1, "app=web")
    scale.spec.replicas = 2
    apps.replace_namespaced_deployment_scale("web", namespace, scale)
    until(lambda: available(2))
    apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 1}})
    until(lambda: available(1))
    pods = core.list_namespaced_pod(namespace, label_selector="app=web").items
    running = next(pod.metadata.name for pod in pods if not pod.metadata.deletion_timestamp)
    until(lambda: core.read_namespaced_pod_log(running, namespace) == "hello\n")
    for line in watch.Watch().stream(core.read_namespaced_pod_log, running, namespace):
        assert line == "hello"
        break
    apps.delete_namespaced_deployment("web", namespace, propagation_policy="Foreground")
    until(lambda: not apps.list_namespaced_replica_set(namespace).items)
    until(lambda: not apps.list_namespaced_deployment(namespace).items)


def test_a_changed_template_replaces_the_pods(apps, core, namespace):
    apps.create_namespaced_deployment(namespace, manifests.deployment())
    patch = {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}

    def rolled_out():
        found = apps.read_namespaced_deployment("web", namespace)
        status = found.status
        return (
            status.observed_generation == found.metadata.generation
            and status.updated_replicas == status.available_replicas == status.replicas == 1
        )

    until(rolled_out)
    apps.patch_namespaced_deployment("web", namespace, patch)
    until(rolled_out)
    sets = apps.list_namespaced_replica_set(namespace).items
    assert sorted(one.spec.replicas for one in sets) == [0, 1]
    revisions = [
        one.metadata.annotations["deployment.kubernetes.io/revision"]
        for one in sorted(sets, key=lambda one: one.spec.replicas)
    ]
    assert revisions == ["1", "2"]


def test_the_dynamic_client_finds_kinds_and_applies(api, namespace):
    found = dynamic.DynamicClient(api).resources.get(api_version="v1", kind="ConfigMap")
    intent = manifests.config_map(k="v")
    applied = found.server_side_apply(intent, namespace=namespace, field_manager="first")
    assert applied.metadata.managedFields[0].manager == "first"
    other = manifests.config_map(k="other")
    with pytest.raises(exceptions.ConflictError) as refused:
        found.server_side_apply(other, namespace=namespace, field_manager="second")
    assert ".data.k" in refused.value.summary()
    found.server_side_apply(
        other, namespace=namespace, field_manager="second", force_conflicts=True
    )
    assert found.get(name="a", namespace=namespace).data.k == "other"
    again = found.server_side_apply(
        other, namespace=namespace, field_manager="second", force_conflicts=True
    )
    assert again.metadata.resourceVersion == found.get("a", namespace).metadata.resourceVersion
    names = [(e["type"], e["object"].metadata.name) for e in found.watch(namespace, timeout=1)]
    assert ("ADDED", "a") in names
    found.delete("a", namespace)
    with pytest.raises(exceptions.NotFoundError):
        found.get("a", namespace)


def test_a_definition_makes_a_kind(api, namespace):
    group = f"{namespace}.example.com"
    definitions = client.ApiextensionsV1Api(api)
    definitions.create_custom_resource_definition(manifests.definition(group))

    def established():
        status = definitions.read_custom_resource_definition(f"things.{group}").status
        return any(
            one.type == "Established" and one.status == "True" for one in status.conditions or ()
        )

    until(established)
    custom = client.CustomObjectsApi(api)
    place = (group, "v1", namespace, "things")
    made = custom.create_namespaced_custom_object(*place, manifests.thing(group, text="x"))
    assert made["spec"] == {"text": "x", "size": 1}
    custom.patch_namespaced_custom_object_status(*place, "t", {"status": {"size": 3}})
    custom.patch_namespaced_custom_object_scale(*place, "t", {"spec": {"replicas": 4}})
    found = custom.get_namespaced_custom_object(*place, "t")
    assert (found["spec"]["size"], found["status"]) == (4, {"size": 3})
    with pytest.raises(client.ApiException) as refused:
        custom.patch_namespaced_custom_object(*place, "t", {"spec": {"size": "many"}})
    cause, *_ = json.loads(refused.value.body)["details"]["causes"]
    assert (refused.value.status, cause["field"]) == (422, "spec.size")
    things = dynamic.DynamicClient(api).resources.get(api_version=f"{group}/v1", kind="Thing")
    assert [one.metadata.name for one in things.get(namespace=namespace).items] == ["t"]
    definitions.delete_custom_resource_definition(f"things.{group}")
    until(lambda: not _lists(lambda: custom.list_namespaced_custom_object(*place)))


def _lists(act):
    try:
        act()
    except client.ApiException as error:
        assert error.status == 404
        return False
    return True


def test_a_namespace_takes_what_is_in_it(core, namespace):
    name = f"{namespace}-gone"
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    core.create_namespaced_config_map(name, named("a"))
    core.delete_namespace(name)
    until(lambda: name not in [one.metadata.name for one in core.list_namespace().items])
    assert "a" not in [
        one.metadata.name for one in core.list_config_map_for_all_namespaces().items
        if one.metadata.namespace == name
    ]  # fmt: skip


def test_what_is_not_served_says_so(core, namespace):
    core.create_namespaced_pod(namespace, manifests.pod("p", "exec sleep 600"))
    with pytest.raises(client.ApiException) as refused:
        stream.stream(
            core.connect_get_namespaced_pod_exec, "p", namespace, command=["true"], stdout=True
        )
    assert "pods/exec is not served" in str(refused.value)


def test_an_informer_keeps_a_copy(core, namespace):
    core.create_namespaced_config_map(namespace, named("before"))
    informer = SharedInformer(core.list_namespaced_config_map, namespace=namespace)
    seen = []
    informer.add_event_handler(ADDED, lambda one: seen.append(("added", one.metadata.name)))
    informer.add_event_handler(DELETED, lambda one: seen.append(("deleted", one.metadata.name)))
    informer.start()
    until(lambda: informer.cache.get_by_key(f"{namespace}/before"))
    core.create_namespaced_config_map(namespace, named("after"))
    until(lambda: informer.cache.get_by_key(f"{namespace}/after"))
    core.delete_namespaced_config_map("before", namespace)
    until(lambda: not informer.cache.get_by_key(f"{namespace}/before"))
    informer.stop()
    own = [one for one in seen if one[1] in ("before", "after")]
    assert own == [("added", "before"), ("added", "after"), ("deleted", "before")]


def test_one_of_two_candidates_leads(served, namespace, monkeypatch):
    settings = client.Configuration()
    config.load_kube_config(served.kubeconfig, client_configuration=settings)
    monkeypatch.setattr(client.Configuration, "_default", settings)

    def candidate(name):
        lock = LeaseLock("leader", namespace, name)
        terms = electionconfig.Config(
            lock,
            lease_duration=3,
            renew_deadline=2,
            retry_period=1,
            onstarted_leading=lambda *_: None,
            onstopped_leading=lambda: None,
        )
        return leaderelection.LeaderElection(terms)

    first, second = candidate("first"), candidate("second")
    assert first.try_acquire_or_renew()
    assert not second.try_acquire_or_renew()
    assert first.try_acquire_or_renew()
    lease = client.CoordinationV1Api().read_namespaced_lease("leader", namespace)
    assert lease.spec.holder_identity == "first"


def test_the_asyncio_half_does_the_same(served, namespace):
    async def main():
        api = await aio.config.new_client_from_config(served.kubeconfig)
        async with api:
            apps, core = aio.client.AppsV1Api(api), aio.client.CoreV1Api(api)
            await apps.create_namespaced_deployment(namespace, manifests.deployment())
            events = aio.watch.Watch()
            async with events.stream(
                apps.list_namespaced_deployment, namespace, timeout_seconds=30
            ) as stream_:
                async for event in stream_:
                    if event["object"].status.available_replicas == 1:
                        break
            pods = await core.list_namespaced_pod(namespace, label_selector="app=web")
            return [pod.status.phase for pod in pods.items]

    assert asyncio.run(main()) == ["Running"]
