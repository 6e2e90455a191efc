"""Services: addresses and ports are given once, and given back."""

import asyncio
import ipaddress

import pytest

from arubeki.server.access import Access
from arubeki.server.admission.allocation import PREFIX, Addresses
from arubeki.server.app import App, Settings
from tests.server.support import SERVICES, World, run

NETWORK = ipaddress.ip_network(Settings().service_network)


def service(name: str, **spec: object) -> dict:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


async def _allocated(world: World) -> int:
    part = await world.storage.range(PREFIX)
    return len(part.entries) - 1  # the Service `kubernetes` has one, always


def test_a_service_gets_an_address_and_gives_it_back() -> None:
    async def test(world: World) -> None:
        made = await world.json("POST", SERVICES, service("a"))
        ip = made["spec"]["clusterIP"]
        assert ipaddress.ip_address(ip) in NETWORK
        assert made["spec"]["clusterIPs"] == [ip]
        assert made["spec"]["ipFamilies"] == ["IPv4"]
        assert made["status"] == {"loadBalancer": {}}
        assert await _allocated(world) == 1
        gone = await world.json("DELETE", f"{SERVICES}/a")
        assert gone["kind"] == "Service"
        assert await _allocated(world) == 0

    run(test)


def test_an_address_may_be_asked_for_but_not_twice() -> None:
    async def test(world: World) -> None:
        ip = str(NETWORK[1000])
        await world.json("POST", SERVICES, service("a", clusterIP=ip))
        status = await world.fails(422, "POST", SERVICES, service("b", clusterIP=ip))
        assert status["message"].endswith(
            f"failed to allocate IP {ip}: provided IP is already allocated"
        )
        await world.fails(422, "POST", SERVICES, service("b", clusterIP="10.1.2.3"))
        await world.fails(422, "POST", SERVICES, service("b", clusterIP=str(NETWORK[0])))
        assert await _allocated(world) == 1
        await world.json("DELETE", f"{SERVICES}/a")
        await world.json("POST", SERVICES, service("b", clusterIP=ip))

    run(test)


def test_a_headless_or_external_service_takes_nothing() -> None:
    async def test(world: World) -> None:
        made = await world.json("POST", SERVICES, service("a", clusterIP="None"))
        assert made["spec"]["clusterIPs"] == ["None"]
        external = {"type": "ExternalName", "externalName": "example.com"}
        made = await world.json("POST", SERVICES, {"metadata": {"name": "b"}, "spec": external})
        assert "clusterIP" not in made["spec"]
        assert await _allocated(world) == 0
        await world.json("DELETE", SERVICES.replace("services", "services/a"))

    run(test)


def test_node_ports_are_given_once() -> None:
    async def test(world: World) -> None:
        made = await world.json("POST", SERVICES, service("a", type="NodePort"))
        port = made["spec"]["ports"][0]["nodePort"]
        assert 30000 <= port <= 32767
        assert await _allocated(world) == 2
        same = service("b", type="NodePort", ports=[{"port": 80, "nodePort": port}])
        status = await world.fails(422, "POST", SERVICES, same)
        assert status["message"].endswith(
            f"spec.ports[0].nodePort: Invalid value: {port}: provided port is already allocated"
        )
        out = service("b", type="NodePort", ports=[{"port": 80, "nodePort": 99}])
        status = await world.fails(422, "POST", SERVICES, out)
        assert "The range of valid ports is 30000-32767" in status["message"]
        assert await _allocated(world) == 2
        both = [
            {"name": "t", "port": 80, "nodePort": 31000, "protocol": "TCP"},
            {"name": "u", "port": 80, "nodePort": 31000, "protocol": "UDP"},
        ]
        await world.json("POST", SERVICES, service("c", type="NodePort", ports=both))
        assert await _allocated(world) == 4

    run(test)


def test_an_update_keeps_takes_and_gives_back() -> None:
    async def test(world: World) -> None:
        path = f"{SERVICES}/a"
        made = await world.json("POST", SERVICES, service("a"))
        ip = made["spec"]["clusterIP"]
        kept = await world.json("PUT", path, service("a", ports=[{"port": 81}]))
        assert kept["spec"]["clusterIP"] == ip
        opened = await world.patch(path, {"spec": {"type": "NodePort"}})
        port = opened["spec"]["ports"][0]["nodePort"]
        assert await _allocated(world) == 2
        again = await world.json("PUT", path, service("a", type="NodePort", ports=[{"port": 81}]))
        assert again["spec"]["ports"][0]["nodePort"] == port
        closed = await world.patch(path, {"spec": {"type": "ClusterIP"}})
        assert "nodePort" not in closed["spec"]["ports"][0]
        assert await _allocated(world) == 1
        headers = {"content-type": "application/merge-patch+json"}
        other = {"spec": {"clusterIP": str(NETWORK[2000]), "clusterIPs": [str(NETWORK[2000])]}}
        status = await world.fails(422, "PATCH", path, other, headers=headers)
        assert "may not change once set" in status["message"]
        await world.patch(path, {"spec": {"type": "ExternalName", "externalName": "example.com"}})
        assert await _allocated(world) == 0
        back = await world.patch(path, {"spec": {"type": "ClusterIP", "externalName": None}})
        assert ipaddress.ip_address(back["spec"]["clusterIP"]) in NETWORK
        assert await _allocated(world) == 1

    run(test)


def test_what_is_refused_or_only_tried_takes_nothing() -> None:
    async def test(world: World) -> None:
        await world.json("POST", SERVICES, service("a", type="NodePort"), dryRun="All")
        await world.fails(422, "POST", SERVICES, service("1bad", type="NodePort"))
        twice = [{"name": "x", "port": 80}, {"name": "y", "port": 81, "nodePort": 5}]
        await world.fails(422, "POST", SERVICES, service("a", type="NodePort", ports=twice))
        assert await _allocated(world) == 0
        await world.json("POST", SERVICES, service("a"))
        await world.fails(409, "POST", SERVICES, service("a"))
        assert await _allocated(world) == 1

    run(test)


def test_a_full_range_is_told() -> None:
    settings = Settings(service_network="127.250.0.0/29")

    async def test(world: World) -> None:
        got = []
        for index in range(5):  # six addresses, one of them for `kubernetes`
            made = await world.json("POST", SERVICES, service(f"s{index}"))
            got.append(made["spec"]["clusterIP"])
        assert len(set(got)) == 5
        status = await world.fails(500, "POST", SERVICES, service("more"))
        assert status["message"] == "failed to allocate a serviceIP: range is full"
        await world.json("DELETE", f"{SERVICES}/s3")
        made = await world.json("POST", SERVICES, service("more"))
        assert made["spec"]["clusterIP"] == got[3]

    run(test, settings=settings)


def test_two_servers_on_one_store_never_give_the_same_address() -> None:
    async def test(world: World) -> None:
        other = World.__new__(World)
        other.storage = world.storage
        other.app = App(world.storage, access=Access())
        await other.app.start()
        answers = await asyncio.gather(
            *(
                (world if index % 2 else other).json("POST", SERVICES, service(f"s{index}"))
                for index in range(40)
            )
        )
        assert len({one["spec"]["clusterIP"] for one in answers}) == 40
        await other.app.stop()

    run(test)


def test_allocations_are_repaired() -> None:
    async def test(world: World) -> None:
        made = await world.json("POST", SERVICES, service("a"))
        addresses = Addresses(world.storage, str(NETWORK))
        number = addresses.number(made["spec"]["clusterIP"])
        assert number is not None
        pool = addresses.pool
        await pool.release(number, await pool.owner(number))
        leaked = await pool.take_any("default/nobody")
        assert leaked is not None
        await world.app._sweeper.repair()
        assert await pool.owner(number)
        assert await pool.owner(leaked) == "default/nobody"  # it may be about to be stored
        await world.app._sweeper.repair()
        assert await pool.owner(leaked) == ""

    run(test)


def test_the_cluster_has_its_own_service() -> None:
    async def test(world: World) -> None:
        found = await world.json("GET", f"{SERVICES}/kubernetes")
        assert found["spec"]["clusterIP"] == str(NETWORK[1])
        endpoints = await world.json("GET", "/api/v1/namespaces/default/endpoints/kubernetes")
        assert endpoints["subsets"][0]["ports"][0]["port"] == 1234
        path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
        assert (await world.json("GET", path))["endpoints"][0]["addresses"] == ["127.0.0.1"]

    run(test, settings=Settings(port=1234))


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public", "kube-node-lease"])
def test_the_cluster_has_its_namespaces(name: str) -> None:
    async def test(world: World) -> None:
        found = await world.json("GET", f"/api/v1/namespaces/{name}")
        assert found["status"]["phase"] == "Active"

    run(test)


def test_a_second_start_changes_nothing_but_the_port() -> None:
    async def test(world: World) -> None:
        revision = world.storage.revision
        same = App(world.storage, access=Access())
        await same.start()
        await same.stop()
        assert world.storage.revision == revision
        moved = App(world.storage, access=Access(), settings=Settings(port=7777))
        await moved.start()
        await moved.stop()
        endpoints = await world.json("GET", "/api/v1/namespaces/default/endpoints/kubernetes")
        assert endpoints["subsets"][0]["ports"][0]["port"] == 7777

    run(test)
