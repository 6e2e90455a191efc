"""A whole cluster in one process: it begins, is ready, keeps its secrets, and leaves nothing."""

import asyncio
import gc
import os
import socket
import threading
from pathlib import Path

import pytest

from arubeki.cluster import Cluster, Options, network
from arubeki.errors import ConfigError, StorageBusy
from arubeki.kinds import core_v1 as core
from tests.cluster.kit import (
    POD,
    SERVICE,
    ask,
    children,
    descriptors,
    fake,
    pod,
    running,
)


def test_a_cluster_that_has_stopped_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    async def once(**options):
        async with Cluster(Options(port=0, **options)) as cluster:
            await cluster.wait_ready()
            client = cluster.client()
            await client.apply(pod("p", ["sleep", "1000"]), kind=POD)
            await running(client, "p")
            assert (await ask(cluster, "/readyz"))[0] == 200

    async def main():
        everything = {"runtime": "auto", "storage": tmp_path / "data"}
        await once(**everything)  # what is imported and made once only is not counted
        gc.collect()
        tasks, open_, threads = asyncio.all_tasks(), descriptors(), threading.enumerate()
        processes = children()  # other tests' programs may live as long as the session
        for _ in range(3):
            await once(runtime="fake", nodes=2)
            await once(runtime="plain")
            await once(**everything)
        gc.collect()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == tasks
        assert threading.enumerate() == threads
        assert descriptors() == open_
        assert children() == processes
        assert [one.name for one in tmp_path.iterdir()] == ["data"]

    asyncio.run(main())


@pytest.mark.parametrize("after_turns", [0, 1, 5, 20, 60, 75, "its first process"])
def test_a_start_that_is_cancelled_leaves_nothing_behind(tmp_path, after_turns):
    async def main():
        tasks, open_, processes = asyncio.all_tasks(), descriptors(), children()
        runtime = "fake" if isinstance(after_turns, int) else "sandbox"
        starting = asyncio.ensure_future(fake(storage=tmp_path, runtime=runtime).start())
        if isinstance(after_turns, int):
            for _ in range(after_turns):
                await asyncio.sleep(0)
        else:
            while children() == processes:
                await asyncio.sleep(0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        assert asyncio.all_tasks() == tasks
        gc.collect()
        assert descriptors() == open_
        assert children() == processes
        async with fake(storage=tmp_path):  # the data are free again
            pass

    asyncio.run(main())


def test_a_start_that_fails_leaves_nothing_behind(tmp_path):
    async def main():
        async with fake(storage=tmp_path, nodes=0) as cluster:
            await cluster.wait_ready()
            await cluster.settle()
            tasks, open_ = asyncio.all_tasks(), descriptors()
            with pytest.raises(StorageBusy, match=f"process {os.getpid()}"):
                await fake(storage=tmp_path).start()
            with pytest.raises(ConfigError, match=f"port {cluster.port} is taken"):
                await fake(port=cluster.port).start()
            assert asyncio.all_tasks() == tasks
            assert descriptors() == open_

    asyncio.run(main())


def test_stopping_twice_and_before_the_start_is_harmless():
    async def main():
        cluster = fake()
        await cluster.stop()
        await cluster.start()
        await cluster.stop()
        await cluster.stop()

    asyncio.run(main())


def test_a_part_that_does_not_stop_does_not_keep_the_others(caplog, monkeypatch):
    monkeypatch.setattr("arubeki.cluster.cluster.STOP_SECONDS", 0.05)

    async def never():
        await asyncio.Event().wait()

    async def broken():
        raise RuntimeError("broken")

    async def main():
        cluster = fake()
        await cluster.start()
        await cluster.wait_ready()
        machines = cluster.machines.stop
        manager = cluster._manager.stop
        cluster.machines.stop, cluster._manager.stop = never, broken
        await cluster.stop()
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", cluster.port)
        await machines()
        await manager()

    asyncio.run(main())
    assert "a node did not stop within" in caplog.text
    assert "a controller did not stop in good order" in caplog.text


def test_options_that_cannot_be_are_refused():
    for wrong in ({"runtime": "docker"}, {"nodes": -1}, {"nodes": 101}, {"node_grace_seconds": 0}):
        with pytest.raises(ConfigError):
            Options(**wrong)


# It is ready.


def test_ready_means_storage_controllers_default_objects_and_nodes():
    async def main():
        cluster = Cluster(Options(nodes=2, runtime="fake", port=0))
        assert cluster.unready() == "it is not started"
        before = []

        async def look():
            """Ask as soon as the port is open, and go on until it is ready."""
            while not cluster.port:
                await asyncio.sleep(0)
            while True:
                before.append(await ask(cluster, "/readyz?verbose"))
                if before[-1][0] == 200:
                    return

        looking = asyncio.ensure_future(look())
        async with cluster:
            await asyncio.wait_for(looking, 30)
            text = before[-1][1].decode()
            for name in ("storage", "controllers", "default-objects", "nodes"):
                assert f"[+]{name} ok" in text
            assert "readyz check passed" in text
            # And what it promises is so.
            client = cluster.client()
            names = {one["metadata"]["name"] for one in await client.list(SERVICE, "default")}
            assert "kubernetes" in names
            namespaces = {one.name for one in await client.list(core.Namespace)}
            assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= namespaces
            for one in namespaces:
                await client.get(core.ServiceAccount, "default", one)
            nodes = await client.list(core.Node)
            assert [one.name for one in nodes] == ["node-1", "node-2"]
            ready = [c.status for n in nodes for c in n.status.conditions if c.type == "Ready"]
            assert ready == ["True", "True"]
        early = [content.decode() for status, content in before if status != 200]
        assert early, "it was ready at once"
        assert all(status in (200, 500) for status, _ in before)
        assert any("[-]nodes failed" in text for text in early)

    asyncio.run(main())


def test_waiting_for_what_does_not_come_says_what_is_missing():
    async def main():
        async with fake(nodes=1, serve=False) as cluster:
            await cluster.wait_ready()
            cluster._server.readiness["moon"] = lambda: "not full"
            with pytest.raises(TimeoutError, match="the cluster is not ready: moon: not full"):
                await cluster.wait_ready(0.05)

    asyncio.run(main())


def test_a_node_that_stops_takes_its_processes_along_and_comes_back(tmp_path):
    async def main():
        async with Cluster(Options(port=0, serve=False, nodes=2)) as cluster:
            await cluster.wait_ready()
            client = cluster.client()
            marker = f"{tmp_path}/beat"
            beat = f"while echo x >> {marker}; do sleep 0.02; done"
            await client.create(pod("beat", ["sh", "-c", beat], nodeName="node-1"), kind=POD)
            await running(client, "beat")
            await cluster.stop_node("node-1")
            size = Path(marker).stat().st_size
            await asyncio.sleep(0.15)
            assert Path(marker).stat().st_size == size, "its process has ended"
            with pytest.raises(ConfigError, match="node-1 does not run"):
                await cluster.stop_node("node-1")
            with pytest.raises(ConfigError, match="no node node-9"):
                await cluster.start_node("node-9")
            await cluster.start_node("node-1")
            with pytest.raises(ConfigError, match="node-1 runs already"):
                await cluster.start_node("node-1")
            await cluster.wait_ready()
            async with asyncio.timeout(10):  # what is bound to it runs anew
                while Path(marker).stat().st_size == size:
                    await asyncio.sleep(0.02)

    asyncio.run(main())


# Who may.


def test_low_ports_that_may_not_be_bound_are_told(monkeypatch):
    class Guarded(socket.socket):
        def bind(self, place):
            if 0 < place[1] < 1024:
                raise PermissionError(13, "Permission denied")
            super().bind(place)

    async def main():
        async with Cluster(Options(port=0, nodes=0)) as cluster:
            assert cluster.notices == []
        monkeypatch.setattr(network.socket, "socket", Guarded)
        async with Cluster(Options(port=0, nodes=0)) as cluster:
            (notice,) = cluster.notices
            assert "ports below 1024" in notice and "10000 higher" in notice

    asyncio.run(main())
