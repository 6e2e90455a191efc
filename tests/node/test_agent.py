"""The agent between a server and a runtime that plays, in virtual time."""

import asyncio

from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.node import volumes
from tests.node.kit import (
    NAMESPACE,
    NODE,
    condition,
    config_map,
    container,
    main_status,
    pod,
    secret,
    settle,
)


def status_writes(world):
    """Collect the writes of Pods' statuses, from now on."""
    found = []

    def see(record):
        found.extend(
            one for one in record.writes if (one.kind, one.subresource) == ("Pod", "status")
        )

    world.node.manager.trace.subscribe(see)
    return found


def test_a_pod_that_is_bound_here_runs(run):
    async def scenario(world):
        await world.create(pod())
        found = await world.phase("Running")
        assert found.status.podIP == "127.7.0.2"
        assert found.status.hostIP == "127.7.0.1"
        assert condition(found, "Ready").status == "True"
        assert condition(found, "PodScheduled").status == "True"
        assert found.status.qosClass == "BestEffort"
        assert found.status.observedGeneration == found.metadata.generation
        await settle(world)
        assert [one.reason for one in await world.events()] == ["Created", "Started"]
        assert (await world.events())[0].source.component == "kubelet"

    run(scenario)


def test_pods_of_other_nodes_and_of_none_are_left_alone(run):
    async def scenario(world):
        await world.create(pod(name="a", nodeName="other"), pod(name="b", nodeName=""))
        await settle(world)
        assert world.runtime.order() == []
        assert (await world.pod("a")).status.phase == "Pending"

    run(scenario)


def test_what_starts_at_once_costs_one_write(run):
    async def scenario(world):
        writes = status_writes(world)
        await world.create(pod(container("a"), container("b")))
        await world.phase("Running")
        await settle(world)
        assert len(writes) == 1

    run(scenario)


def test_what_takes_time_costs_two_writes(run):
    async def scenario(world):
        writes = status_writes(world)
        annotations = {"fake.arubeki.dev/start-seconds": "3"}
        await world.create(pod(annotations=annotations))
        await settle(world)
        assert (await world.pod()).status.phase == "Pending"
        assert main_status(await world.pod()).state.waiting.reason == "ContainerCreating"
        await world.phase("Running")
        await settle(world)
        assert len(writes) == 2

    run(scenario)


def test_when_nothing_happens_nothing_is_written(run):
    async def scenario(world):
        await world.create(pod())
        await world.phase("Running")
        await settle(world)
        revision = (await world.pod()).metadata.resourceVersion
        writes = status_writes(world)
        await asyncio.sleep(3600)
        assert writes == []
        assert (await world.pod()).metadata.resourceVersion == revision

    run(scenario)


def test_what_others_write_into_the_status_is_put_right_or_left_alone(run):
    async def scenario(world):
        await world.create(pod())
        await world.phase("Running")
        patch = {
            "status": {
                "phase": "Pending",
                "conditions": [{"type": "x/gate", "status": "True"}],
            }
        }
        await world.client.patch(
            core.Pod, "p", NAMESPACE, patch, type="strategic", subresource="status"
        )
        found = await world.phase("Running")
        assert condition(found, "x/gate").status == "True"
        assert condition(found, "Ready").status == "True"

    run(scenario)


def test_a_readiness_gate_that_opens_makes_a_pod_ready(run):
    async def scenario(world):
        gate = core.PodReadinessGate(conditionType="x/gate")
        await world.create(pod(readinessGates=(gate,)))
        found = await world.phase("Running")
        assert condition(found, "Ready").reason == "ReadinessGatesNotReady"
        patch = {"status": {"conditions": [{"type": "x/gate", "status": "True"}]}}
        await world.client.patch(
            core.Pod, "p", NAMESPACE, patch, type="strategic", subresource="status"
        )
        await world.until(lambda one: condition(one, "Ready").status == "True")

    run(scenario)


# The end of a Pod.


def test_a_deleted_pod_goes_when_its_containers_have_ended(run):
    async def scenario(world):
        world.runtime.obeys["main"] = 5
        await world.create(pod())
        await world.phase("Running")
        await world.delete()
        await asyncio.sleep(4)
        found = await world.pod()
        assert found.metadata.deletionGracePeriodSeconds == 30
        assert condition(found, "Ready").status == "True"
        await asyncio.sleep(2)
        assert await world.pod() is None
        assert "Stopping container main" in [one.message for one in await world.events("Killing")]

    run(scenario)


def test_the_last_status_of_a_deleted_pod_says_how_it_ended(run):
    async def scenario(world):
        volume = core.Volume(name="v", emptyDir=core.EmptyDirVolumeSource())
        await world.create(pod(finalizers=["example.com/hold"], volumes=(volume,)))
        found = await world.phase("Running")
        place = world.directory / NODE / "pods" / found.uid / "volumes"
        assert place.exists()
        await world.delete()
        found = await world.phase("Failed")
        assert not place.exists()
        assert main_status(found).state.terminated.exitCode == 143
        await settle(world)
        held = await world.pod()
        assert held.metadata.deletionGracePeriodSeconds == 0
        writes = status_writes(world)
        await asyncio.sleep(600)
        assert writes == []
        patch = {"metadata": {"finalizers": None}}
        await world.client.patch(core.Pod, "p", NAMESPACE, patch)
        await world.gone()
        await settle(world)
        assert not (world.directory / NODE / "pods" / found.uid).exists()

    run(scenario)


def test_a_second_delete_with_less_grace_ends_it_sooner(run):
    async def scenario(world):
        world.runtime.obeys["main"] = None
        await world.create(pod(terminationGracePeriodSeconds=600))
        await world.phase("Running")
        await world.delete()
        await asyncio.sleep(10)
        await world.delete(grace=5)
        await asyncio.sleep(4)
        assert await world.pod() is not None
        await asyncio.sleep(2)
        assert await world.pod() is None

    run(scenario)


def test_a_pod_deleted_by_force_is_gone_at_once_and_its_containers_soon(run):
    async def scenario(world):
        world.runtime.obeys["main"] = None
        found = await world.create(pod())
        await world.phase("Running")
        await world.delete(grace=0)
        assert await world.pod() is None
        await settle(world)
        assert world.runtime.running() == ["main"]
        await asyncio.sleep(2.1)
        assert world.runtime.running() == []
        assert not (world.directory / NODE / "pods" / found.uid).exists()

    run(scenario)


def test_a_successor_of_the_same_name_does_not_wait_for_the_one_before(run):
    async def scenario(world):
        world.runtime.obeys["main"] = None
        first = await world.create(pod())
        await world.phase("Running")
        await world.delete(grace=0)
        second = await world.create(pod())
        assert first.uid != second.uid
        found = await world.phase("Running")
        assert found.status.podIP == "127.7.0.3"
        assert world.runtime.running() == ["main", "main"]
        await asyncio.sleep(3)
        assert world.runtime.running() == ["main"]
        assert (await world.pod()).uid == second.uid
        assert main_status(await world.pod()).restartCount == 0

    run(scenario)


def test_a_pod_deleted_while_it_starts_goes(run):
    async def scenario(world):
        annotations = {"fake.arubeki.dev/start-seconds": "100"}
        await world.create(pod(annotations=annotations))
        await settle(world)
        await world.delete()
        await world.gone(seconds=3)

    run(scenario)


def test_a_pod_deleted_while_a_volume_is_missing_goes(run):
    async def scenario(world):
        source = core.ConfigMapVolumeSource(name="cm")
        await world.create(pod(volumes=(core.Volume(name="v", configMap=source),)))
        await asyncio.sleep(1)
        assert (await world.events("FailedMount"))[0].type == "Warning"
        await world.delete()
        await world.gone(seconds=3)

    run(scenario)


def test_a_pod_that_has_ended_is_gone_with_its_object(run):
    async def scenario(world):
        world.runtime.runs["main"] = [(5, 0)]
        await world.create(pod(restartPolicy="Never"))
        await world.phase("Succeeded")
        await world.delete()
        await world.gone()

    run(scenario)


# What is status only.


def test_where_nothing_runs_the_runtime_answers_all_probes_and_hooks(run):
    http = core.HTTPGetAction(port=80)
    spec = container(
        readinessProbe=core.Probe(httpGet=http),
        livenessProbe=core.Probe(tcpSocket=core.TCPSocketAction(port=80)),
        startupProbe=core.Probe(grpc=core.GRPCAction(port=80)),
        lifecycle=core.Lifecycle(
            postStart=core.LifecycleHandler(httpGet=http),
            preStop=core.LifecycleHandler(httpGet=http),
        ),
    )

    async def scenario(world):
        await world.create(pod(spec))
        await world.until(lambda one: condition(one, "Ready"))
        found = await world.until(lambda one: condition(one, "Ready").status == "True")
        await asyncio.sleep(60)
        assert main_status(found).restartCount == 0
        await world.delete()
        await world.gone(seconds=2)
        assert {one.type for one in await world.events()} == {"Normal"}

    run(scenario)


# What a Pod refers to.


def from_config_map(name="cm", key="a"):
    selector = core.ConfigMapKeySelector(name=name, key=key)
    return core.EnvVar(name="A", valueFrom=core.EnvVarSource(configMapKeyRef=selector))


def test_what_is_missing_is_waited_for_and_seen_when_it_comes(run):
    async def scenario(world):
        await world.create(pod(container(env=(from_config_map(),))))
        await settle(world)
        waiting = main_status(await world.pod()).state.waiting
        assert waiting.reason == "CreateContainerConfigError"
        assert waiting.message == 'configmap "cm" not found'
        assert (await world.events("Failed"))[0].message == 'Error: configmap "cm" not found'
        await world.create(config_map(b="1"))
        await settle(world)
        waiting = main_status(await world.pod()).state.waiting
        assert waiting.message == "couldn't find key a in ConfigMap ns/cm"
        patch = {"data": {"a": "here"}}
        await world.client.patch(core.ConfigMap, "cm", NAMESPACE, patch)
        await settle(world)
        assert (await world.pod()).status.phase == "Running"
        assert world.runtime.commands["main"].environment["A"] == "here"
        assert asyncio.get_running_loop().time() < 2

    run(scenario)


def test_a_missing_secret_is_said_too(run):
    async def scenario(world):
        reference = core.SecretEnvSource(name="s")
        await world.create(pod(container(envFrom=(core.EnvFromSource(secretRef=reference),))))
        await settle(world)
        assert main_status(await world.pod()).state.waiting.message == 'secret "s" not found'
        await world.create(secret(A="1"))
        await settle(world)
        assert world.runtime.commands["main"].environment["A"] == "1"

    run(scenario)


def test_a_volume_that_is_missing_is_waited_for(run):
    async def scenario(world):
        source = core.ConfigMapVolumeSource(name="cm")
        await world.create(pod(volumes=(core.Volume(name="v", configMap=source),)))
        await settle(world)
        assert (await world.pod()).status.phase == "Pending"
        await world.create(config_map(a="1"))
        await settle(world)
        assert (await world.pod()).status.phase == "Running"

    run(scenario)


def test_files_that_could_not_be_brought_up_to_date_are_tried_again(run, monkeypatch):
    write = volumes.write_files

    async def scenario(world):
        await world.create(config_map(a="1"))
        source = core.ConfigMapVolumeSource(name="cm")
        made = await world.create(pod(volumes=(core.Volume(name="v", configMap=source),)))
        await world.phase("Running")
        await settle(world)

        def full(*_):
            raise OSError("disk full")

        monkeypatch.setattr(volumes, "write_files", full)
        await world.client.patch(core.ConfigMap, "cm", NAMESPACE, {"data": {"a": "2"}})
        await asyncio.sleep(11)
        said = await world.events("FailedMount")
        assert [(one.message, one.count) for one in said] == [
            ('MountVolume.SetUp failed for volume "v" : disk full', 1)
        ]
        assert main_status(await world.pod()).state.running
        monkeypatch.setattr(volumes, "write_files", write)
        await asyncio.sleep(2)
        place = world.directory / NODE / "pods" / made.uid / "volumes/kubernetes.io~configmap/v"
        assert (place / "a").read_text() == "2"

    run(scenario)


def test_a_volume_of_a_kind_that_is_not_known_is_said(run):
    async def scenario(world):
        volume = core.Volume(name="v", nfs=core.NFSVolumeSource(server="s", path="/"))
        await world.create(pod(volumes=(volume,)))
        await settle(world)
        assert (await world.events("FailedMount"))[0].message == (
            'MountVolume.SetUp failed for volume "v" : '
            "volumes of type nfs are not supported by this node"
        )

    run(scenario)


def test_the_token_of_an_account_that_is_not_there_holds_up_who_wants_it_alone(run):
    async def scenario(world):
        token = core.ServiceAccountTokenProjection(path="token")
        source = core.ProjectedVolumeSource(
            sources=(core.VolumeProjection(serviceAccountToken=token),)
        )
        await world.create(
            pod(name="asks", volumes=(core.Volume(name="v", projected=source),)), pod(name="p")
        )
        await world.phase("Running")
        assert (await world.pod("asks")).status.phase == "Pending"
        (event, *_) = await world.events("FailedMount")
        assert 'failed to fetch token: serviceaccounts "default" not found' in event.message

    run(scenario)


def test_services_are_in_the_environment(run):
    async def scenario(world):
        service = core.Service(
            metadata=meta.ObjectMeta(name="web", namespace=NAMESPACE),
            spec=core.ServiceSpec(ports=(core.ServicePort(port=80),)),
        )
        made = await world.create(service)
        await settle(world)
        await world.create(pod())
        await world.phase("Running")
        environment = world.runtime.commands["main"].environment
        assert environment["WEB_SERVICE_HOST"] == made.spec.clusterIP
        assert "KUBERNETES_SERVICE_HOST" in environment

    run(scenario)


def test_another_image_restarts_the_container(run):
    async def scenario(world):
        await world.create(pod(restartPolicy="Never"))
        await world.phase("Running")
        patch = {"spec": {"containers": [{"name": "main", "image": "other"}]}}
        await world.client.patch(core.Pod, "p", NAMESPACE, patch, type="strategic")
        found = await world.until(lambda one: main_status(one).image == "other")
        found = await world.until(lambda one: main_status(one).restartCount == 1)
        assert found.status.phase == "Running"

    run(scenario)
