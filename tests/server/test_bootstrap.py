import json

from tests.server.support import World, run


async def names(world: World, path: str) -> list[str]:
    found = await world.json("GET", path)
    return [one["metadata"]["name"] for one in found["items"]]


def test_a_new_cluster_lists_what_every_cluster_has() -> None:
    async def test(world: World) -> None:
        assert await names(world, "/apis/scheduling.k8s.io/v1/priorityclasses") == [
            "system-cluster-critical",
            "system-node-critical",
        ]
        flow = "/apis/flowcontrol.apiserver.k8s.io/v1"
        assert len(await names(world, f"{flow}/flowschemas")) == 11
        assert len(await names(world, f"{flow}/prioritylevelconfigurations")) == 8
        assert await names(world, "/apis/networking.k8s.io/v1/servicecidrs") == ["kubernetes"]

    run(test)


def test_each_group_and_version_has_an_api_service() -> None:
    async def test(world: World) -> None:
        known = await names(world, "/apis/apiregistration.k8s.io/v1/apiservices")
        answer = await world.ask("GET", "/apis")
        groups = json.loads(answer.content())["groups"]
        served = [
            f"{version['version']}.{group['name']}"
            for group in groups
            for version in group["versions"]
            if group["name"] != "apiregistration.k8s.io"
        ]
        assert sorted(known) == sorted(["v1.", *served])

    run(test)


def test_a_second_start_finds_everything_there() -> None:
    async def test(world: World) -> None:
        path = "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical"
        before = await world.json("GET", path)
        await world.app.stop()
        await world.app.start()
        assert await world.json("GET", path) == before

    run(test)
