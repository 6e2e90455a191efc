"""watch: what is sent, to whom, and what it costs."""

import asyncio
from urllib.parse import urlencode

import pytest

from arubeki.net.message import Request, Stream
from tests.server.support import (
    ADMIN,
    CONFIG_MAPS,
    PODS,
    Reader,
    Watching,
    World,
    config_map,
    pod,
    run,
)


def test_a_watch_from_a_revision_shows_what_follows() -> None:
    async def test(world: World) -> None:
        await world.json("POST", CONFIG_MAPS, config_map("old"))
        after = world.storage.revision
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        watch = await world.watch(CONFIG_MAPS, resourceVersion=after)
        assert watch.stream.headers["Content-Type"] == "application/json"
        assert await watch.seen() == [("ADDED", "a")]
        changed = await world.patch(f"{CONFIG_MAPS}/a", {"data": {"x": "1"}})
        await world.json("DELETE", f"{CONFIG_MAPS}/a")
        events = await watch.events()
        assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
        assert events[1]["object"] == changed
        last = {**changed, "metadata": {**changed["metadata"]}}
        last["metadata"]["resourceVersion"] = str(world.storage.revision)
        assert events[2]["object"] == last

    run(test)


@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}])
def test_a_watch_from_nowhere_begins_with_what_is_there(query: dict[str, str]) -> None:
    async def test(world: World) -> None:
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        watch = await world.watch(CONFIG_MAPS, **query)
        await world.json("POST", CONFIG_MAPS, config_map("b"))
        assert await watch.seen() == [("ADDED", "a"), ("ADDED", "b")]

    run(test)


def test_initial_events_end_in_a_bookmark() -> None:
    async def test(world: World) -> None:
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        watch = await world.watch(
            CONFIG_MAPS,
            sendInitialEvents="true",
            resourceVersionMatch="NotOlderThan",
            allowWatchBookmarks="true",
        )
        events = await watch.events()
        assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
        bookmark = events[1]["object"]
        assert (bookmark["kind"], bookmark["apiVersion"]) == ("ConfigMap", "v1")
        assert bookmark["metadata"]["resourceVersion"] == str(world.storage.revision)
        assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        await world.json("POST", CONFIG_MAPS, config_map("b"))
        assert (await watch.seen())[-1] == ("ADDED", "b")

    run(test)


def test_initial_events_may_be_left_out() -> None:
    async def test(world: World) -> None:
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        watch = await world.watch(
            CONFIG_MAPS, sendInitialEvents="false", resourceVersionMatch="NotOlderThan"
        )
        await world.json("POST", CONFIG_MAPS, config_map("b"))
        assert await watch.seen() == [("ADDED", "b")]

    run(test)


@pytest.mark.parametrize(
    "query",
    [
        {"sendInitialEvents": "true"},
        {"resourceVersionMatch": "NotOlderThan"},
        {"sendInitialEvents": "true", "resourceVersionMatch": "Exact"},
    ],
)
def test_options_that_do_not_go_together_are_invalid(query: dict[str, str]) -> None:
    async def test(world: World) -> None:
        await world.fails(422, "GET", CONFIG_MAPS, watch="1", **query)

    run(test)


def test_selectors_make_objects_come_and_go() -> None:
    async def test(world: World) -> None:
        watch = await world.watch(CONFIG_MAPS, labelSelector="on=yes")
        path = f"{CONFIG_MAPS}/a"
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        await world.patch(path, {"metadata": {"labels": {"on": "yes"}}})
        await world.patch(path, {"data": {"x": "1"}})
        await world.patch(path, {"metadata": {"labels": {"on": "no"}}})
        left = world.storage.revision
        await world.patch(path, {"data": {"x": "2"}})
        await world.json("DELETE", path)
        events = await watch.events()
        assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
        gone = events[2]["object"]
        assert gone["metadata"]["labels"] == {"on": "yes"}
        assert gone["metadata"]["resourceVersion"] == str(left)

    run(test)


def test_fields_select_in_a_watch_too() -> None:
    async def test(world: World) -> None:
        mine = await world.watch("/api/v1/pods", fieldSelector="spec.nodeName=n1")
        free = await world.watch("/api/v1/pods", fieldSelector="spec.nodeName=")
        one = await world.watch(PODS, fieldSelector="metadata.name=a")
        await world.json("POST", PODS, pod("a"))
        await world.json("POST", PODS, pod("b"))
        binding = {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "n1"}}
        await world.json("POST", f"{PODS}/a/binding", binding)
        assert await mine.seen() == [("ADDED", "a")]
        assert await free.seen() == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]
        assert await one.seen() == [("ADDED", "a"), ("MODIFIED", "a")]

    run(test)


def test_a_namespaces_watch_shows_nothing_of_others() -> None:
    async def test(world: World) -> None:
        watch = await world.watch(CONFIG_MAPS)
        everywhere = await world.watch("/api/v1/configmaps")
        await world.json("POST", "/api/v1/namespaces/kube-system/configmaps", config_map("x"))
        await world.json("POST", CONFIG_MAPS, config_map("y"))
        assert await watch.seen() == [("ADDED", "y")]
        assert await everywhere.seen() == [("ADDED", "x"), ("ADDED", "y")]

    run(test)


def test_a_revision_that_is_gone_is_an_error_event() -> None:
    async def test(world: World) -> None:
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        old = world.storage.revision
        await world.json("POST", CONFIG_MAPS, config_map("b"))
        await world.storage.compact(world.storage.revision)
        watch = await world.watch(CONFIG_MAPS, resourceVersion=old)
        (event,) = await watch.events()
        assert event["type"] == "ERROR"
        assert event["object"]["code"] == 410
        assert event["object"]["reason"] == "Expired"
        assert event["object"]["message"] == (
            f"too old resource version: {old} ({world.storage.revision})"
        )
        assert watch.reader.is_closed

    run(test)


def test_a_revision_that_has_not_happened_is_an_error_event() -> None:
    async def test(world: World) -> None:
        watch = await world.watch(CONFIG_MAPS, resourceVersion=world.storage.revision + 1000)
        (event,) = await watch.events()
        assert event["object"]["code"] == 504
        assert event["object"]["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"

    run(test)


def test_bookmarks_come_every_minute_and_before_the_end() -> None:
    async def test(world: World) -> None:
        watch = await world.watch(
            CONFIG_MAPS,
            resourceVersion=world.storage.revision,
            allowWatchBookmarks="true",
            timeoutSeconds=130,
        )
        silent = await world.watch(
            CONFIG_MAPS, resourceVersion=world.storage.revision, timeoutSeconds=130
        )
        await world.json("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
        await asyncio.sleep(125)
        assert watch.reader.types() == ["BOOKMARK", "BOOKMARK"]
        assert not watch.reader.is_closed
        await asyncio.sleep(10)
        assert watch.reader.types() == ["BOOKMARK"] * 3
        revision = watch.reader.events()[-1]["object"]["metadata"]["resourceVersion"]
        assert revision == str(world.storage.revision)
        assert watch.reader.is_closed
        assert silent.reader.is_closed
        assert not silent.reader.is_aborted
        assert silent.reader.types() == []

    run(test)


def test_a_watch_without_a_timeout_lasts_half_an_hour_to_an_hour() -> None:
    async def test(world: World) -> None:
        watch = await world.watch(CONFIG_MAPS)
        await asyncio.sleep(1799)
        assert not watch.reader.is_closed
        await asyncio.sleep(1802)
        assert watch.reader.is_closed

    run(test)


def test_who_wants_the_same_gets_the_same_chunk() -> None:
    async def test(world: World) -> None:
        watches = [await world.watch(CONFIG_MAPS) for _ in range(5)]
        other = await world.watch(CONFIG_MAPS, labelSelector="a=b")
        for index in range(3):
            await world.json("POST", CONFIG_MAPS, config_map(f"c{index}"))
        await watches[0].events()
        # One write for all that came within one tick of the loop, and one object for all watchers.
        assert all(len(watch.reader.chunks) == 1 for watch in watches)
        assert len({id(watch.reader.chunks[0]) for watch in watches}) == 1
        assert watches[0].reader.types() == ["ADDED"] * 3
        assert other.reader.chunks == []

    run(test)


def test_a_watcher_that_takes_nothing_is_cut_off() -> None:
    async def test(world: World) -> None:
        slow, quick = await world.watch(CONFIG_MAPS), await world.watch(CONFIG_MAPS)
        slow.reader.untaken = 1 << 30
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        assert await quick.seen() == [("ADDED", "a")]
        assert await slow.seen() == []
        assert slow.reader.is_aborted

    run(test)


def test_who_missed_a_change_is_cut_off_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from arubeki.server.table import Table

    def broken(*args: object, **more: object) -> None:
        raise RuntimeError("no such column")

    async def test(world: World) -> None:
        accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
        first = await _watch_as(world, accept)
        plain = await world.watch(CONFIG_MAPS)
        monkeypatch.setattr(Table, "rows", broken)
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        assert await plain.seen() == [("ADDED", "a")]
        assert first.reader.is_aborted
        for index in range(250):
            await world.json("POST", CONFIG_MAPS, config_map(f"c{index}"))
        long = await _watch_as(world, accept)
        await plain.events()
        assert long.reader.is_aborted

    run(test)
    assert "no such column" in caplog.text


def test_a_closed_watch_costs_nothing_more() -> None:
    async def test(world: World) -> None:
        watch = await world.watch(CONFIG_MAPS)
        watch.stop()
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        assert await watch.events() == []
        assert world.app._core.hubs.of("/registry/configmaps/").watchers() == []
        never = await world.app(Request("GET", CONFIG_MAPS, "watch=1", user=ADMIN))
        assert isinstance(never, Stream)
        never.closed()

    run(test)


def test_many_objects_are_sent_in_portions_and_none_is_lost() -> None:
    async def test(world: World) -> None:
        for index in range(450):
            await world.json("POST", CONFIG_MAPS, config_map(f"c{index:03}"))
        reader = _Slow()
        stream = await world.app(
            Request(
                "GET",
                CONFIG_MAPS,
                "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
                "&allowWatchBookmarks=true",
                user=ADMIN,
            )
        )
        assert isinstance(stream, Stream)
        stream.opened(reader)
        assert len(reader.events()) <= 200
        for index in range(300):
            await world.json("POST", CONFIG_MAPS, config_map(f"d{index:03}"))
        await asyncio.sleep(60)
        await world.json("POST", CONFIG_MAPS, config_map("last"))
        await asyncio.sleep(60)
        events = reader.events()
        names = [one["object"]["metadata"].get("name") for one in events if one["type"] == "ADDED"]
        assert names == [
            *(f"c{index:03}" for index in range(450)),
            *(f"d{index:03}" for index in range(300)),
            "last",
        ]
        assert [one["type"] for one in events].index("BOOKMARK") == 450
        stream.closed()

    run(test)


class _Slow(Reader):
    """A reader that takes a second for each portion."""

    async def drain(self) -> None:
        await asyncio.sleep(1)


def test_a_table_names_its_columns_once() -> None:
    async def test(world: World) -> None:
        accept = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        watch = await _watch_as(world, accept["accept"])
        await world.json("POST", CONFIG_MAPS, config_map("b"))
        late = await _watch_as(world, accept["accept"], resourceVersion=world.storage.revision)
        await world.json("POST", CONFIG_MAPS, config_map("c"))
        tables = [event["object"] for event in await watch.events()]
        assert [table["kind"] for table in tables] == ["Table"] * 3
        assert [bool(table["columnDefinitions"]) for table in tables] == [True, False, False]
        assert [table["rows"][0]["cells"][0] for table in tables] == ["a", "b", "c"]
        (table,) = (event["object"] for event in await late.events())
        assert table["columnDefinitions"]

    run(test)


def test_metadata_alone_is_watched_alone() -> None:
    async def test(world: World) -> None:
        accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
        watch = await _watch_as(world, accept)
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        (event,) = await watch.events()
        assert event["object"]["kind"] == "PartialObjectMetadata"
        assert set(event["object"]) == {"kind", "apiVersion", "metadata"}

    run(test)


async def _watch_as(world: World, accept: str, **query: object) -> Watching:
    text = urlencode({"watch": "1", **query})
    stream = await world.app(Request("GET", CONFIG_MAPS, text, {"accept": accept}, user=ADMIN))
    assert isinstance(stream, Stream)
    return Watching(stream)
