"""A cluster whose state is in a real etcd: restarts, and two servers on one truth."""

import asyncio
import contextlib
import shutil

import msgspec
import pytest

from arubeki.api.objects import Kind
from arubeki.client.client import Client
from arubeki.client.config import load
from arubeki.client.https import HttpsTransport
from arubeki.errors import Conflict
from tests.storage.conftest import EtcdServer, free_port
from tests.support.child import Up, arubeki

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
POD = Kind("", "v1", "Pod", "pods")
SERVICE = Kind("", "v1", "Service", "services")

pytestmark = pytest.mark.etcd


@pytest.fixture
def etcd(tmp_path):
    if shutil.which("etcd") is None:
        pytest.skip("not run: etcd is not installed")
    folder = tmp_path / "etcd"
    folder.mkdir()
    server = EtcdServer(folder)
    server.start()
    yield server
    server.stop()


def up(etcd, home, *options):
    return Up("--storage", f"etcd://{etcd.endpoint}", "--port", 0, *options, home=home)


@contextlib.asynccontextmanager
async def connected(home):
    client = Client(HttpsTransport(load(home / ".kube" / "config")))
    try:
        yield client
    finally:
        await client.close()


def config_map(name, value="v"):
    return {"metadata": {"name": name, "namespace": "default"}, "data": {"k": value}}


def test_a_restart_on_the_same_etcd_goes_on_where_it_was(etcd, tmp_path):
    async def main():
        async with up(etcd, tmp_path, "--runtime", "fake") as server:
            assert f"  state   etcd://{etcd.endpoint}\n" in server.block
            before = load(tmp_path / ".kube" / "config")
            async with connected(tmp_path) as client:
                made = await client.create(config_map("kept"), kind=CONFIG_MAP)
            server.process.kill()
            await server.wait()
        async with up(etcd, tmp_path, "--runtime", "fake") as server, connected(tmp_path) as client:
            assert load(tmp_path / ".kube" / "config").authority == before.authority
            found = await client.get(CONFIG_MAP, "kept", "default")
            assert found["metadata"] == made["metadata"]
            again = await client.create(config_map("new"), kind=CONFIG_MAP)
            versions = [int(one["metadata"]["resourceVersion"]) for one in (made, again)]
            assert versions[0] < versions[1]
            assert await server.end() == 0, server.errors

    asyncio.run(main())


def test_two_servers_on_one_etcd_tell_the_same(etcd, tmp_path):
    async def main():
        homes = tmp_path / "one", tmp_path / "other"
        async with (
            up(etcd, homes[0]) as first,
            up(etcd, homes[1], "--nodes", 0) as second,
            connected(homes[0]) as one,
            connected(homes[1]) as other,
        ):
            configs = [load(home / ".kube" / "config") for home in homes]
            assert configs[0].authority == configs[1].authority
            assert "there is nothing to run Pods on" in second.block

            # Who writes here reads it there, at once and under the same revision.
            _, version = await other.list_raw(CONFIG_MAP, "default")
            watch = other.watch_raw(CONFIG_MAP, "default", resource_version=version)
            seen = asyncio.ensure_future(names(watch, 20))
            for number in range(20):
                made = await one.create(config_map(f"c{number}"), kind=CONFIG_MAP)
                found = await other.get(CONFIG_MAP, f"c{number}", "default")
                assert found == made
                listed = await other.list(CONFIG_MAP, "default")
                assert found in listed
            assert await asyncio.wait_for(seen, 10) == [f"c{number}" for number in range(20)]

            # One object, two writers: the second is told so.
            stale = await one.get(CONFIG_MAP, "c0", "default")
            await other.update({**stale, "data": {"k": "other"}}, kind=CONFIG_MAP)
            with pytest.raises(Conflict):
                await one.update({**stale, "data": {"k": "one"}}, kind=CONFIG_MAP)

            # What is taken is taken for both.
            service = {"metadata": {"namespace": "default"}, "spec": {"ports": [{"port": 80}]}}
            made = await asyncio.gather(
                *(
                    client.create(
                        service | {"metadata": {"name": f"{name}{n}", "namespace": "default"}},
                        kind=SERVICE,
                    )
                    for n in range(10)
                    for name, client in (("a", one), ("b", other))
                )
            )
            assert len({one["spec"]["clusterIP"] for one in made}) == 20

            # What is applied there runs here.
            await other.apply(deployment(), kind=DEPLOYMENT)
            async with asyncio.timeout(30):
                while True:
                    live = await one.get(DEPLOYMENT, "d", "default")
                    pods = await other.list(POD, "default")
                    if live.get("status", {}).get("availableReplicas") == 2 and len(pods) == 2:
                        break
                    await asyncio.sleep(0.05)
            assert await second.end() == 0, second.errors
            assert await first.end() == 0, first.errors

    asyncio.run(main())


async def names(watch, count):
    found = []
    async with contextlib.aclosing(watch):
        async for kind, data in watch:
            if kind == "ADDED":
                found.append(msgspec.json.decode(data)["metadata"]["name"])
            if len(found) == count:
                break
    return found


def deployment():
    labels = {"app": "d"}
    container = {"name": "c", "image": "none", "command": ["sleep", "1000"]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "default"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }


def test_an_etcd_that_is_not_there_is_told_in_two_lines(tmp_path):
    place = f"etcd://127.0.0.1:{free_port()}"
    status, output, errors = asyncio.run(arubeki("up", "--storage", place, home=tmp_path))
    assert (status, output) == (1, "")
    lines = errors.splitlines()
    assert len(lines) == 2, errors
    assert lines[0].startswith("error: ")
    assert place.removeprefix("etcd://") in lines[0]
    assert lines[1].startswith("help: ")
    assert not (tmp_path / ".kube").exists()


def test_a_storage_that_makes_no_sense_is_misuse(tmp_path):
    status, _, errors = asyncio.run(arubeki("up", "--storage", "redis://x", home=tmp_path))
    assert status == 2
    assert len(errors.splitlines()) == 1
