"""The informer's states, against a source that does what the test says."""

import asyncio
import contextlib

import pytest

from arubeki import clock
from arubeki.errors import (
    ConnectFailed,
    Expired,
    Forbidden,
    InternalError,
    Invalid,
    NotFound,
    TooManyRequests,
    WatchBroken,
)
from arubeki.kinds import core_v1 as core
from arubeki.runtime.informer import (
    IDLE_SECONDS,
    INITIAL_IDLE_SECONDS,
    WATCH_SECONDS,
    Informer,
    State,
)
from tests.runtime.scripted import Source, config_map


def run(main):
    return clock.run_virtual(main)


def now():
    return asyncio.get_running_loop().time()


@contextlib.asynccontextmanager
async def following(source, **options):
    """A started informer of config maps, and the list of changes it told."""
    informer = Informer(source, core.ConfigMap, **options)
    told = []
    informer.add_handler(told.append)
    informer.start()
    try:
        yield informer, told
    finally:
        await informer.stop()
        assert source.open == 0


def names(informer):
    return sorted(one.name for one in informer.list())


def types(told):
    return [(one.type, one.key.name) for one in told]


async def moment():
    await asyncio.sleep(0.001)


def test_objects_stream_in_and_changes_follow_on_one_watch():
    async def main():
        source = Source()
        source.put("a", data={"k": "1"})
        async with following(source) as (informer, told):
            await informer.wait_synced()
            assert informer.state is State.WATCHING
            assert informer.get("a", "ns").data == {"k": "1"}
            source.put("b")
            source.put("a", data={"k": "2"})
            source.remove("b")
            await moment()
            assert names(informer) == ["a"]
            assert informer.get("a", "ns").data == {"k": "2"}
            assert types(told) == [
                ("ADDED", "a"),
                ("ADDED", "b"),
                ("MODIFIED", "a"),
                ("DELETED", "b"),
            ]
            assert [one.initial for one in told] == [True, False, False, False]
            assert told[2].old.data == {"k": "1"} and told[2].new.data == {"k": "2"}
            assert source.calls == [("watch", "", True)]

    run(main())


def test_handlers_see_a_whole_cache_from_the_first_change_on():
    async def main():
        source = Source()
        source.put("a")
        source.put("b")
        informer = Informer(source, core.ConfigMap)
        counts = []
        informer.add_handler(lambda change: counts.append(len(informer.list())))
        informer.start()
        await informer.wait_synced()
        assert counts == [2, 2]
        await informer.stop()

    run(main())


def test_a_handler_that_comes_late_is_told_what_is_there():
    async def main():
        source = Source()
        source.put("a")
        async with following(source) as (informer, _):
            await informer.wait_synced()
            late = []
            remove = informer.add_handler(late.append)
            assert types(late) == [("ADDED", "a")]
            remove()
            source.put("b")
            await moment()
            assert len(late) == 1

    run(main())


def test_a_broken_watch_goes_on_where_it_stopped_and_misses_nothing():
    async def main():
        source = Source()
        source.put("a")
        async with following(source) as (informer, told):
            await informer.wait_synced()
            source.cut(WatchBroken("cut"))
            await moment()
            assert informer.state is State.WAITING
            assert "cut" in informer.failure
            source.put("b")
            await asyncio.sleep(2)
            assert names(informer) == ["a", "b"]
            assert source.calls == [("watch", "", True), ("watch", "1", False)]
            assert informer.failure == ""
            assert types(told) == [("ADDED", "a"), ("ADDED", "b")]

    run(main())


def test_the_server_ending_a_watch_is_no_failure():
    async def main():
        source = Source()
        async with following(source) as (informer, _):
            await informer.wait_synced()
            for _ in range(20):
                await asyncio.sleep(60)
                source.bookmark()
            assert informer.state is State.WATCHING
            watches = len(source.calls) - 1
            # Each lasts WATCH_SECONDS less up to a tenth.
            assert 1200 // WATCH_SECONDS <= watches <= 1200 // (WATCH_SECONDS * 0.9) + 1

    run(main())


def test_deletions_while_nobody_watched_are_told_after_a_relist():
    async def main():
        source = Source()
        for name in "abc":
            source.put(name)
        async with following(source) as (informer, told):
            await informer.wait_synced()
            unchanged = informer.get("c", "ns")
            told.clear()
            source.readers.clear()  # the watch hears nothing any more
            source.remove("a")
            source.put("b", data={"k": "2"})
            source.put("d")
            source.compact()
            await asyncio.sleep(IDLE_SECONDS + 10)
            assert names(informer) == ["b", "c", "d"]
            assert sorted(types(told)) == [("ADDED", "d"), ("DELETED", "a"), ("MODIFIED", "b")]
            assert not any(one.initial for one in told)
            assert informer.relists == 1
            # What did not change is the same object, not a second copy.
            assert informer.get("c", "ns") is unchanged

    run(main())


def test_an_object_made_anew_under_its_name_is_told_with_the_old_one():
    async def main():
        source = Source()
        source.put("a", uid="one")
        async with following(source) as (informer, told):
            await informer.wait_synced()
            source.readers.clear()
            source.remove("a")
            source.put("a", uid="two")
            source.compact()
            await asyncio.sleep(IDLE_SECONDS + 10)
            assert (told[-1].old.uid, told[-1].new.uid) == ("one", "two")

    run(main())


def test_an_expired_place_leads_to_a_new_list_at_once_and_then_to_patience():
    async def main():
        source = Source()
        source.put("a")
        async with following(source) as (informer, _):
            await informer.wait_synced()
            source.faults = [Expired("old"), Expired("old"), Expired("old")]
            source.cut(Expired("old"))
            await moment()
            # The first 410 costs no wait; that the next calls fail too does.
            assert source.calls[1:] == [("watch", "", True)]
            await asyncio.sleep(30)
            assert informer.state is State.WATCHING
            assert len(source.calls) == 5
            assert {call[1] for call in source.calls} == {""}

    run(main())


@pytest.mark.parametrize("error", [Invalid("forbidden"), InternalError("sick"), NotFound("none")])
def test_a_refusal_to_stream_leads_to_list_and_watch(error):
    async def main():
        source = Source()
        source.put("a")
        source.faults = [error]
        async with following(source) as (informer, _):
            await informer.wait_synced()
            assert now() < 0.1
            source.put("b")
            await moment()
            assert names(informer) == ["a", "b"]
            assert source.calls == [("watch", "", True), ("list",), ("watch", "1", False)]
            # Only what says that streaming is unknown is remembered.
            assert informer._streams is not isinstance(error, Invalid)

    run(main())


@pytest.mark.parametrize("error", [TooManyRequests("slow down"), ConnectFailed("no one there")])
def test_busy_and_unreachable_servers_are_asked_to_stream_again(error):
    async def main():
        source = Source()
        source.faults = [error] * 3
        async with following(source) as (informer, _):
            await informer.wait_synced()
            assert source.calls == [("watch", "", True)] * 4
            assert 0.8 + 1.6 + 3.2 <= now() <= 2 * (0.8 + 1.6 + 3.2)

    run(main())


def test_a_server_that_never_ends_the_initial_events_is_listed():
    async def main():
        source = Source()
        source.put("a")
        source.knows_streaming = False
        async with following(source) as (informer, _):
            await informer.wait_synced()
            assert now() == pytest.approx(INITIAL_IDLE_SECONDS)
            assert source.calls[:2] == [("watch", "", True), ("list",)]
            assert names(informer) == ["a"]

    run(main())


def test_the_wait_between_failures_grows_to_its_bound_and_honours_the_server():
    async def main():
        source = Source()
        source.faults = [ConnectFailed("down")] * 40
        async with following(source) as (informer, _):
            await informer.wait_synced()
            # Six growing waits (25 s in all, up to twice that), then 34 of 30 to 60 s.
            assert 25 + 34 * 30 <= now() <= 2 * (25 + 34 * 30)
        source = Source()
        source.faults = [TooManyRequests("later", details={"retryAfterSeconds": 90})]
        start = now()
        async with following(source) as (informer, _):
            await informer.wait_synced()
            assert now() - start == pytest.approx(90)

    run(main())


def test_a_kind_that_is_not_served_yet_is_asked_for_often():
    async def main():
        source = Source()
        source.faults = [NotFound("the server could not find the requested resource")] * 1000
        async with following(source) as (informer, _):
            await asyncio.sleep(120)
            assert not informer.is_synced
            assert "NotFound" in informer.failure
            source.faults.clear()
            start = now()
            await informer.wait_synced()
            assert now() - start <= 4

    run(main())


def test_a_failure_is_warned_of_once_and_its_end_is_told(caplog):
    async def main():
        source = Source()
        source.faults = [ConnectFailed("down")] * 10 + [ConnectFailed("up, but refusing")] * 3
        async with following(source) as (informer, _):
            await informer.wait_synced()
        told = [one.message for one in caplog.records if one.levelname == "WARNING"]
        assert ["refusing" in one for one in told[:2]] == [False, True]
        assert told[2:] == ["configmaps: it works again"]

    run(main())


def test_a_kind_without_a_definition_is_said_to_be_one():
    async def main():
        source = Source()
        source.faults = [NotFound("404 page not found")] * 3
        async with following(source) as (informer, _):
            await asyncio.sleep(0.1)
            assert informer.failure == "NotFound: configmaps is not served; is its CRD applied?"

    run(main())


def test_a_watch_that_hears_nothing_is_taken_for_dead():
    async def main():
        source = Source()
        source.put("a")
        async with following(source) as (informer, _):
            await informer.wait_synced()
            source.readers.clear()
            source.put("b")
            await asyncio.sleep(IDLE_SECONDS - 1)
            assert names(informer) == ["a"]
            await asyncio.sleep(10)
            assert names(informer) == ["a", "b"]

    run(main())


def test_bookmarks_keep_a_quiet_watch_alive_and_move_its_place():
    async def main():
        source = Source()
        source.put("a")
        async with following(source) as (informer, _):
            await informer.wait_synced()
            source.revision = 40
            source.bookmark()
            await moment()
            assert informer.cache.revision == 40
            source.cut(WatchBroken("cut"))
            await asyncio.sleep(5)
            assert source.calls[-1] == ("watch", "40", False)

    run(main())


def test_a_watch_that_ends_at_once_is_not_opened_in_a_circle():
    async def main():
        source = Source()
        async with following(source) as (informer, _):
            await informer.wait_synced()
            for _ in range(200):
                source.cut()
                await asyncio.sleep(0.1)
            assert len(source.calls) < 12

    run(main())


def test_an_error_event_is_an_error():
    async def main():
        source = Source()
        async with following(source) as (informer, _):
            await informer.wait_synced()
            source.say("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
            await moment()
            assert source.calls == [("watch", "", True)] * 2

    run(main())


def test_losing_permission_keeps_the_cache_and_begins_again():
    async def main():
        source = Source()
        source.put("a")
        async with following(source) as (informer, told):
            await informer.wait_synced()
            source.faults = [Forbidden("no"), Forbidden("no")]
            source.cut(WatchBroken("cut"))
            await asyncio.sleep(20)
            assert names(informer) == ["a"]
            assert types(told) == [("ADDED", "a")]
            assert source.calls[2:] == [("watch", "", True), ("list",), ("watch", "1", False)]

    run(main())


def test_an_older_event_does_not_turn_the_cache_back():
    async def main():
        source = Source()
        source.put("a", data={"k": "1"})
        source.put("a", data={"k": "2"})
        async with following(source) as (informer, _):
            await informer.wait_synced()
            source.say("MODIFIED", config_map("a", 1, data={"k": "1"}))
            await moment()
            assert informer.get("a", "ns").data == {"k": "2"}

    run(main())


def test_an_object_that_is_not_as_its_type_says_hides_no_other(caplog):
    async def main():
        source = Source()
        source.put("bad", data="no map")
        source.put("good")
        async with following(source) as (informer, _):
            await informer.wait_synced()
            assert names(informer) == ["good"]
            source.put("good", data=7)
            source.put("other")
            await moment()
            assert names(informer) == ["good", "other"]
            source.cut(Expired("old"))
            await moment()
            # It is there, only not to be read: it stays as it was last.
            assert informer.relists == 1
            assert names(informer) == ["good", "other"]

    run(main())
    assert "ConfigMap ns/bad is not as its type says" in caplog.text


def test_a_failing_handler_stops_no_other(caplog):
    async def main():
        source = Source()
        informer = Informer(source, core.ConfigMap)
        told = []
        informer.add_handler(lambda change: 1 / 0)
        informer.add_handler(told.append)
        source.put("a")
        informer.start()
        await informer.wait_synced()
        await informer.stop()
        assert types(told) == [("ADDED", "a")]

    run(main())
    assert "a handler failed" in caplog.text


def test_a_resync_tells_every_object_again():
    async def main():
        source = Source()
        source.put("a")
        async with following(source, resync_seconds=100) as (informer, told):
            await informer.wait_synced()
            await asyncio.sleep(100)
            assert types(told) == [("ADDED", "a"), ("MODIFIED", "a")]
            assert told[1].old is told[1].new

    run(main())


def test_stopping_ends_the_watch_and_leaves_the_cache():
    async def main():
        source = Source()
        source.put("a")
        async with following(source) as (informer, _):
            await informer.wait_synced()
        assert source.open == 0
        assert informer.state is State.STOPPED
        assert names(informer) == ["a"]

    run(main())
