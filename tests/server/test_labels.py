"""Lists by labels with an index: the same as without, whatever was written meanwhile."""

import json
import random

import pytest

from arubeki.server import labels
from tests.server.support import CONFIG_MAPS, config_map, run

SELECTORS = (
    "app=a", "app in (a,b)", "app=a,tier!=x", "app=b,tier=x", "tier,app=a", "app=nowhere", "!tier",
)  # fmt: skip


async def listed(world, path, **query):
    found = await world.json("GET", path, **query)
    return [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in found["items"]]


def chosen(chance):
    pairs = (("app", chance.choice("abc")), ("tier", chance.choice("xy")))
    return {key: value for key, value in pairs if chance.random() < 0.7}


@pytest.mark.parametrize("seed", range(3))
def test_an_index_tells_what_a_look_at_all_would(seed):
    chance = random.Random(seed)

    async def test(world):
        indexes = world.app._core.labels
        indexes.indexed_from = 3
        there = {}
        await world.json("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
        for step in range(120):
            namespace, name = chance.choice(("default", "other")), f"n{chance.randrange(12)}"
            path = f"/api/v1/namespaces/{namespace}/configmaps"
            if (namespace, name) not in there:
                made = chosen(chance)
                await world.json("POST", path, config_map(name, labels=made))
                there[namespace, name] = made
            elif chance.random() < 0.4:
                await world.json("DELETE", f"{path}/{name}")
                del there[namespace, name]
            else:
                made = there[namespace, name] = chosen(chance)
                body = config_map(name, {"step": str(step)}, labels=made)
                await world.json("PUT", f"{path}/{name}", body)
            await compare(world, there, chance.choice(SELECTORS))
        assert indexes.candidates("/registry/configmaps/", selector("app=a")) is not None

    run(test)


async def compare(world, there, text):
    meant = sorted(place for place, found in there.items() if selector(text).matches(found))
    assert await listed(world, "/api/v1/configmaps", labelSelector=text) == meant
    ours = [place for place in meant if place[0] == "default"]
    assert await listed(world, CONFIG_MAPS, labelSelector=text) == ours


def selector(text):
    return labels.LabelSelector.parse(text)


def test_pages_by_labels_are_the_same_with_an_index():
    async def test(world):
        world.app._core.labels.indexed_from = 3
        for number in range(20):
            await world.json("POST", CONFIG_MAPS, config_map(f"n{number:02}", labels={"app": "a"}))
        for _ in range(2):  # without an index, then with one
            names, query = [], {}
            while True:
                page = await world.json("GET", CONFIG_MAPS, labelSelector="app=a", limit=7, **query)
                names += [one["metadata"]["name"] for one in page["items"]]
                query = {"continue_": page["metadata"].get("continue", "")}
                if not query["continue_"]:
                    break
            assert names == [f"n{number:02}" for number in range(20)]
            await world.json("GET", CONFIG_MAPS, labelSelector="app=a")

    run(test)


def test_what_is_written_while_an_index_is_made_is_in_it(monkeypatch):
    monkeypatch.setattr(labels, "_TURN_ENTRIES", 2)

    async def test(world):
        world.app._core.labels.indexed_from = 3
        for number in range(9):
            await world.json("POST", CONFIG_MAPS, config_map(f"n{number}", labels={"app": "a"}))
        indexes, projection = (
            world.app._core.labels,
            world.app.registry.find("", "v1", "configmaps"),
        )
        making = indexes.build("/registry/configmaps/", selector("app=a"), projection.projection)
        making.send(None)  # it waits after its first turn
        assert indexes.candidates("/registry/configmaps/", selector("app=a")) is None
        await world.json("DELETE", f"{CONFIG_MAPS}/n0")
        await world.json("PUT", f"{CONFIG_MAPS}/n8", config_map("n8", labels={"app": "b"}))
        await world.json("POST", CONFIG_MAPS, config_map("new", labels={"app": "a"}))
        with pytest.raises(StopIteration):
            while True:
                making.send(None)
        found = indexes.candidates("/registry/configmaps/", selector("app=a"))
        names = [json.loads(one.value)["metadata"]["name"] for one in found]
        assert names == ["n1", "n2", "n3", "n4", "n5", "n6", "n7", "new"]

    run(test)


def test_an_index_that_nobody_asks_goes_again(monkeypatch):
    monkeypatch.setattr(labels, "_UNASKED_WRITES", 5)

    async def test(world):
        indexes = world.app._core.labels
        indexes.indexed_from = 1
        await world.json("POST", CONFIG_MAPS, config_map("a", labels={"app": "a"}))
        await world.json("GET", CONFIG_MAPS, labelSelector="app=a")
        assert indexes.candidates("/registry/configmaps/", selector("app=a"))
        for number in range(7):
            await world.json("POST", CONFIG_MAPS, config_map(f"n{number}"))
        assert indexes.candidates("/registry/configmaps/", selector("app=a")) is None
        assert await listed(world, CONFIG_MAPS, labelSelector="app=a") == [("default", "a")]

    run(test)
