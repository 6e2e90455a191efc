"""Endpoints by hand, as slices."""

from arubeki.controllers import mirroring
from arubeki.kinds import core_v1 as core
from arubeki.kinds import discovery_v1 as discovery
from arubeki.kinds import meta_v1 as meta
from tests.controllers.kit import run
from tests.support.play import NAMESPACE


def service(**spec):
    metadata = meta.ObjectMeta(name="s", namespace=NAMESPACE)
    return core.Service(
        metadata=metadata, spec=core.ServiceSpec(ports=(core.ServicePort(port=80),), **spec)
    )


def by_hand(*ips, waiting=(), port=80, labels=None, annotations=None):
    return core.Endpoints(
        metadata=meta.ObjectMeta(
            name="s", namespace=NAMESPACE, labels=labels or {}, annotations=annotations or {}
        ),
        subsets=(
            core.EndpointSubset(
                addresses=tuple(core.EndpointAddress(ip=ip) for ip in ips),
                notReadyAddresses=tuple(core.EndpointAddress(ip=ip) for ip in waiting),
                ports=(core.EndpointPort(port=port),),
            ),
        ),
    )


async def mirrored(world, manager):
    await manager.settle()
    found = await world.client.list(discovery.EndpointSlice, NAMESPACE)
    return sorted(
        (
            one.addressType,
            [port.port for port in one.ports],
            [(each.addresses[0], each.conditions.ready) for each in one.endpoints],
        )
        for one in found
    )


def mirroring_of(scenario):
    run(scenario, mirroring.controller())


def test_each_family_of_addresses_has_its_slice():
    async def scenario(world, manager):
        await world.client.create(service())
        await world.client.create(by_hand("10.0.0.1", "fd00::1", waiting=["10.0.0.2"]))
        assert await mirrored(world, manager) == [
            ("IPv4", [80], [("10.0.0.1", True), ("10.0.0.2", False)]),
            ("IPv6", [80], [("fd00::1", True)]),
        ]

    mirroring_of(scenario)


def test_a_slice_says_whose_it_is():
    async def scenario(world, manager):
        await world.client.create(service())
        notes = {"a": "b", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
        await world.client.create(by_hand("10.0.0.1", labels={"x": "y"}, annotations=notes))
        await manager.settle()
        (found,) = await world.client.list(discovery.EndpointSlice, NAMESPACE)
        assert found.labels == {
            "x": "y",
            mirroring.SERVICE_LABEL: "s",
            mirroring.MANAGED_LABEL: mirroring.MANAGER,
        }
        assert found.annotations == {"a": "b"}
        assert [(one.kind, one.controller) for one in found.owners] == [("Endpoints", True)]

    mirroring_of(scenario)


def test_slices_follow_and_go_with_the_endpoints():
    async def scenario(world, manager):
        await world.client.create(service())
        await world.client.create(by_hand("10.0.0.1"))
        await manager.settle()
        patch = {"subsets": [{"addresses": [{"ip": "10.0.0.9"}], "ports": [{"port": 81}]}]}
        await world.client.patch(core.Endpoints, "s", NAMESPACE, patch)
        assert await mirrored(world, manager) == [("IPv4", [81], [("10.0.0.9", True)])]
        await world.client.delete(core.Endpoints, "s", NAMESPACE)
        assert await mirrored(world, manager) == []

    mirroring_of(scenario)


def test_what_is_not_written_by_hand_is_left_alone():
    async def scenario(world, manager):
        await world.client.create(service(selector={"app": "web"}))
        await world.client.create(by_hand("10.0.0.1"))
        assert await mirrored(world, manager) == []
        # Without the selector it is; and no more once it says so itself.
        await world.client.patch(core.Service, "s", NAMESPACE, {"spec": {"selector": None}})
        assert len(await mirrored(world, manager)) == 1
        patch = {"metadata": {"labels": {mirroring.SKIPPED_LABEL: "true"}}}
        await world.client.patch(core.Endpoints, "s", NAMESPACE, patch)
        assert await mirrored(world, manager) == []

    mirroring_of(scenario)
