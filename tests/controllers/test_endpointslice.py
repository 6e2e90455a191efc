"""EndpointSlice: which Pods are listed, what is said of each, how they are parted into slices."""

import pytest

from arubeki.controllers import endpointslice
from arubeki.controllers.endpointslice import LIMIT, packed, ports_of
from arubeki.kinds import core_v1 as core
from arubeki.kinds import discovery_v1 as discovery
from arubeki.kinds import meta_v1 as meta
from tests.controllers.kit import run
from tests.support import play
from tests.support.play import NAMESPACE


def worked(scenario, **options):
    return run(scenario, endpointslice.controller(), **options)


async def slices(world, service="web"):
    labels = f"{endpointslice.SERVICE_LABEL}={service}"
    found = await world.client.list(discovery.EndpointSlice, NAMESPACE, labels=labels)
    return sorted(found, key=lambda one: one.name)


def said(slice_):
    """Return (ready, serving, terminating) by Pod."""
    return {
        one.targetRef.name: (
            one.conditions.ready,
            one.conditions.serving,
            one.conditions.terminating,
        )
        for one in slice_.endpoints or ()
    }


def test_a_service_without_pods_has_one_empty_slice():
    async def scenario(world, manager):
        made = await world.client.create(play.service())
        await manager.settle()
        (one,) = await slices(world)
        assert (one.endpoints, one.ports, one.addressType) == ((), (), "IPv4")
        assert one.labels == {
            "kubernetes.io/service-name": "web",
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        }
        assert one.controller.uid == made.uid

    worked(scenario)


def test_an_endpoint_says_where_its_pod_is_and_how_it_does():
    async def scenario(world, manager):
        zone = {"metadata": {"labels": {"topology.kubernetes.io/zone": "north"}}}
        await world.client.patch(core.Node, "n1", "", zone)
        await world.client.create(play.service())
        await world.client.create(play.pod("a", hostname="first", subdomain="web"))
        await world.client.create(play.pod("b", hostname="second", subdomain="other"))
        await manager.settle()
        assert (await slices(world))[0].endpoints == ()  # without addresses there are none
        await play.play(world, ready=lambda one: one.name == "a")
        await manager.settle()
        (one,) = await slices(world)
        assert said(one) == {"a": (True, True, False), "b": (False, False, False)}
        first, second = one.endpoints
        assert first.addresses == ("10.0.0.1",)
        assert (first.nodeName, first.zone, first.hostname) == ("n1", "north", "first")
        assert first.targetRef.kind == "Pod"
        assert first.targetRef.namespace == NAMESPACE
        assert not second.hostname
        assert [(each.name, each.port, each.protocol) for each in one.ports] == [
            ("http", 80, "TCP")
        ]

    worked(scenario)


def test_a_pod_that_ends_serves_but_is_not_ready_then_is_gone():
    async def scenario(world, manager):
        await world.client.create(play.service())
        await world.client.create(play.pod("a"))
        await play.play(world)
        await world.client.delete(core.Pod, "a", NAMESPACE)
        await manager.settle()
        assert said((await slices(world))[0]) == {"a": (False, True, True)}
        await play.play(world)
        await manager.settle()
        assert (await slices(world))[0].endpoints == ()

    worked(scenario)


def test_a_pod_that_has_ended_is_not_listed():
    async def scenario(world, manager):
        await world.client.create(play.service())
        await world.client.create(play.pod("a"))
        await play.play(world)
        await play.say(world, await world.client.get(core.Pod, "a", NAMESPACE), phase="Succeeded")
        await manager.settle()
        assert (await slices(world))[0].endpoints == ()

    worked(scenario)


def test_not_ready_addresses_are_published_when_asked_for():
    async def scenario(world, manager):
        await world.client.create(play.service(publishNotReadyAddresses=True))
        await world.client.create(play.pod("a"))
        await play.play(world, ready=lambda one: False)
        await manager.settle()
        assert said((await slices(world))[0]) == {"a": (True, False, False)}

    worked(scenario)


def test_pods_of_a_node_that_is_gone_are_not_listed():
    async def scenario(world, manager):
        await world.client.create(play.service())
        await world.client.create(play.service("open", publishNotReadyAddresses=True))
        await world.client.create(play.pod("a"))
        await play.play(world)
        await manager.settle()
        assert said((await slices(world))[0])
        await world.client.delete(core.Node, "n1")
        await manager.settle()
        assert (await slices(world))[0].endpoints == ()
        assert said((await slices(world, "open"))[0])

    worked(scenario)


def test_a_pod_that_is_relabelled_leaves_one_service_for_another():
    async def scenario(world, manager):
        await world.client.create(play.service())
        await world.client.create(play.service("other", app="other"))
        await world.client.create(play.pod("a"))
        await play.play(world)
        await world.client.patch(
            core.Pod, "a", NAMESPACE, {"metadata": {"labels": {"app": "other"}}}
        )
        await manager.settle()
        assert said((await slices(world))[0]) == {}
        assert said((await slices(world, "other"))[0]) == {"a": (True, True, False)}

    worked(scenario)


@pytest.mark.parametrize("spec", [{"type": "ExternalName", "externalName": "a.example"}, {}])
def test_what_is_not_ours_to_write_has_no_slice(spec):
    async def scenario(world, manager):
        port = core.ServicePort(port=80)
        await world.client.create(
            core.Service(
                metadata=meta.ObjectMeta(name="web", namespace=NAMESPACE),
                spec=core.ServiceSpec(ports=(port,), **spec),
            )
        )
        await manager.settle()
        assert await slices(world) == []

    worked(scenario)


def test_labels_are_the_services_but_for_ours():
    async def scenario(world, manager):
        made = play.service(clusterIP="None")
        labels = {"tier": "front", "kubernetes.io/service-name": "fake"}
        await world.client.create(made.evolve(metadata=made.metadata.evolve(labels=labels)))
        await manager.settle()
        (one,) = await slices(world)
        assert one.labels == {
            "tier": "front",
            "kubernetes.io/service-name": "web",
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            "service.kubernetes.io/headless": "",
        }

    worked(scenario)


def test_a_slice_that_somebody_deletes_or_changes_comes_back():
    async def scenario(world, manager):
        await world.client.create(play.service())
        await world.client.create(play.pod("a"))
        await play.play(world)
        await manager.settle()
        (one,) = await slices(world)
        await world.client.delete(discovery.EndpointSlice, one.name, NAMESPACE)
        await manager.settle()
        assert said((await slices(world))[0]) == {"a": (True, True, False)}
        await world.client.patch(discovery.EndpointSlice, one.name, NAMESPACE, {"endpoints": []})
        await manager.settle()
        assert said((await slices(world))[0]) == {"a": (True, True, False)}

    worked(scenario)


# Ports.


def box(name, number, protocol="TCP", restart=None):
    port = core.ContainerPort(name=name, containerPort=number, protocol=protocol)
    options = {"restartPolicy": restart} if restart else {}
    return core.Container(name=f"c{number}", image="one", ports=(port,), **options)


def listening(*containers, inits=()):
    return core.Pod(spec=core.PodSpec(containers=containers, initContainers=inits))


def serving(target, protocol="TCP"):
    port = core.ServicePort(name="p", port=80, targetPort=target, protocol=protocol)
    return core.Service(spec=core.ServiceSpec(ports=(port,)))


@pytest.mark.parametrize(
    ("service", "pod", "expected"),
    [
        (serving(8080), listening(), 8080),
        (serving("web"), listening(box("web", 8081)), 8081),
        (serving("web"), listening(box("web", 8081, "UDP")), None),
        (serving("web", "UDP"), listening(box("web", 8081, "UDP")), 8081),
        (serving("web"), listening(box("other", 1)), None),
        (serving("web"), listening(inits=(box("web", 9, restart="Always"),)), 9),
        (serving("web"), listening(inits=(box("web", 9),)), None),
    ],
)
def test_a_port_is_found_by_number_or_name(service, pod, expected):
    found = ports_of(service, pod)
    assert [number for _, _, number, _ in found] == ([expected] if expected else [])


def test_what_a_port_speaks_is_passed_on():
    service = serving(80)
    (port,) = service.spec.ports
    spoken = port.evolve(appProtocol="kubernetes.io/h2c")
    service = service.evolve(spec=service.spec.evolve(ports=(spoken,)))
    assert ports_of(service, listening()) == (("p", "TCP", 80, "kubernetes.io/h2c"),)


def test_pods_with_other_ports_have_a_slice_of_their_own():
    async def scenario(world, manager):
        await world.client.create(play.service())
        await world.client.create(play.pod("a"))
        await world.client.create(play.pod("b", containers=(box("http", 8080),)))
        await play.play(world)
        await manager.settle()
        found = {one.ports[0].port: said(one).keys() for one in await slices(world)}
        assert found == {80: {"a"}, 8080: {"b"}}
        await world.client.delete(core.Pod, "b", NAMESPACE, grace_seconds=0)
        await manager.settle()
        assert [said(one).keys() for one in await slices(world)] == [{"a"}]

    worked(scenario)


# Packing.

PORTS = (("http", "TCP", 80, ""),)
SERVICE = core.Service(metadata=meta.ObjectMeta(name="web", uid="u"))


def members(*numbers):
    return [
        core.Pod(metadata=meta.ObjectMeta(name=f"p{number:03}", uid=f"u{number}"))
        for number in numbers
    ]


def as_existing(placed):
    return [
        discovery.EndpointSlice(
            metadata=meta.ObjectMeta(name=name),
            addressType="IPv4",
            endpoints=tuple(
                discovery.Endpoint(addresses=(), targetRef=core.ObjectReference(uid=one.uid))
                for one in pods
            ),
        )
        for name, pods in placed.items()
    ]


def test_a_slice_holds_a_hundred():
    placed = packed(SERVICE, PORTS, members(*range(250)), [])
    assert sorted(map(len, placed.values())) == [50, 100, 100]
    assert len({one.uid for found in placed.values() for one in found}) == 250


def test_who_has_a_place_keeps_it_and_gaps_are_filled():
    before = packed(SERVICE, PORTS, members(*range(250)), [])
    stay = [number for number in range(250) if number % 3]
    after = packed(SERVICE, PORTS, members(*stay, *range(250, 280)), as_existing(before))
    homes = {one.uid: name for name, found in before.items() for one in found}
    for name, found in after.items():
        assert len(found) <= LIMIT
        assert all(homes.get(one.uid, name) == name for one in found)
    assert after.keys() <= before.keys()
    assert sum(map(len, after.values())) == len(stay) + 30


def test_packing_twice_changes_nothing():
    placed = packed(SERVICE, PORTS, members(*range(120)), [])
    again = packed(SERVICE, PORTS, members(*range(120)), as_existing(placed))
    assert again == placed


def test_one_change_of_many_pods_touches_one_slice():
    async def scenario(world, manager):
        await world.client.create(play.service())
        for number in range(LIMIT + 20):
            await world.client.create(play.pod(f"p{number:03}"))
        await play.play(world)
        await manager.settle()
        before = {one.name: one.resource_version for one in await slices(world)}
        assert len(before) == 2
        await world.client.delete(core.Pod, "p007", NAMESPACE)
        await manager.settle()
        after = {one.name: one.resource_version for one in await slices(world)}
        assert sum(before[name] != after[name] for name in before) == 1

    worked(scenario)
