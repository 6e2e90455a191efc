"""lightkube, unmodified, in its blocking and its asyncio form."""

import asyncio

import pytest
from lightkube import ApiError, AsyncClient, Client, KubeConfig
from lightkube.codecs import from_dict
from lightkube.core.exceptions import ObjectDeleted
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.autoscaling_v1 import ScaleSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment, ReplicaSet
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import PatchType

from tests.clients import manifests
from tests.clients.conftest import until


@pytest.fixture
def lightkube(served, namespace):
    config = KubeConfig.from_file(served.kubeconfig)
    with Client(config, namespace=namespace, field_manager="lk", trust_env=False) as found:
        yield found


def named(name, **data):
    return ConfigMap(metadata=ObjectMeta(name=name), data=data)


def test_an_object_is_created_read_changed_and_deleted(lightkube):
    made = lightkube.create(named("a", k="v"))
    assert made.metadata.managedFields[0].manager == "lk"
    lightkube.patch(ConfigMap, "a", {"data": {"s": "1"}})
    lightkube.patch(ConfigMap, "a", {"data": {"m": "2"}}, patch_type=PatchType.MERGE)
    operations = [{"op": "add", "path": "/data/j", "value": "3"}]
    lightkube.patch(ConfigMap, "a", operations, patch_type=PatchType.JSON)
    found = lightkube.get(ConfigMap, "a")
    assert found.data == {"k": "v", "s": "1", "m": "2", "j": "3"}
    found.data = {"only": "this"}
    lightkube.replace(found)
    stale = named("a", x="y")
    stale.metadata.resourceVersion = made.metadata.resourceVersion
    with pytest.raises(ApiError) as refused:
        lightkube.replace(stale)
    assert (refused.value.status.code, refused.value.status.reason) == (409, "Conflict")
    names = [one.metadata.name for one in lightkube.list(ConfigMap, fields={"metadata.name": "a"})]
    assert names == ["a"]
    lightkube.delete(ConfigMap, "a")
    with pytest.raises(ApiError) as gone:
        lightkube.get(ConfigMap, "a")
    assert gone.value.status.message == 'configmaps "a" not found'


def test_lists_are_read_in_chunks_and_by_labels(lightkube):
    for number in range(7):
        one = named(f"n-{number}")
        one.metadata.labels = {"parity": "odd" if number % 2 else "even"}
        lightkube.create(one)
    found = lightkube.list(ConfigMap, chunk_size=2, labels={"parity": ("odd", "even")})
    assert [one.metadata.name for one in found] == [f"n-{n}" for n in range(7)]
    odd = lightkube.list(ConfigMap, labels={"parity": "odd"})
    assert [one.metadata.name for one in odd] == ["n-1", "n-3", "n-5"]
    lightkube.deletecollection(ConfigMap)
    assert "a" not in [one.metadata.name for one in lightkube.list(ConfigMap)]


def test_apply_creates_changes_and_finds_conflicts(lightkube):
    applied = lightkube.apply(named("a", k="v"))
    assert applied.metadata.managedFields[0].operation == "Apply"
    version = applied.metadata.resourceVersion
    assert lightkube.apply(named("a", k="v")).metadata.resourceVersion == version
    with pytest.raises(ApiError) as refused:
        lightkube.apply(named("a", k="other"), field_manager="second")
    assert refused.value.status.reason == "Conflict"
    (cause,) = refused.value.status.details.causes
    assert (cause.reason, cause.field) == ("FieldManagerConflict", ".data.k")
    forced = lightkube.apply(named("a", k="other"), field_manager="second", force=True)
    assert forced.data == {"k": "other"}


def test_a_watch_tells_what_comes(lightkube):
    first = lightkube.create(named("a", k="1"))
    events = lightkube.watch(
        ConfigMap,
        resource_version=first.metadata.resourceVersion,
        server_timeout=30,
        fields={"metadata.name": "a"},
    )
    lightkube.patch(ConfigMap, "a", {"data": {"k": "2"}})
    lightkube.delete(ConfigMap, "a")
    seen = []
    for event, found in events:
        seen.append((event, found.data))
        if event == "DELETED":
            break
    assert seen == [("MODIFIED", {"k": "2"}), ("DELETED", {"k": "2"})]


def test_a_deployment_is_waited_for_scaled_and_deleted(lightkube):
    lightkube.create(from_dict(manifests.deployment()))
    found = lightkube.wait(Deployment, "web", for_conditions=["Available"])
    assert found.status.availableReplicas == 1
    scale = Deployment.Scale(metadata=ObjectMeta(name="web"), spec=ScaleSpec(replicas=3))
    lightkube.replace(scale)
    until(lambda: lightkube.get(Deployment.Status, "web").status.readyReplicas == 3)
    assert lightkube.get(Deployment.Scale, "web").status.selector == "app=web"
    (pod, *_) = lightkube.list(Pod, labels={"app": "web"})
    until(lambda: list(lightkube.log(pod.metadata.name)) == ["hello\n"])
    assert next(iter(lightkube.log(pod.metadata.name, follow=True))) == "hello\n"
    lightkube.delete(Deployment, "web")
    until(lambda: not list(lightkube.list(ReplicaSet)) and not list(lightkube.list(Pod)))


def test_waiting_ends_when_the_object_goes(lightkube):
    lightkube.create(from_dict(manifests.pod("p", "exec sleep 600")))
    lightkube.wait(Pod, "p", for_conditions=["Ready"])
    lightkube.delete(Pod, "p")
    with pytest.raises(ObjectDeleted):
        lightkube.wait(Pod, "p", for_conditions=["Never"])


def test_a_definition_makes_a_kind(lightkube, namespace):
    group = f"{namespace}.example.com"
    lightkube.create(from_dict(manifests.definition(group)))
    name = f"things.{group}"
    lightkube.wait(CustomResourceDefinition, name, for_conditions=["Established"])
    thing = create_namespaced_resource(group, "v1", "Thing", "things")
    lightkube.apply(thing(metadata={"name": "t"}, spec={"text": "x"}))
    assert lightkube.get(thing, "t").spec == {"text": "x", "size": 1}
    status = thing.Status(
        metadata={"name": "t"}, status={"conditions": [{"type": "Up", "status": "True"}]}
    )
    lightkube.apply(status)
    assert lightkube.wait(thing, "t", for_conditions=["Up"]).spec["size"] == 1
    lightkube.delete(CustomResourceDefinition, name)
    until(
        lambda: name not in [one.metadata.name for one in lightkube.list(CustomResourceDefinition)]
    )


def test_a_dry_run_stores_nothing(lightkube):
    lightkube.create(named("a"), dry_run=True)
    assert "a" not in [one.metadata.name for one in lightkube.list(ConfigMap)]


def test_the_asyncio_form_does_the_same(served, namespace):
    async def main():
        config = KubeConfig.from_file(served.kubeconfig)
        client = AsyncClient(config, namespace=namespace, field_manager="lk", trust_env=False)
        await client.apply(from_dict(manifests.deployment()))
        await client.wait(Deployment, "web", for_conditions=["Available"])
        await client.patch(
            Deployment.Scale, "web", {"spec": {"replicas": 2}}, patch_type=PatchType.MERGE
        )
        async with asyncio.timeout(30):
            async for _, found in client.watch(Deployment, fields={"metadata.name": "web"}):
                if found.status.readyReplicas == 2:
                    break
        (pod, *_) = [one async for one in client.list(Pod, labels={"app": "web"})]
        lines = [line async for line in client.log(pod.metadata.name, follow=False)]
        await client.delete(Deployment, "web")
        await client.close()
        return lines

    assert asyncio.run(main()) in (["hello\n"], [])
