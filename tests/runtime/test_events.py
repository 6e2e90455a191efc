"""Events: counted when they repeat, limited per object, never the end of a run."""

import asyncio

import pytest

from arubeki import clock
from arubeki.errors import ConnectFailed
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.events import BURST, MESSAGE_LIMIT, PENDING_LIMIT, REFILL_SECONDS, Recorder
from tests.runtime.kit import prepared
from tests.support.world import World


def run(scenario):
    async def main():
        async with World() as world:
            await prepared(world)
            web = await world.client.get(apps.Deployment, "web", "ns")
            await scenario(world, web, Recorder(world.client, "tested"))

    return clock.run_virtual(main())


async def events(world):
    return [one for one in await world.client.list(core.Event) if one.source.component == "tested"]


def test_an_event_is_about_its_object_and_lies_in_its_namespace():
    async def scenario(world, web, recorder):
        recorder.add(web, "Warning", "Odd", "it is odd")
        await recorder.flush()
        (one,) = await events(world)
        assert (one.namespace, one.type, one.reason, one.message) == (
            "ns",
            "Warning",
            "Odd",
            "it is odd",
        )
        about = one.involvedObject
        assert (about.apiVersion, about.kind, about.name, about.uid) == (
            "apps/v1",
            "Deployment",
            "web",
            web.uid,
        )
        assert one.count == 1
        assert one.name.startswith("web.")

    run(scenario)


def test_an_event_about_a_cluster_wide_object_lies_in_default():
    async def scenario(world, web, recorder):
        found = [one.name for one in await world.client.list(core.Namespace)]
        if "default" not in found:
            await world.client.create(core.Namespace(metadata=meta.ObjectMeta(name="default")))
        namespace = await world.client.get(core.Namespace, "ns")
        recorder.add(namespace, "Normal", "Seen", "seen")
        await recorder.flush()
        (one,) = await events(world)
        assert one.namespace == "default"

    run(scenario)


def test_a_repeated_event_counts_up_and_after_a_while_begins_anew():
    async def scenario(world, web, recorder):
        for _ in range(4):
            recorder.add(web, "Normal", "Same", "same")
            await recorder.flush()
            await asyncio.sleep(60)
        recorder.add(web, "Normal", "Same", "different")
        await recorder.flush()
        found = sorted((one.message, one.count) for one in await events(world))
        assert found == [("different", 1), ("same", 4)]
        await asyncio.sleep(1200)
        recorder.add(web, "Normal", "Same", "same")
        await recorder.flush()
        assert len(await events(world)) == 3

    run(scenario)


def test_a_counted_event_that_has_expired_is_written_anew():
    async def scenario(world, web, recorder):
        recorder.add(web, "Normal", "Same", "same")
        await recorder.flush()
        (one,) = await events(world)
        await world.client.delete(core.Event, one.name, "ns")
        recorder.add(web, "Normal", "Same", "same")
        await recorder.flush()
        (again,) = await events(world)
        assert again.count == 1

    run(scenario)


def test_one_object_may_not_flood():
    async def scenario(world, web, recorder):
        for number in range(BURST + 10):
            recorder.add(web, "Normal", "Many", f"number {number}")
        await recorder.flush()
        assert len(await events(world)) == BURST
        assert recorder.dropped == 10
        await asyncio.sleep(REFILL_SECONDS + 1)
        for number in range(5):
            recorder.add(web, "Normal", "Many", f"later {number}")
        await recorder.flush()
        assert len(await events(world)) == BURST + 1

    run(scenario)


def test_a_run_may_note_a_bounded_number_and_messages_are_cut():
    async def scenario(world, web, recorder):
        for number in range(PENDING_LIMIT + 3):
            recorder.add(web, "Normal", "Long", f"{number} " + "x" * 2000)
        assert recorder.dropped == 3
        await recorder.flush()
        assert {len(one.message) for one in await events(world)} == {MESSAGE_LIMIT}

    run(scenario)


@pytest.mark.parametrize("error", [ConnectFailed("down"), ValueError("broken")])
def test_an_event_that_cannot_be_written_is_logged(error, caplog):
    class Broken:
        async def request(self, *args, **options):
            raise error

    async def scenario(world, web, _):
        recorder = Recorder(Broken(), "tested")
        recorder.add(web, "Normal", "Lost", "lost")
        await recorder.flush()

    run(scenario)
    assert "an Event about ns/web could not be" in caplog.text
