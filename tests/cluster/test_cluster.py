"""A whole cluster in one process: it begins, is ready, keeps its secrets, and leaves nothing."""

import asyncio
import gc
import json
import logging
import os
import ssl
import stat
import threading
from pathlib import Path

import pytest

from arubeki.api.objects import Kind
from arubeki.cluster import Cluster, Options, identity
from arubeki.cluster.cluster import make_storage
from arubeki.errors import ConfigError, StorageBusy
from arubeki.kinds import core_v1 as core
from arubeki.net import tls
from arubeki.net.message import User
from arubeki.node.network import addresses

SERVICE = Kind("", "v1", "Service", "services")
POD = Kind("", "v1", "Pod", "pods")
SECRET = Kind("", "v1", "Secret", "secrets")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")


async def ask(cluster, path, *, pair=None, token="", method="GET", body=b"", authority=None):
    """Send one HTTPS request; return (status, body)."""
    trusted = authority or cluster._identity.authority.certificate
    context = tls.client_context(trusted, pair)
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.port, ssl=context)
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    if body:
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    if token:
        head += f"authorization: Bearer {token}\r\n"
    try:
        writer.write(head.encode() + b"\r\n" + body)
        answer = await reader.read()
    finally:
        writer.close()
    head, _, content = answer.partition(b"\r\n\r\n")
    if b"chunked" in head.lower():
        content = b"".join(content.split(b"\r\n")[1::2])
    return int(head.split()[1]), content


def fake(**options):
    return Cluster(Options(**{"runtime": "fake", "port": 0, **options}))


def pod(name, command, **spec):
    container = {"name": "c", "image": "none", "command": command}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [container | spec.pop("container", {})], **spec},
    }


async def running(client, name):
    """Wait until a Pod is Ready, and return it."""
    async with asyncio.timeout(30):
        while True:
            found = await client.get(POD, name, "default")
            conditions = found.get("status", {}).get("conditions") or ()
            if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
                return found
            await asyncio.sleep(0.02)


def descriptors():
    """Return what this process has open."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append(os.readlink(entry))
        except OSError:
            continue  # it was for the listing itself
    return sorted(one.partition(":")[0] for one in found)


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


# It begins and ends.


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
        for _ in range(3):
            await once(runtime="fake", nodes=2)
            await once(runtime="plain")
            await once(**everything)
        gc.collect()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == tasks
        assert threading.enumerate() == threads
        assert descriptors() == open_
        assert children() == []
        assert [one.name for one in tmp_path.iterdir()] == ["data"]

    asyncio.run(main())


@pytest.mark.parametrize("after_turns", [0, 1, 5, 20, 60, 75, "its first process"])
def test_a_start_that_is_cancelled_leaves_nothing_behind(tmp_path, after_turns):
    async def main():
        tasks, open_ = asyncio.all_tasks(), descriptors()
        runtime = "fake" if isinstance(after_turns, int) else "sandbox"
        starting = asyncio.ensure_future(fake(storage=tmp_path, runtime=runtime).start())
        if isinstance(after_turns, int):
            for _ in range(after_turns):
                await asyncio.sleep(0)
        else:
            while not children():
                await asyncio.sleep(0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        assert asyncio.all_tasks() == tasks
        gc.collect()
        assert descriptors() == open_
        assert children() == []
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


def test_a_restart_keeps_every_kubeconfig_valid(tmp_path):
    async def main():
        pairs = []
        for _ in range(2):
            async with fake(storage=tmp_path, nodes=0) as cluster:
                pairs.append((cluster._identity.authority.certificate, cluster.token))
                entry = cluster.kubeconfig_entries()[1]
                assert set(entry) == {"client-certificate-data", "client-key-data"}
                pairs.append(cluster._admin)
        (authority, token), admin = pairs[0], pairs[1]
        async with fake(storage=tmp_path, nodes=0) as cluster:
            path = "/api/v1/namespaces/default/pods"
            assert (await ask(cluster, path, pair=admin, authority=authority))[0] == 200
            assert (await ask(cluster, path, token=token, authority=authority))[0] == 200

    asyncio.run(main())


def test_only_a_credential_of_its_own_authority_opens_it():
    async def main():
        async with fake(nodes=0) as cluster:
            path = "/api/v1/namespaces/default/pods"
            for probe in ("/livez", "/readyz", "/healthz", "/version"):
                assert (await ask(cluster, probe))[0] == 200
            status, content = await ask(cluster, path)
            assert (status, json.loads(content)["reason"]) == (401, "Unauthorized")
            assert (await ask(cluster, path, token="guess"))[0] == 401
            assert (await ask(cluster, path, token=cluster.token[:-1]))[0] == 401
            assert (await ask(cluster, path, token=cluster.token))[0] == 200
            own = cluster._identity
            assert (await ask(cluster, path, pair=own.client(identity.ADMIN)))[0] == 200
            jane = own.client(User("jane", ("developers",)))
            status, content = await ask(cluster, path, pair=jane)
            answer = json.loads(content)
            assert (status, answer["reason"]) == (403, "Forbidden")
            assert answer["message"].startswith(
                'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the '
                'namespace "default"'
            )
            # A certificate of somebody else's authority, with the administrator's name in it.
            foreign = tls.make_authority()
            pair = tls.issue_client(foreign, "kubernetes-admin", ["system:masters"])
            with pytest.raises((ssl.SSLError, ConnectionError, IndexError)):
                await ask(cluster, path, pair=pair)
            # One of a server is none of a client.
            with pytest.raises((ssl.SSLError, ConnectionError, IndexError)):
                await ask(cluster, path, pair=own.server())

    asyncio.run(main())


def test_no_secret_is_ever_logged(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)

    async def main():
        asyncio.get_running_loop().set_debug(True)
        async with Cluster(Options(storage=tmp_path, port=0)) as cluster:
            await cluster.wait_ready()
            value = "c2VjcmV0LXZhbHVlLTQ3MTE="  # secret-value-4711
            secret = {"metadata": {"name": "s", "namespace": "default"}, "data": {"k": value}}
            body = json.dumps({"apiVersion": "v1", "kind": "Secret", **secret}).encode()
            where = "/api/v1/namespaces/default/secrets"
            status, _ = await ask(cluster, where, token=cluster.token, method="POST", body=body)
            assert status == 201
            assert (await ask(cluster, where, token=cluster.token + "x"))[0] == 401
            env = [{"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
            volume = {"name": "v", "secret": {"secretName": "s"}}
            mount = {"name": "v", "mountPath": "/etc/secret"}
            container = {"env": env, "volumeMounts": [mount]}
            made = pod("p", ["sleep", "1000"], container=container, volumes=[volume])
            await cluster.client().create(made, kind=POD)
            await running(cluster.client(), "p")
            bad = body.replace(b'"s"', b'"S_BAD"')
            status, _ = await ask(cluster, where, token=cluster.token, method="POST", body=bad)
            assert status == 422
            own = cluster._identity
            _, user = cluster.kubeconfig_entries()
            secrets = [
                cluster.token,
                own.authority.key.decode().splitlines()[1],
                cluster._admin.key.decode().splitlines()[1],
                user["client-key-data"],
                value,
                "secret-value-4711",
            ]
            for one in (repr(own), repr(cluster._admin), str(cluster.options)):
                assert not any(secret in one for secret in secrets)
        return secrets

    secrets = asyncio.run(main())
    assert caplog.records, "logging was at work"
    for record in caplog.records:
        line = record.getMessage() + str(record.exc_info or "")
        assert not any(secret in line for secret in secrets), record.name


def test_what_is_kept_is_for_its_owner_alone(tmp_path):
    data = tmp_path / "data"

    async def main():
        before = os.umask(0)  # the loosest there is: nothing may lean on the user's
        try:
            async with Cluster(Options(storage=data, port=0)) as cluster:
                await cluster.wait_ready()
                secret = {"metadata": {"name": "s", "namespace": "default"}, "data": {"k": "YQ=="}}
                await cluster.client().create(secret, kind=SECRET)
                volume = {"name": "v", "secret": {"secretName": "s"}}
                mounts = {"volumeMounts": [{"name": "v", "mountPath": "/etc/secret"}]}
                made = pod("p", ["sleep", "100"], container=mounts, volumes=[volume])
                await cluster.client().create(made, kind=POD)
                await running(cluster.client(), "p")
                return {
                    path.relative_to(tmp_path): stat.S_IMODE(path.stat().st_mode)
                    for path in (data, *data.iterdir(), *(data / "nodes").iterdir())
                }
        finally:
            os.umask(before)

    modes = asyncio.run(main())
    assert len(modes) >= 5
    for path, mode in modes.items():
        wanted = 0o700 if (tmp_path / path).is_dir() else 0o600
        assert mode == wanted, f"{path} is {mode:o}"


# Several on one machine.


def test_two_clusters_at_once_do_not_share_an_address():
    async def main():
        async with Cluster(Options(port=0)) as one, Cluster(Options(port=0)) as other:
            pods, services = [], []
            for cluster in (one, other):
                await cluster.wait_ready()
                client = cluster.client()
                service = {
                    "metadata": {"name": "s", "namespace": "default"},
                    "spec": {"selector": {"a": "b"}, "ports": [{"port": 8080}]},
                }
                await client.create(service, kind=SERVICE)
                await client.create(pod("p", ["sleep", "1000"]), kind=POD)
                pods.append((await running(client, "p"))["status"]["podIP"])
                for service in await client.list(SERVICE):
                    services.append(service["spec"]["clusterIP"])
                async with asyncio.timeout(10):
                    while cluster.service_address(services[-1], 8080) is None:
                        await asyncio.sleep(0.02)
                assert cluster.service_address(services[-1], 8080) == (services[-1], 8080)
            assert len({*pods, *services}) == 6
            blocks = {one.rsplit(".", 2)[0] for one in (*pods, *services)}
            assert len(blocks) == 4

    asyncio.run(main())


def test_services_move_when_another_cluster_has_their_network(tmp_path):
    async def main():
        service = {
            "metadata": {"name": "s", "namespace": "default"},
            "spec": {"ports": [{"port": 8080}]},
        }
        headless = {
            "metadata": {"name": "h", "namespace": "default"},
            "spec": {"clusterIP": "None", "ports": [{"port": 8080}]},
        }
        async with Cluster(Options(storage=tmp_path, nodes=0, port=0)) as cluster:
            made = await cluster.client().create(service, kind=SERVICE)
            await cluster.client().create(headless, kind=SERVICE)
            old = made["spec"]["clusterIP"]
            octet = cluster._network.block.octet
        async with Cluster(Options(storage=tmp_path, nodes=0, port=0)) as cluster:
            found = await cluster.client().get(SERVICE, "s", "default")
            assert found["spec"]["clusterIP"] == old, "nobody else has it"
            assert cluster.notices == []
        block = addresses.claim(octet, first=octet, last=octet)
        assert block.octet == octet
        try:
            async with Cluster(Options(storage=tmp_path, nodes=0, port=0)) as cluster:
                await cluster.wait_ready()
                client = cluster.client()
                new = cluster._network.block
                assert new.octet != octet
                assert any(f"127.{octet}.0.0/16" in one for one in cluster.notices)
                found = await client.get(SERVICE, "s", "default")
                assert found["spec"]["clusterIP"] in new
                assert found["spec"]["clusterIPs"] == [found["spec"]["clusterIP"]]
                assert found["spec"]["clusterIP"].split(".")[2:] == old.split(".")[2:]
                assert found["metadata"]["uid"] == made["metadata"]["uid"]
                kubernetes = await client.get(SERVICE, "kubernetes", "default")
                assert kubernetes["spec"]["clusterIP"] == new.first
                assert (await client.get(SERVICE, "h", "default"))["spec"]["clusterIP"] == "None"
                # It is taken there: nobody else gets it.
                asked = service | {"metadata": {"name": "t", "namespace": "default"}}
                asked["spec"] = {**service["spec"], "clusterIP": found["spec"]["clusterIP"]}
                with pytest.raises(Exception, match="already allocated"):
                    await client.create(asked, kind=SERVICE)
        finally:
            block.close()

    asyncio.run(main())


def test_a_storage_that_needs_more_packages_says_which(monkeypatch):
    import builtins

    real = builtins.__import__

    def without_grpc(name, *rest):
        if name == "grpc" or name.startswith("grpc."):
            raise ImportError("No module named 'grpc'", name="grpc")
        return real(name, *rest)

    import sys

    for name in [one for one in sys.modules if one.startswith("arubeki.storage.etcd")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without_grpc)
    with pytest.raises(ConfigError) as caught:
        make_storage(Options(storage="etcd://127.0.0.1:2379"))
    assert "grpc" in str(caught.value)
    assert "help: pip install 'arubeki[etcd]'" in str(caught.value)
