"""`arubeki up` as a process: what it says, what it changes on the machine, what it leaves."""

import asyncio
import contextlib
import os
import signal
import socket
import stat
from pathlib import Path

import pytest
import yaml

from arubeki.api.objects import Kind
from arubeki.client.client import Client
from arubeki.client.config import load
from arubeki.client.https import HttpsTransport
from arubeki.kinds import core_v1 as core
from tests.support.child import Up, arubeki, marked, until

POD = Kind("", "v1", "Pod", "pods")
THEIRS = """\
apiVersion: v1
kind: Config
preferences: {}
current-context: work
clusters:
- {name: work, cluster: {server: "https://work.example"}}
users:
- {name: work, user: {token: abc}}
contexts:
- {name: work, context: {cluster: work, user: work, namespace: team}}
"""


def up(home, *options, **more):
    return Up("--memory", "--runtime", "fake", *options, home=home, **more)


def kube(home):
    path = home / ".kube" / "config"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.asynccontextmanager
async def connected(path, context=""):
    client = Client(HttpsTransport(load(path, context=context)))
    try:
        yield client
    finally:
        await client.close()


def temporary(home):
    """Return what lies about in the folder for temporary files."""
    return sorted(one.name for one in (home / "tmp").iterdir())


def test_the_ready_block_tells_where_it_is_and_how_to_end_it(tmp_path):
    async def main():
        async with up(tmp_path, "--port", 0, "--nodes", 3) as server:
            lines = server.block.splitlines()
            assert lines == [
                f"cluster ready at {server.url}    kubectl context: arubeki (now current)",
                "  nodes   3 nodes; Pods are status only, nothing runs",
                "  state   memory: gone when this ends",
                "Ctrl-C stops it and takes the context away.",
            ]
            assert await server.end() == 0
            assert server.errors == ""
            assert server.block.splitlines() == lines

    asyncio.run(main())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_good_order(tmp_path, number):
    async def main():
        runtime = {signal.SIGINT: "plain", signal.SIGTERM: "auto", signal.SIGHUP: "auto"}[number]
        server = Up("--memory", "--runtime", runtime, "--port", 0, "--nodes", 2, home=tmp_path)
        async with server:
            async with connected(tmp_path / ".kube" / "config") as client:
                daemon = "(setsid sh -c 'trap : TERM; while sleep 1; do :; done' &); sleep 1000"
                stubborn = f"trap : TERM; {daemon}; while sleep 1; do :; done"
                for name, command in (("daemon", daemon), ("stubborn", stubborn)):
                    container = {"name": "c", "image": "none", "command": ["sh", "-c", command]}
                    container["env"] = [{"name": "ARUBEKI_TEST_MARK", "value": server.mark}]
                    metadata = {"name": name, "namespace": "default"}
                    made = {"metadata": metadata, "spec": {"containers": [container]}}
                    await client.create(made, kind=POD)
                await running(client, 2)
            assert len(marked(server.mark)) > 5
            loop = asyncio.get_running_loop()
            begun = loop.time()
            assert await server.end(number) == 0
            assert loop.time() - begun < 5.0
            assert marked(server.mark) == set(), "its keepers and the Pods' processes have ended"
            assert server.errors == ""
            assert not (tmp_path / ".kube").exists(), "which it had made"
            assert temporary(tmp_path) == []

    asyncio.run(main())


async def running(client, count):
    async with asyncio.timeout(30):
        while True:
            pods = await client.list(core.Pod, "default")
            if sum(pod.status.phase == "Running" for pod in pods) == count:
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("seconds", [0.15, 0.3, 0.45, 0.6])
def test_a_signal_during_the_start_ends_it_too(tmp_path, seconds):
    async def main():
        server = Up("--data", tmp_path / "data", "--port", 0, home=tmp_path)
        await server.start(wait=False)
        try:
            await asyncio.sleep(seconds)
            status = await server.end()
            # Before Python has come to us, a signal does what it does to any process.
            assert status == 0 or (status == -signal.SIGTERM and server.block == "")
            assert "Traceback" not in server.errors
            assert marked(server.mark) == set()
            assert not (tmp_path / ".kube").exists()
            assert temporary(tmp_path) == []
        finally:
            await server.__aexit__()

    asyncio.run(main())


def test_a_user_with_a_watch_open_does_not_hold_it_up(tmp_path):
    async def main():
        path = tmp_path / ".kube" / "config"
        async with up(tmp_path, "--port", 0) as server, connected(path) as client:
            watch = client.watch_raw(core.Pod, "default")
            following = asyncio.ensure_future(anext(watch, None))
            await asyncio.sleep(0.1)
            loop = asyncio.get_running_loop()
            begun = loop.time()
            assert await server.end() == 0
            assert loop.time() - begun < 3.0
            await asyncio.gather(following, return_exceptions=True)
            await watch.aclose()

    asyncio.run(main())


# Ports.


def test_a_port_that_is_taken_is_passed_over_and_told(tmp_path):
    async def main():
        with socket.socket() as held:
            with contextlib.suppress(OSError):  # somebody else has it: as good
                held.bind(("127.0.0.1", 6443))
                held.listen()
            async with up(tmp_path) as server:
                assert server.port > 6443
                assert f"port 6443 is taken, so this is {server.port}" in server.block
                assert await server.end() == 0

    asyncio.run(main())


def test_a_port_that_was_named_and_is_taken_is_an_error(tmp_path):
    async def main():
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            held.listen()
            port = held.getsockname()[1]
            status, output, errors = await arubeki("up", "--memory", "--port", port, home=tmp_path)
        assert (status, output) == (1, "")
        assert errors.splitlines() == [
            f"error: port {port} is taken",
            "help: leave --port out to get the next free one",
        ]
        assert not (tmp_path / ".kube").exists()
        assert temporary(tmp_path) == []

    asyncio.run(main())


def test_it_listens_on_this_machine_alone(tmp_path):
    async def main():
        server = Up("--memory", "--port", 0, "--nodes", 2, home=tmp_path)
        async with server:
            async with connected(tmp_path / ".kube" / "config") as client:
                service = {
                    "apiVersion": "v1", "kind": "Service",
                    "metadata": {"name": "s", "namespace": "default"},
                    "spec": {"type": "NodePort", "selector": {"a": "b"}, "ports": [{"port": 8080}]},
                }  # fmt: skip
                await client.create(service)
            ports = lambda: {port for _, port in listening(server.mark)}  # noqa: E731
            await until(lambda: 443 in ports() or 10443 in ports(), 10, ports)
            places = listening(server.mark)
            assert server.port in {port for _, port in places}
            assert all(address.startswith("127.") for address, _ in places), places

    asyncio.run(main())


def listening(mark):
    """Return the (address, port) that marked processes listen on, TCP over IPv4 and IPv6."""
    inodes = set()
    for pid, _ in marked(mark):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = os.readlink(entry)
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            parts = line.split()
            if parts[3] == "0A" and parts[9] in inodes:
                address, _, port = parts[1].partition(":")
                raw = bytes.fromhex(address)
                text = socket.inet_ntoa(raw[::-1]) if name == "tcp" else f"[{address}]"
                found.add((text, int(port, 16)))
    return found


# The kubeconfig.


def test_what_is_in_the_users_kubeconfig_stays_and_is_given_back(tmp_path):
    async def main():
        path = kube(tmp_path)
        path.write_text(THEIRS)
        path.chmod(0o644)
        async with up(tmp_path, "--port", 0) as server:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            merged = yaml.safe_load(path.read_text())
            assert merged["current-context"] == "arubeki"
            assert [one["name"] for one in merged["contexts"]] == ["work", "arubeki"]
            async with connected(path) as client:
                assert len(await client.list(core.Node)) == 1
            assert await server.end() == 0
        assert yaml.safe_load(path.read_text()) == yaml.safe_load(THEIRS)

    asyncio.run(main())


def test_a_file_that_is_named_is_merged_into_and_no_other_is_touched(tmp_path):
    async def main():
        theirs, named = kube(tmp_path), tmp_path / "named"
        theirs.write_text(THEIRS)
        before = theirs.stat().st_mtime_ns
        for text in (None, THEIRS):
            if text is not None:
                named.write_text(text)
            async with up(tmp_path, "--port", 0, "--kubeconfig", named) as server:
                assert f"arubeki (now current) in {named}" in server.block
                assert stat.S_IMODE(named.stat().st_mode) == 0o600
                async with connected(named) as client:
                    assert len(await client.list(core.Node)) == 1
                assert await server.end() == 0
            if text is None:
                assert not named.exists(), "which it had made"
            else:
                assert yaml.safe_load(named.read_text()) == yaml.safe_load(text)
        assert theirs.read_text() == THEIRS
        assert theirs.stat().st_mtime_ns == before

    asyncio.run(main())


def test_the_environments_kubeconfig_is_respected(tmp_path):
    async def main():
        first, second = tmp_path / "first", tmp_path / "second"
        second.write_text(THEIRS)
        both = {"KUBECONFIG": f"{first}{os.pathsep}{second}"}
        async with up(tmp_path, "--port", 0, environment=both) as server:
            assert yaml.safe_load(second.read_text())["current-context"] == "arubeki"
            assert not first.exists()
            status, output, errors = await arubeki(
                "get", "nodes", "-o", "name", home=tmp_path, environment=both
            )
            assert (status, output, errors) == (0, "node/node-1\n", "")
            assert await server.end() == 0
        assert yaml.safe_load(second.read_text()) == yaml.safe_load(THEIRS)
        assert not (tmp_path / ".kube").exists()

    asyncio.run(main())


def test_two_clusters_have_two_contexts_whoever_ends_first(tmp_path):
    async def main():
        path = kube(tmp_path)
        path.write_text(THEIRS)
        for first_ends_first in (True, False):
            servers = [up(tmp_path, "--port", 0) for _ in range(2)]
            async with servers[0], servers[1]:
                name = f"arubeki-{servers[1].port}"
                assert f"kubectl context: {name} (now current)" in servers[1].block
                for context, server in (("arubeki", servers[0]), (name, servers[1])):
                    assert load(path, context=context).server == server.url
                for server in servers if first_ends_first else reversed(servers):
                    assert await server.end() == 0
            assert yaml.safe_load(path.read_text()) == yaml.safe_load(THEIRS)

    asyncio.run(main())


def test_clusters_that_start_at_the_same_time_do_not_take_each_others_name(tmp_path):
    async def main():
        servers = [up(tmp_path, "--port", 0) for _ in range(3)]
        await asyncio.gather(*(one.start() for one in servers))
        try:
            document = yaml.safe_load((tmp_path / ".kube" / "config").read_text())
            urls = {one["cluster"]["server"] for one in document["clusters"]}
            assert urls == {one.url for one in servers}
            assert await asyncio.gather(*(one.end() for one in servers)) == [0, 0, 0]
        finally:
            for one in servers:
                await one.__aexit__()
        assert not (tmp_path / ".kube" / "config").exists()

    asyncio.run(main())


@pytest.mark.parametrize("same_port", [True, False])
def test_what_a_crash_left_is_cleaned_by_the_next_start(tmp_path, same_port):
    async def main():
        path = kube(tmp_path)
        path.write_text(THEIRS)
        crashed = Up("--memory", "--runtime", "plain", "--port", 0, home=tmp_path)
        async with up(tmp_path, "--port", 0) as living:
            async with crashed:
                crashed.process.kill()
                await crashed.wait()
            left = yaml.safe_load(path.read_text())
            assert len(left["contexts"]) == 3
            assert len(temporary(tmp_path)) == 2
            await until(lambda: not marked(crashed.mark), 5, lambda: marked(crashed.mark))
            port = crashed.port if same_port else 0
            async with up(tmp_path, "--port", port) as server:
                document = yaml.safe_load(path.read_text())
                urls = [one["cluster"]["server"] for one in document["clusters"]]
                assert urls == ["https://work.example", living.url, server.url]
                assert await server.end() == 0
            document = yaml.safe_load(path.read_text())
            assert document["current-context"] == "arubeki", "the one that lives"
            assert await living.end() == 0
        assert yaml.safe_load(path.read_text()) == yaml.safe_load(THEIRS)
        assert temporary(tmp_path) == []

    asyncio.run(main())


def test_a_file_that_a_crashed_cluster_made_goes_with_the_next_one(tmp_path):
    async def main():
        path = tmp_path / "named"
        async with up(tmp_path, "--port", 0, "--kubeconfig", path) as server:
            server.process.kill()
            await server.wait()
        assert path.exists()
        async with up(tmp_path, "--port", 0, "--kubeconfig", path) as server:
            assert await server.end() == 0
        assert not path.exists()

    asyncio.run(main())


def test_a_context_of_the_users_own_is_never_replaced(tmp_path):
    async def main():
        path = kube(tmp_path)
        own = THEIRS.replace("work", "arubeki")
        path.write_text(own)
        async with up(tmp_path, "--port", 0) as server:
            assert f"kubectl context: arubeki-{server.port}" in server.block
            assert await server.end() == 0
        assert yaml.safe_load(path.read_text()) == yaml.safe_load(own)

    asyncio.run(main())


@pytest.mark.parametrize("obstacle", ["a lock", "a file for a folder"])
def test_a_kubeconfig_that_cannot_be_written_is_told(tmp_path, obstacle):
    path = kube(tmp_path)
    if obstacle == "a lock":
        path.with_name("config.lock").touch()
    else:
        path.parent.rmdir()
        path.parent.write_text("no folder")
    status, output, errors = asyncio.run(
        arubeki("up", "--memory", "--runtime", "fake", "--port", 0, home=tmp_path)
    )
    assert (status, output) == (1, "")
    assert errors.startswith(f"error: {path} ")
    assert "Traceback" not in errors
    assert temporary(tmp_path) == []


# The state.


def test_the_users_state_directory_is_the_default(tmp_path):
    async def main():
        for environment, place in (
            ({}, tmp_path / ".local" / "state" / "arubeki"),
            ({"XDG_STATE_HOME": str(tmp_path / "xdg")}, tmp_path / "xdg" / "arubeki"),
        ):
            server = Up("--port", 0, "--nodes", 0, home=tmp_path, environment=environment)
            async with server:
                assert f"  state   {place}\n" in server.block
                assert stat.S_IMODE(place.stat().st_mode) == 0o700
                assert await server.end() == 0
            assert (place / "state.db").is_file()

    asyncio.run(main())


def test_no_reader_of_its_output_is_no_reason_to_end(tmp_path):
    """`arubeki up | head -1`: the block cannot be written, and that is told by the exit alone."""

    async def main():
        server = up(tmp_path, "--port", 0)
        await server.start(wait=False)
        server.process._transport.get_pipe_transport(1).close()
        async with asyncio.timeout(20):
            assert await server.process.wait() == 0
        assert "Traceback" not in server.errors
        assert not (tmp_path / ".kube").exists()

    asyncio.run(main())
