"""`kill -9` at random moments under writes: what was acknowledged is there, and nothing else stays.

ARUBEKI_KILLS says how often (ten), ARUBEKI_SEED makes chance repeat itself.
"""

import asyncio
import contextlib
import os
import random
import signal
from dataclasses import dataclass, field

import msgspec
import pytest

from arubeki.api.objects import Kind
from arubeki.client.client import Client
from arubeki.client.config import load
from arubeki.client.https import HttpsTransport
from arubeki.errors import NotFound, TransportError
from tests.support.child import MARK, Up, marked, until

KILLS = int(os.environ.get("ARUBEKI_KILLS", "10"))
WRITERS = 4
PODS = 2
OUTLIVE_SECONDS = 5.0
RUN_AGAIN_SECONDS = 30.0

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
POD = Kind("", "v1", "Pod", "pods")
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")

# The main process of a container, and a daemon that left its session and its parents.
DAEMON = "(setsid sh -c 'sleep 1000 & exec sleep 1000' >/dev/null 2>&1 &); exec sleep 1000"


@dataclass
class Key:
    """What one ConfigMap is known to be: acknowledged, or on its way when the server died."""

    acknowledged: str | None = None
    trying: list[str | None] = field(default_factory=list)
    version: str = ""


@dataclass
class Ledger:
    """All that a client was told, over all lives of the server."""

    keys: dict[str, Key] = field(default_factory=dict)
    newest: int = 0
    writes: int = 0

    def saw(self, resource_version, floor):
        number = int(resource_version)
        assert number > floor, f"revision {number} was given again, {floor} was there at the start"
        self.newest = max(self.newest, number)
        self.writes += 1


@contextlib.asynccontextmanager
async def connected(kubeconfig):
    client = Client(HttpsTransport(load(kubeconfig)))
    try:
        yield client
    finally:
        await client.close()


async def write(client, name, ledger, chance, floor):
    """Change objects of one's own until the server is gone."""
    with contextlib.suppress(TransportError):
        while True:
            await change(client, f"{name}-{chance.randrange(6)}", ledger, chance, floor)


async def change(client, name, ledger, chance, floor):
    """Create, update or delete one object; note what is tried before, what is told after."""
    key = ledger.keys.setdefault(name, Key())
    value = f"{chance.random()}" + "x" * chance.choice((0, 100, 5000))
    metadata = {"name": name, "namespace": "default"}
    if key.acknowledged is None:
        key.trying.append(value)
        found = await client.create({"metadata": metadata, "data": {"v": value}}, kind=CONFIG_MAP)
    elif chance.random() < 0.3:
        key.trying.append(None)
        await client.delete(CONFIG_MAP, name, "default", resource_version=key.version)
        key.acknowledged, key.trying, key.version = None, [], ""
        ledger.writes += 1
        return
    else:
        key.trying.append(value)
        metadata["resourceVersion"] = key.version
        found = await client.update({"metadata": metadata, "data": {"v": value}}, kind=CONFIG_MAP)
    key.acknowledged, key.trying = value, []
    key.version = found["metadata"]["resourceVersion"]
    ledger.saw(key.version, floor)


async def verify(client, ledger):
    """Compare what is there with what was told; return the revision that is reached."""
    items, version = await client.list_raw(CONFIG_MAP, "default")
    assert int(version) >= ledger.newest, f"{version} after {ledger.newest}: a revision went back"
    there = {}
    for one in map(msgspec.json.decode, items):
        if one["metadata"]["name"].startswith("writer-"):
            there[one["metadata"]["name"]] = one
    assert set(there) <= set(ledger.keys)
    for name, key in ledger.keys.items():
        found = there[name]["data"]["v"] if name in there else None
        possible = [key.acknowledged, *key.trying]
        assert found in possible, f"{name}: acknowledged {str(key.acknowledged)[:20]!r}, {found!r}"
        if found is not None and found == key.acknowledged:
            assert there[name]["metadata"]["resourceVersion"] == key.version
        key.acknowledged, key.trying = found, []
        key.version = there[name]["metadata"]["resourceVersion"] if name in there else ""
    ledger.newest = max(ledger.newest, int(version))
    return int(version)


def workload(mark):
    labels = {"app": "durable"}
    container = {
        "name": "c",
        "image": "none",
        "command": ["sh", "-c", DAEMON],
        "env": [{"name": MARK, "value": mark}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "durable", "namespace": "default"},
        "spec": {
            "replicas": PODS,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


class Lives:
    """One data directory, many servers, one after the other."""

    def __init__(self, folder, chance):
        self.folder = folder
        self.chance = chance
        self.ledger = Ledger()
        self.pods = f"pods-{chance.randrange(1 << 48):012x}"
        self.servers = f"server-{self.pods}"
        self.ending = []
        self.ran_again = 0

    def server(self):
        runtime = self.chance.choice(("auto", "plain"))
        options = ["--data", self.folder / "data", "--kubeconfig", self.folder / "kubeconfig"]
        return Up(*options, "--port", 0, "--runtime", runtime, home=self.folder, mark=self.servers)

    async def kill(self, server):
        """Kill it, and see in the background that all it ran ends too."""
        server.process.kill()
        before = marked(self.pods) | marked(self.servers)
        await server.wait()
        assert server.process.returncode == -signal.SIGKILL, server.errors

        async def ended():
            left = set(before)

            def gone():
                left.intersection_update(marked(self.pods) | marked(self.servers))
                return not left

            await until(gone, OUTLIVE_SECONDS, lambda: f"processes outlive the server: {left}")

        self.ending.append(asyncio.ensure_future(ended()))
        return before

    async def live(self, *, old, must_run):
        """One life: all is there, more is written, it dies."""
        server = self.server()
        is_early = not must_run and self.chance.random() < 0.25
        await server.start(wait=not is_early)
        try:
            if is_early:
                await asyncio.sleep(self.chance.uniform(0, 1.0))
                return await self.kill(server)
            async with connected(self.folder / "kubeconfig") as client:
                floor = await verify(client, self.ledger)
                await client.apply(workload(self.pods), kind=DEPLOYMENT)
                writers = [
                    asyncio.ensure_future(
                        write(client, f"writer-{n}", self.ledger, self.chance, floor)
                    )
                    for n in range(WRITERS)
                ]
                try:
                    if must_run:
                        await self.run_again(old)
                    await asyncio.wait(writers, timeout=self.chance.uniform(0, 0.6))
                    killed = await self.kill(server)
                finally:
                    done = await asyncio.gather(*writers, return_exceptions=True)
                for result in done:
                    if isinstance(result, BaseException):
                        raise result
                return killed
        finally:
            await server.__aexit__()

    async def run_again(self, old):
        """Wait until the Pods' processes run, and none of them is an old one."""

        def runs():
            return len(marked(self.pods) - old) >= PODS * 3

        await until(runs, RUN_AGAIN_SECONDS, lambda: f"{len(marked(self.pods) - old)} run")
        self.ran_again += 1


def test_what_was_acknowledged_survives_kill_9(tmp_path):
    seed = int(os.environ.get("ARUBEKI_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"ARUBEKI_SEED={seed} ARUBEKI_KILLS={KILLS}")
    lives = Lives(tmp_path, random.Random(seed))

    async def main():
        killed = set()
        for number in range(KILLS):
            killed |= await lives.live(old=killed, must_run=number % 4 == 1)
        await asyncio.gather(*lives.ending)
        # The last life ends in good order, and what it was told is there for the next.
        async with lives.server() as server:
            async with connected(tmp_path / "kubeconfig") as client:
                await verify(client, lives.ledger)
                await lives.run_again(killed)
                await client.delete(DEPLOYMENT, "durable", "default")
            assert await server.end() == 0, server.errors
        assert not marked(lives.pods)
        assert not marked(lives.servers)

    asyncio.run(main())
    print(f"{lives.ledger.writes} writes acknowledged, Pods ran again {lives.ran_again} times")
    assert lives.ledger.writes > 10 * KILLS
    assert lives.ran_again > KILLS // 4


@pytest.mark.parametrize("runtime", ["auto", "plain"])
def test_no_process_of_a_pod_outlives_a_server_that_nobody_starts_again(tmp_path, runtime):
    async def main():
        lives = Lives(tmp_path, random.Random(runtime))
        server = lives.server()
        async with server:
            async with connected(tmp_path / "kubeconfig") as client:
                await client.apply(workload(lives.pods), kind=DEPLOYMENT)
                await lives.run_again(set())
            loop = asyncio.get_running_loop()
            begun = loop.time()
            server.process.kill()
            await server.wait()
            await until(
                lambda: not marked(lives.pods) and not marked(lives.servers),
                OUTLIVE_SECONDS,
                lambda: f"{marked(lives.pods)} and {marked(lives.servers)} live",
            )
            assert loop.time() - begun < OUTLIVE_SECONDS

    asyncio.run(main())


def test_an_acknowledged_deletion_is_not_undone(tmp_path):
    async def main():
        lives = Lives(tmp_path, random.Random(1))
        async with lives.server() as server:
            async with connected(tmp_path / "kubeconfig") as client:
                obj = {"metadata": {"name": "gone", "namespace": "default"}}
                made = await client.create(obj, kind=CONFIG_MAP)
                await client.delete(CONFIG_MAP, "gone", "default")
            server.process.kill()
            await server.wait()
        async with lives.server() as server, connected(tmp_path / "kubeconfig") as client:
            with pytest.raises(NotFound):
                await client.get(CONFIG_MAP, "gone", "default")
            again = await client.create(obj, kind=CONFIG_MAP)
            newer = int(again["metadata"]["resourceVersion"])
            assert newer > int(made["metadata"]["resourceVersion"]) + 1, "the deletion had one too"

    asyncio.run(main())
