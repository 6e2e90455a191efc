"""Defaults of custom resources: with requests, and for what was stored before them."""

import pytest

from tests.server.support import DEFINITIONS, WIDGETS, World, definition, run, widget

NAME = "widgets.example.com"
PLACE = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties"
JSON_PATCH = {"content-type": "application/json-patch+json"}


async def add_default(world: World, field: str, value: object) -> None:
    patch = [
        {"op": "add", "path": f"{PLACE}/{field}", "value": {"type": "string", "default": value}}
    ]
    await world.json("PATCH", f"{DEFINITIONS}/{NAME}", patch, headers=JSON_PATCH)


def plain(**more: object) -> dict:
    made = widget("a")
    made["spec"] = {**made.get("spec", {}), **more}
    return made


def test_what_was_stored_before_a_default_shows_it_wherever_it_is_read() -> None:
    async def test(world: World) -> None:
        await world.json("POST", DEFINITIONS, definition())
        before = await world.json("POST", WIDGETS, plain())
        assert "color" not in before["spec"]
        await add_default(world, "color", "red")
        found = await world.json("GET", f"{WIDGETS}/a")
        assert found["spec"]["color"] == "red"
        assert found["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
        (listed,) = (await world.json("GET", WIDGETS))["items"]
        assert listed["spec"] == found["spec"]
        watch = await world.watch(WIDGETS)
        (event,) = await watch.events()
        assert event["object"]["spec"] == found["spec"]
        watch.stop()

    run(test)


def test_what_is_shown_is_stored_with_the_next_write_and_stays() -> None:
    async def test(world: World) -> None:
        await world.json("POST", DEFINITIONS, definition())
        await world.json("POST", WIDGETS, plain())
        await add_default(world, "color", "red")
        await world.json(
            "PATCH", f"{WIDGETS}/a", {"metadata": {"labels": {"a": "b"}}},
            headers={"content-type": "application/merge-patch+json"},
        )  # fmt: skip
        patch = [{"op": "remove", "path": f"{PLACE}/color/default"}]
        await world.json("PATCH", f"{DEFINITIONS}/{NAME}", patch, headers=JSON_PATCH)
        found = await world.json("GET", f"{WIDGETS}/a")
        assert found["spec"]["color"] == "red"

    run(test)


@pytest.mark.parametrize("given", ["blue", ""])
def test_what_is_said_is_not_defaulted(given: str) -> None:
    async def test(world: World) -> None:
        await world.json("POST", DEFINITIONS, definition())
        await add_default(world, "color", "red")
        await world.json("POST", WIDGETS, plain(color=given))
        assert (await world.json("GET", f"{WIDGETS}/a"))["spec"]["color"] == given

    run(test)
