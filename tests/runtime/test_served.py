"""The framework over HTTPS, against a served cluster: what it sends, and what it does not."""

import asyncio

from arubeki.check.local import LocalCluster
from arubeki.client import config
from arubeki.client.client import Client
from arubeki.client.https import HttpsTransport
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.install import install
from arubeki.runtime.manager import Manager
from tests.runtime.views import MarkdownView, view, view_app


class Counting:
    """A transport that notes what goes over the wire."""

    def __init__(self, inner):
        self.inner = inner
        self.requests = []
        self.watches = []

    async def request(self, method, path, **options):
        self.requests.append((method, path.rpartition("/")[2]))
        return await self.inner.request(method, path, **options)

    def stream(self, method, path, **options):
        self.watches.append(path.rpartition("/")[2])
        return self.inner.stream(method, path, **options)

    async def close(self):
        await self.inner.close()


async def wired(kubeconfig, scenario):
    """Run `scenario(wire, manager)` with a manager of its own, to its end."""
    wire = Counting(HttpsTransport(config.load(path=kubeconfig)))
    client = Client(wire, manager="controller")
    try:
        async with Manager(client, [view_app()]) as manager:
            await manager.wait_synced(20)
            await manager.settle(0.3)
            await scenario(wire, manager)
    finally:
        await client.close()


def test_a_restart_and_a_run_that_changes_nothing_send_nothing():
    async def first(wire, manager):
        assert set(wire.requests[:3]) == {
            ("PATCH", "markdowns-hello"),
            ("PATCH", "viewer-hello"),
        }
        assert sorted(wire.watches) == ["configmaps", "deployments", "markdownviews", "services"]

    async def second(wire, manager):
        assert sorted(wire.watches) == ["configmaps", "deployments", "markdownviews", "services"]
        assert wire.requests == []
        records = [one for one in manager.trace if one.result == "success"]
        assert records
        assert {one.skipped for one in records} == {4}
        await admin.delete(core.ConfigMap, "markdowns-hello", "ns")
        while len(wire.requests) < 1:
            await asyncio.sleep(0.01)
        await manager.settle(0.3)
        assert wire.requests == [("PATCH", "markdowns-hello")]

    async def main(kubeconfig):
        nonlocal admin
        admin = Client(HttpsTransport(config.load(path=kubeconfig)))
        try:
            await install(admin, [view_app()])
            await admin.create(core.Namespace(metadata=meta.ObjectMeta(name="ns")))
            await admin.create(view())
            await wired(kubeconfig, first)
            await wired(kubeconfig, second)
            one = await admin.get(MarkdownView, "hello", "ns")
            assert [each.type for each in one.status.conditions] == ["Available"]
        finally:
            await admin.close()

    admin: Client
    with LocalCluster(serve=True) as cluster:
        asyncio.run(main(cluster.kubeconfig))
