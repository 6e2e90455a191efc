"""Old Events go by themselves."""

import asyncio

from arubeki import clock
from tests.server.support import CONFIG_MAPS, World, config_map, run

EVENTS = "/api/v1/namespaces/default/events"


def event(name: str, **more: object) -> dict:
    return {
        "metadata": {"name": name},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        **more,
    }


def test_an_event_goes_an_hour_after_it_was_last_told() -> None:
    async def test(world: World) -> None:
        await world.json("POST", EVENTS, event("once"))
        await world.json("POST", EVENTS, event("again", count=1))
        await world.json("POST", CONFIG_MAPS, config_map("stays"))
        await asyncio.sleep(1800)
        await world.patch(f"{EVENTS}/again", {"lastTimestamp": clock.timestamp(), "count": 2})
        await asyncio.sleep(1750)
        assert len((await world.json("GET", EVENTS))["items"]) == 2
        await asyncio.sleep(150)
        left = await world.json("GET", EVENTS)
        assert [item["metadata"]["name"] for item in left["items"]] == ["again"]
        await asyncio.sleep(1800)
        assert (await world.json("GET", EVENTS))["items"] == []
        await world.json("GET", f"{CONFIG_MAPS}/stays")

    run(test)


def test_sweeping_goes_on_after_a_failure() -> None:
    async def test(world: World) -> None:
        await world.json("POST", EVENTS, event("old"))
        working = world.storage.range

        async def broken(*args: object, **more: object) -> None:
            raise RuntimeError("for once")

        world.storage.range = broken  # type: ignore[method-assign, assignment]
        await asyncio.sleep(3700)
        world.storage.range = working  # type: ignore[method-assign]
        assert len((await world.json("GET", EVENTS))["items"]) == 1
        await asyncio.sleep(120)
        assert (await world.json("GET", EVENTS))["items"] == []

    run(test)
