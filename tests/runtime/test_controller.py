"""The plain controller: keys of any sort, a session, what is noted of each run."""

import asyncio

import pytest

from arubeki import clock
from arubeki.client.client import Client
from arubeki.client.transport import InProcessTransport
from arubeki.errors import ConfigError, Conflict, NotServed
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds.base import Dynamic
from arubeki.net.message import User
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller, owner_of
from arubeki.runtime.manager import Manager
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session
from arubeki.runtime.trace import Trace
from tests.runtime.kit import parts_app, prepared
from tests.support.world import MASTERS, World


def run(scenario):
    async def main():
        async with World() as world:
            await prepared(world)
            await scenario(world)

    return clock.run_virtual(main())


def config_map(name, **data):
    return core.ConfigMap(metadata=meta.ObjectMeta(name=name, namespace="ns"), data=data)


def owned(name, uid="u", owner="web", kind="Deployment", version="apps/v1"):
    reference = meta.OwnerReference(
        apiVersion=version, kind=kind, name=owner, uid=uid, controller=True
    )
    return core.ConfigMap(
        metadata=meta.ObjectMeta(name=name, namespace="ns", ownerReferences=(reference,))
    )


def test_keys_may_be_anything_and_mappers_say_which():
    seen = []

    async def reconcile(key: str, session: Session) -> None:
        seen.append((key, len(await session.list(core.ConfigMap, "ns"))))

    async def scenario(world):
        controller = Controller("counter", reconcile)
        controller.watch(core.ConfigMap, lambda one: [one.namespace])
        async with world.running(controller) as manager:
            await manager.settle()
            for name in "abc":
                await world.client.create(config_map(name))
            await manager.settle()
        assert seen[-1] == ("ns", 3)
        assert len(seen) <= 3

    run(scenario)


def test_a_change_of_an_owned_object_wakes_its_owner_of_that_kind_alone():
    mapper = owner_of(apps.Deployment)
    assert list(mapper(owned("x"))) == [Key("ns", "web")]
    assert list(mapper(owned("x", version="apps/v1beta9"))) == [Key("ns", "web")]
    assert list(mapper(owned("x", kind="ReplicaSet"))) == []
    assert list(mapper(owned("x", version="other/v1"))) == []
    assert list(mapper(config_map("x"))) == []


def test_workers_run_different_keys_at_once_and_one_key_never():
    inside, most = [], [0]

    async def reconcile(key, session):
        assert key not in inside
        inside.append(key)
        most[0] = max(most[0], len(inside))
        await asyncio.sleep(1)
        inside.remove(key)

    async def scenario(world):
        controller = Controller("busy", reconcile, workers=3)
        controller.watch(core.ConfigMap)
        async with world.running(controller) as manager:
            for number in range(9):
                await world.client.create(config_map(f"c{number}"))
                await world.client.patch(core.ConfigMap, f"c{number}", "ns", {"data": {"a": "b"}})
            await manager.settle()
            assert most == [3]

    run(scenario)


def test_plain_writes_are_noted_and_read_back_at_once():
    seen = []

    async def reconcile(key, session):
        if key.name != "start":
            return
        made = await session.create(config_map("made", a="1"))
        await session.patch(core.ConfigMap, "made", "ns", patch={"data": {"a": "2"}})
        status = {"status": {"replicas": 7}}
        await session.patch(apps.Deployment, "web", "ns", patch=status, subresource="status")
        seen.append((await session.get(core.ConfigMap, "made")).data["a"])
        seen.append((await session.get(apps.Deployment, "web")).status.replicas)
        await session.delete(made)
        seen.append([one.name for one in await session.list(core.ConfigMap)])

    async def scenario(world):
        controller = Controller("writer", reconcile, manager="scribe")
        controller.watch(core.ConfigMap)
        controller.watch(apps.Deployment, None)
        await world.client.create(config_map("start"))
        async with world.running(controller) as manager:
            await manager.settle()
            (record,) = [one for one in manager.trace if one.writes]
            assert [(one.verb, one.kind, one.name) for one in record.writes] == [
                ("create", "ConfigMap", "made"),
                ("patch", "ConfigMap", "made"),
                ("patch", "Deployment", "web"),
                ("delete", "ConfigMap", "made"),
            ]
            assert record.requests == 4
            assert record.writes[2].subresource == "status"
        assert seen == ["2", 7, ["start"]]
        raw = await world.client.get(apps.Deployment.KIND, "web", "ns")
        managers = {one["manager"] for one in raw["metadata"]["managedFields"]}
        assert managers == {"tester", "scribe"}

    run(scenario)


def test_an_update_takes_a_dict_and_its_revision_counts():
    outcome = []

    async def reconcile(key, session):
        if outcome:
            return
        kind = Dynamic.of(core.ConfigMap.KIND)
        one = await session.get(kind, key.name, live=True)
        changed = await session.update(one.evolve(data={"a": "2"}))
        outcome.append(changed["data"])
        with pytest.raises(Conflict):
            await session.update(one.evolve(data={"a": "3"}))

    async def scenario(world):
        controller = Controller("updater", reconcile)
        controller.watch(core.ConfigMap)
        await world.client.create(config_map("x", a="1"))
        async with world.running(controller) as manager:
            await manager.settle()
        assert outcome == [{"a": "2"}]

    run(scenario)


def test_a_delete_means_the_object_that_was_read():
    outcome = []

    async def reconcile(key, session):
        if outcome:
            return
        old = await session.get(core.ConfigMap, key.name)
        await session.client.delete(core.ConfigMap, key.name, "ns")
        await session.client.create(config_map(key.name, new="1"))
        with pytest.raises(Conflict):
            await session.delete(old)
        outcome.append("kept")

    async def scenario(world):
        controller = Controller("deleter", reconcile)
        controller.watch(core.ConfigMap)
        await world.client.create(config_map("x"))
        async with world.running(controller) as manager:
            await manager.settle()
        assert (await world.client.get(core.ConfigMap, "x", "ns")).data == {"new": "1"}

    run(scenario)


def test_an_index_belongs_to_the_controller_that_declares_it():
    found = {}

    def build(name, letter):
        async def reconcile(key, session):
            hits = await session.index(core.ConfigMap, "letter", "yes")
            found[name] = [one.name for one in hits]
            with pytest.raises(KeyError):
                await session.index(core.ConfigMap, "other", "yes")
            with pytest.raises(ConfigError, match="does not watch secrets"):
                await session.index(core.Secret, "owner", "x")

        controller = Controller(name, reconcile)
        controller.watch(core.ConfigMap)
        controller.index(core.ConfigMap, "letter", lambda one: ["yes"] * (letter in one.name))
        return controller

    async def scenario(world):
        for name in ("aa", "bb"):
            await world.client.create(config_map(name))
        async with world.running(build("one", "a"), build("two", "b")) as manager:
            await manager.settle()
        assert found == {"one": ["aa"], "two": ["bb"]}

    run(scenario)


def test_writes_go_out_under_the_controllers_own_identity():
    async def reconcile(key, session):
        await session.apply(config_map("made", a="1"))

    async def scenario(world):
        asked = []

        def client_for(name):
            asked.append(name)
            return world.client_of(f"system:controller:{name}")

        controller = Controller("own", reconcile)
        controller.watch(core.ConfigMap)
        await world.client.create(config_map("x"))
        async with world.running(controller, client_for=client_for) as manager:
            await manager.settle()
        assert asked == ["own"]
        raw = await world.client.get(core.ConfigMap.KIND, "made", "ns")
        assert raw["metadata"]["managedFields"][0]["manager"] == "own"

    run(scenario)


def test_a_cancelled_await_inside_a_run_is_its_error_and_the_worker_lives():
    tries = []

    async def reconcile(key, session):
        tries.append(key)
        if len(tries) == 1:
            task = asyncio.ensure_future(asyncio.sleep(100))
            task.cancel()
            await task

    async def scenario(world):
        controller = Controller("tough", reconcile)
        controller.watch(core.ConfigMap)
        await world.client.create(config_map("x"))
        async with world.running(controller) as manager:
            await manager.settle()
            assert [one.result for one in manager.trace][:2] == ["error", "success"]
            assert controller.errors == 1

    run(scenario)


def test_errors_of_the_api_are_no_panics():
    async def reconcile(key, session):
        if not session.record.causes[0].why == "retry":
            raise NotServed("not yet")

    async def scenario(world):
        controller = Controller("calm", reconcile)
        controller.watch(core.ConfigMap)
        await world.client.create(config_map("x"))
        async with world.running(controller) as manager:
            await manager.settle()
        assert (controller.errors, controller.panics) == (1, 0)

    run(scenario)


def test_a_key_can_be_woken_by_hand():
    seen = []

    async def reconcile(key, session):
        seen.append((key, [str(one) for one in session.record.causes]))

    async def scenario(world):
        controller = Controller("hand", reconcile)
        async with world.running(controller) as manager:
            controller.enqueue("it", "asked")
            await manager.settle()
        assert seen == [("it", ["manual: asked"])]

    run(scenario)


def test_a_controller_has_one_manager():
    async def reconcile(key, session):
        return None

    async def scenario(world):
        controller = Controller("one", reconcile)
        Manager(world.client, [controller])
        with pytest.raises(ConfigError, match="belongs to a manager already"):
            Manager(world.client, [controller])
        with pytest.raises(ConfigError, match="two controllers have the name one"):
            Manager(world.client, [Controller("one", reconcile), Controller("one", reconcile)])
        with pytest.raises(ConfigError, match="at least 1"):
            Controller("none", reconcile, workers=0)
        with pytest.raises(ValueError, match="seconds above 0"):
            Again(after=0)

    run(scenario)


def test_the_initial_list_goes_after_what_changes_now():
    order = []

    async def reconcile(key, session):
        order.append(key.name)
        if len(order) == 1:
            await session.client.patch(core.ConfigMap, "c9", "ns", {"data": {"a": "b"}})
            await asyncio.sleep(0.1)

    async def scenario(world):
        controller = Controller("fair", reconcile)
        controller.watch(core.ConfigMap)
        for number in range(10):
            await world.client.create(config_map(f"c{number}"))
        async with world.running(controller) as manager:
            await manager.settle()
        assert order[:3] == ["c0", "c9", "c1"]

    run(scenario)


# The trace.


def test_every_run_leaves_a_record_and_subscribers_get_it():
    async def reconcile(key, session):
        await asyncio.sleep(2)
        if key.name == "bad":
            raise ValueError("first\nsecond")
        return Again(after=5)

    async def scenario(world):
        told = []
        controller = Controller("traced", reconcile)
        controller.watch(core.ConfigMap)
        async with world.running(controller) as manager:
            manager.trace.subscribe(lambda record: 1 / 0)
            end = manager.trace.subscribe(told.append)
            await world.client.create(config_map("good"))
            await asyncio.sleep(3)
            await world.client.create(config_map("bad"))
            await asyncio.sleep(2.5)
            end()
            await asyncio.sleep(10)
        good, bad = told
        assert (good.id, good.key, good.result) == ("traced#1", "ns/good", "again")
        assert good.duration_seconds == pytest.approx(2)
        assert good.after_seconds == 5
        assert str(good.causes[0]).startswith("ConfigMap ns/good ADDED at ")
        assert (bad.result, bad.error) == ("error", "ValueError: first")
        assert manager.trace.of("traced", "ns/good")[0] is good
        assert "because ConfigMap ns/bad ADDED" in str(bad)

    run(scenario)


class Slow:
    """A transport whose answers come after the watch has told of what they did."""

    def __init__(self, inner):
        self.inner = inner
        self.stream = inner.stream

    async def request(self, method, path, **options):
        answer = await self.inner.request(method, path, **options)
        await asyncio.sleep(0.5)
        return answer

    async def close(self):
        await self.inner.close()


def test_a_write_has_changed_something_also_when_the_watch_told_of_it_first():
    async def scenario(world):
        transport = InProcessTransport(world.server, User("slow", MASTERS))
        client = Client(Slow(transport), manager="controller")
        async with Manager(client, [parts_app()]) as manager:
            await manager.settle()
            writes = [one for record in manager.trace for one in record.writes]
        assert [(one.name, one.subresource, one.changed) for one in writes] == [
            ("web-a", "", True),
            ("web-b", "", True),
            ("web", "status", True),
        ]

    run(scenario)


def test_the_trace_keeps_a_bounded_number_of_records():
    async def reconcile(key, session):
        return None

    async def scenario(world):
        controller = Controller("many", reconcile)
        trace = Trace(limit=5)
        async with world.running(controller, trace=trace) as manager:
            for number in range(20):
                controller.enqueue(number)
            await manager.settle()
        assert [one.key for one in trace] == ["15", "16", "17", "18", "19"]
        assert trace.count == 20

    run(scenario)


# Starting and stopping.


def test_stopping_cancels_what_does_not_end_within_the_grace():
    outcome = []

    async def reconcile(key, session):
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            outcome.append(asyncio.get_running_loop().time())
            raise

    async def scenario(world):
        controller = Controller("slow", reconcile)
        manager = Manager(world.client, [controller], grace_seconds=7)
        await manager.start()
        controller.enqueue("x")
        await asyncio.sleep(1)
        start = asyncio.get_running_loop().time()
        await manager.stop()
        assert outcome == [pytest.approx(start + 7)]
        assert list(manager.trace)[-1].result == "stopped"

    run(scenario)


def test_nothing_is_left_running_after_a_stop():
    async def reconcile(key, session):
        return Again(after=1)

    async def scenario(world):
        before = len(asyncio.all_tasks())
        controller = Controller("tidy", reconcile)
        controller.watch(core.ConfigMap)
        await world.client.create(config_map("x"))
        async with world.running(controller) as manager:
            await manager.settle()
            assert len(asyncio.all_tasks()) > before
        await asyncio.sleep(5)
        assert len(asyncio.all_tasks()) == before

    run(scenario)


def test_settling_says_what_is_still_at_work():
    async def reconcile(key, session):
        raise ValueError("always")

    async def scenario(world):
        controller = Controller("stuck", reconcile)
        async with world.running(controller) as manager:
            controller.enqueue("x")
            with pytest.raises(TimeoutError, match=r"stuck: 0 waiting, 0 running, 1 failing"):
                await manager.settle(timeout_seconds=30)

    run(scenario)


def test_run_works_until_it_is_cancelled():
    seen = []

    async def reconcile(key, session):
        seen.append(key)

    async def scenario(world):
        controller = Controller("until", reconcile)
        manager = Manager(world.client, [controller])
        task = asyncio.ensure_future(manager.run())
        await asyncio.sleep(0.1)
        controller.enqueue("x")
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == ["x"]

    run(scenario)
