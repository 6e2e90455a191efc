"""Services that answer: the table from objects, and real connections through it."""

import asyncio
import contextlib
import errno
import socket

import pytest
import uvloop

from arubeki.kinds import core_v1 as core
from arubeki.kinds import discovery_v1 as discovery
from arubeki.kinds import meta_v1 as meta
from arubeki.node.network import addresses
from arubeki.node.network.proxy import Backends
from arubeki.node.services import SERVICE_LABEL, Services, listeners, not_carried
from arubeki.runtime.manager import Manager
from arubeki.server.access import Access
from arubeki.server.app import App as Server
from arubeki.server.core import Settings
from tests.node.kit import NAMESPACE
from tests.support.world import World

PORT = 18437
"""One that nobody on this machine is likely to have on all addresses."""

# The table.


def service(*ports, name="web", ip=None, **spec):
    ports = ports or (core.ServicePort(port=PORT, name="http"),)
    if ip is not None:
        spec["clusterIP"] = ip
    return core.Service(
        metadata=meta.ObjectMeta(name=name, namespace=NAMESPACE),
        spec=core.ServiceSpec(ports=ports, **spec),
    )


def endpoint(address, **conditions):
    said = discovery.EndpointConditions(**conditions) if conditions else None
    more = {"conditions": said} if said else {}
    return discovery.Endpoint(addresses=(address,), **more)


def slice_of(*endpoints, port=80, port_name="http", name="web-1", service="web"):
    return discovery.EndpointSlice(
        metadata=meta.ObjectMeta(name=name, namespace=NAMESPACE, labels={SERVICE_LABEL: service}),
        addressType="IPv4",
        endpoints=endpoints,
        ports=(discovery.EndpointPort(name=port_name, port=port),),
    )


def table(found, *slices):
    return listeners(found, slices, "127.0.0.1")


A, B = ("127.1.0.2", 80), ("127.1.0.3", 80)


def test_a_service_listens_at_its_address_and_its_node_port():
    ports = (
        core.ServicePort(port=80, name="http", nodePort=30080),
        core.ServicePort(port=443, name="https"),
    )
    found = service(*ports, ip="127.200.0.9", type="NodePort")
    said = table(found, slice_of(endpoint(A[0])))
    assert said == {
        ("127.200.0.9", 80): Backends((A,)),
        ("127.0.0.1", 30080): Backends((A,)),
        ("127.200.0.9", 443): Backends(()),
    }


@pytest.mark.parametrize(
    "fields", [{"ip": "None"}, {"ip": ""}, {"type": "ExternalName", "externalName": "x"}]
)
def test_a_service_without_an_address_listens_nowhere(fields):
    assert table(service(**fields), slice_of(endpoint(A[0]))) == {}


def behind(*endpoints):
    said = table(service(ip="127.200.0.9"), slice_of(*endpoints))
    return said["127.200.0.9", PORT].endpoints


def test_connections_go_to_who_is_ready():
    assert behind(endpoint(A[0], ready=True), endpoint(B[0], ready=False)) == (A,)
    assert behind(endpoint(A[0])) == (A,)
    # With publishNotReadyAddresses the slice says that all are.
    assert behind(endpoint(A[0], ready=True, serving=False)) == (A,)


def test_who_ends_serves_on_while_nobody_else_is_ready():
    leaving = endpoint(A[0], ready=False, serving=True, terminating=True)
    assert behind(leaving) == (A,)
    assert behind(leaving, endpoint(B[0], ready=True)) == (B,)
    assert behind(endpoint(A[0], ready=False, serving=False, terminating=True)) == ()


def test_slices_add_up_and_ports_go_by_their_names():
    found = service(ip="127.200.0.9")
    said = table(
        found,
        slice_of(endpoint(A[0])),
        slice_of(endpoint(B[0]), port=81),
        slice_of(endpoint(A[0]), port=9, port_name="other"),
    )
    assert said["127.200.0.9", PORT].endpoints == (A, (B[0], 81))


def test_affinity_lasts_three_hours_unless_said():
    found = service(ip="127.200.0.9", sessionAffinity="ClientIP")
    assert table(found)["127.200.0.9", PORT].affinity_seconds == 10800
    config = core.SessionAffinityConfig(clientIP=core.ClientIPConfig(timeoutSeconds=5))
    found = service(ip="127.200.0.9", sessionAffinity="ClientIP", sessionAffinityConfig=config)
    assert table(found)["127.200.0.9", PORT].affinity_seconds == 5


def test_what_is_not_tcp_is_not_carried_and_said():
    ports = (core.ServicePort(port=53, protocol="UDP"), core.ServicePort(port=53, protocol="TCP"))
    found = service(*ports, ip="127.200.0.9")
    assert set(table(found)) == {("127.200.0.9", 53)}
    assert not_carried(found) == [
        "port 53/UDP is not carried: the proxy of this node knows TCP alone"
    ]
    assert not_carried(service(*ports, ip="None")) == []


# Connections.


class ServiceWorld(World):
    """A server whose Services have addresses of this machine, and a proxy for them."""

    def __init__(self):
        super().__init__()
        self.block = addresses.claim(first=100, last=179)
        settings = Settings()
        settings.service_network = self.block.cidr
        self.server = Server(self.storage, access=Access(), settings=settings)
        self.client = self.client_of("tester")
        self.services = Services(self.block.first)
        self.manager = None
        self._servers = contextlib.AsyncExitStack()

    async def __aenter__(self):
        await super().__aenter__()
        await self.client.create(core.Namespace(metadata=meta.ObjectMeta(name=NAMESPACE)))
        self.manager = Manager(self.client_of("kube-proxy"), [self.services.controller])
        await self.manager.start()
        await self.manager.wait_synced()
        return self

    async def __aexit__(self, *raised):
        await self.manager.stop()
        await self.services.close()
        await self._servers.aclose()
        await super().__aexit__(*raised)
        self.block.close()

    async def backend(self, name):
        """Serve `name` to whoever connects; return where."""

        def answer(_, writer):
            writer.write(name.encode())
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        await self._servers.enter_async_context(server)
        return server.sockets[0].getsockname()[1]

    async def patch(self, name, *endpoints):
        dicts = [
            {"addresses": list(one.addresses), "conditions": {"ready": one.conditions.ready}}
            for one in endpoints
        ]
        await self.client.patch(discovery.EndpointSlice, name, NAMESPACE, {"endpoints": dicts})
        await self.manager.settle()

    async def events(self, reason):
        found = await self.client.list(core.Event, NAMESPACE)
        return [one for one in found if one.reason == reason]


def run(scenario):
    async def main():
        async with ServiceWorld() as world:
            await scenario(world)

    uvloop.run(main())


async def get(place):
    """Return what a connection gives; None when it is refused."""
    try:
        reader, writer = await asyncio.open_connection(*place)
    except ConnectionRefusedError:
        return None
    try:
        return (await reader.read()).decode()
    except ConnectionResetError:
        return None
    finally:
        writer.close()


READY, UNREADY = endpoint("127.0.0.1", ready=True), endpoint("127.0.0.1", ready=False)


def test_a_service_answers_at_its_address_and_port():
    async def scenario(world):
        port = await world.backend("one")
        made = await world.client.create(service(type="NodePort"))
        await world.client.create(slice_of(READY, port=port))
        await world.manager.settle()
        assert await get((made.spec.clusterIP, PORT)) == "one"
        assert await get((world.block.first, made.spec.ports[0].nodePort)) == "one"

    run(scenario)


def test_a_service_without_endpoints_refuses_until_there_is_one():
    async def scenario(world):
        port = await world.backend("one")
        made = await world.client.create(service())
        await world.client.create(slice_of(UNREADY, port=port))
        await world.manager.settle()
        place = (made.spec.clusterIP, PORT)
        assert await get(place) is None
        await world.patch("web-1", READY)
        assert await get(place) == "one"
        await world.patch("web-1", UNREADY)
        assert await get(place) is None

    run(scenario)


def test_a_deleted_service_answers_no_more():
    async def scenario(world):
        port = await world.backend("one")
        made = await world.client.create(service())
        await world.client.create(slice_of(READY, port=port))
        await world.manager.settle()
        await world.client.delete(core.Service, "web", NAMESPACE)
        await world.manager.settle()
        assert await get((made.spec.clusterIP, PORT)) is None
        assert (made.spec.clusterIP, PORT) not in world.services.listening

    run(scenario)


def test_connections_take_turns_and_with_affinity_they_do_not():
    async def scenario(world):
        one, two = await world.backend("one"), await world.backend("two")
        fair = await world.client.create(service())
        loyal = await world.client.create(service(name="loyal", sessionAffinity="ClientIP"))
        for number, port in enumerate((one, two)):
            for owner in ("web", "loyal"):
                await world.client.create(
                    slice_of(READY, port=port, name=f"{owner}-{number}", service=owner)
                )
        await world.manager.settle()
        assert {await get((fair.spec.clusterIP, PORT)) for _ in range(4)} == {"one", "two"}
        assert len({await get((loyal.spec.clusterIP, PORT)) for _ in range(6)}) == 1

    run(scenario)


def test_a_low_port_that_cannot_be_had_is_served_higher_and_said_once():
    async def scenario(world):
        port = await world.backend("one")
        address = f"127.{world.block.octet}.0.77"
        with socket.socket() as taken:
            try:
                taken.bind((address, 80))
            except OSError as error:
                assert error.errno == errno.EACCES  # then the Service may not have it either
            web = core.ServicePort(port=80, name="http")
            await world.client.create(service(web, clusterIP=address))
            await world.client.create(slice_of(READY, port=port))
            await world.manager.settle()
            assert world.services.listening[address, 80].actual == (address, 10080)
            assert await get((address, 10080)) == "one"
            await world.patch("web-1", UNREADY)
            await world.patch("web-1", READY)
        said = await world.events("PortMoved")
        assert [one.count for one in said] == [1]
        assert f"listening on {address}:10080" in said[0].message

    run(scenario)


def test_a_port_that_cannot_be_had_at_all_is_said_and_tried_again(monkeypatch):
    monkeypatch.setattr("arubeki.node.services.RETRY_SECONDS", 0.05)

    async def scenario(world):
        port = await world.backend("one")
        address = f"127.{world.block.octet}.0.78"
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after an earlier run
            taken.bind((address, PORT))
            taken.listen()
            await world.client.create(service(clusterIP=address))
            await world.client.create(slice_of(READY, port=port))
            await world.manager.settle()
            assert world.services.listening[address, PORT].actual is None
            assert len(await world.events("PortUnavailable")) == 1
        async with asyncio.timeout(5):
            while await get((address, PORT)) != "one":
                await asyncio.sleep(0.01)

    run(scenario)


def test_udp_is_said_to_be_not_carried():
    async def scenario(world):
        ports = (
            core.ServicePort(port=5300, name="dns", protocol="UDP"),
            core.ServicePort(port=5300, name="dns-tcp"),
        )
        await world.client.create(service(*ports))
        await world.manager.settle()
        said = await world.events("PortNotCarried")
        assert [one.message for one in said] == [
            "port 5300/UDP is not carried: the proxy of this node knows TCP alone"
        ]

    run(scenario)
