"""Who a cluster is and whom it lets in; what it keeps to itself; whose addresses are whose."""

import asyncio
import json
import logging
import os
import ssl
import stat

import pytest

from arubeki.cluster import Cluster, Options, identity
from arubeki.cluster.cluster import make_storage
from arubeki.errors import ConfigError
from arubeki.net import tls
from arubeki.net.message import User
from arubeki.node.network import addresses
from tests.cluster.kit import (
    POD,
    SECRET,
    SERVICE,
    ask,
    fake,
    pod,
    running,
)


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
