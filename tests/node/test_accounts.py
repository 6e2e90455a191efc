"""What a Pod's programs are given to ask the API with."""

import asyncio

import pytest

from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.node import accounts
from tests.node.kit import NAMESPACE, NODE, Played, config_map, container, pod


def account(name="default", **fields):
    return core.ServiceAccount(metadata=meta.ObjectMeta(name=name, namespace=NAMESPACE), **fields)


def own_volume(audience="vault", seconds=600):
    token = core.ServiceAccountTokenProjection(
        path="token", audience=audience, expirationSeconds=seconds
    )
    source = core.ProjectedVolumeSource(sources=(core.VolumeProjection(serviceAccountToken=token),))
    return core.Volume(name="v", projected=source)


def files_of(world, found, volume):
    place = world.directory / NODE / "pods" / found.uid / "volumes" / "kubernetes.io~projected"
    return {one.name: one.read_text() for one in (place / volume).iterdir() if one.name[0] != "."}


@pytest.fixture
def mounting(run, monkeypatch):
    """Let the runtime be one that shows volumes."""
    monkeypatch.setattr(Played, "mounts_volumes", True, raising=False)
    return run


def test_a_pod_finds_its_token_where_clients_look(mounting):
    async def scenario(world):
        await world.create(account(), config_map(accounts.ROOT_CA, **{"ca.crt": "PEM"}))
        await world.create(pod(container("a"), initContainers=(container("i"),)))
        found = await world.phase("Pending")
        world.runtime.runs["i"] = [(0, 0)]
        await asyncio.sleep(2)
        found = await world.pod()
        assert not found.spec.volumes  # it is what its author wrote
        files = files_of(world, found, accounts.VOLUME)
        assert set(files) == {"token", "ca.crt", "namespace"}
        assert (files["ca.crt"], files["namespace"]) == ("PEM", NAMESPACE)
        user = await world.server._access.authenticator.bearer(files["token"])
        assert user[0].name == f"system:serviceaccount:{NAMESPACE}:default"
        assert user[0].extra["authentication.kubernetes.io/pod-uid"] == (found.uid,)

    mounting(scenario)


def test_whether_there_is_one_is_said_by_the_pod_or_else_by_the_account():
    never, always = ({"automountServiceAccountToken": one} for one in (False, True))
    for of_pod, of_account, mounted in (
        ({}, {}, True),
        (never, {}, False),
        ({}, never, False),
        (always, never, True),
        (never, always, False),
    ):
        found = accounts.with_account(pod(**of_pod), account(**of_account))
        assert bool(found.spec.volumes) is mounted
    assert accounts.with_account(pod(), None) == pod()


def test_a_container_that_has_something_there_keeps_it():
    own = core.VolumeMount(name="mine", mountPath=accounts.PLACE)
    found = accounts.with_account(
        pod(container("a", volumeMounts=(own,)), container("b")), account()
    )
    first, second = found.spec.containers
    assert first.volumeMounts == (own,)
    assert [one.mountPath for one in second.volumeMounts] == [accounts.PLACE]
    only = pod(container("a", volumeMounts=(own,)))
    assert accounts.with_account(only, account()) == only


def test_a_token_is_renewed_before_it_ends(run):
    async def scenario(world):
        await world.create(account(), pod(volumes=(own_volume(),)))
        found = await world.phase("Running")
        first = files_of(world, found, "v")["token"]
        await asyncio.sleep(400)
        assert files_of(world, found, "v")["token"] == first
        await asyncio.sleep(100)
        second = files_of(world, found, "v")["token"]
        assert second != first
        knows = world.server._access.authenticator.bearer
        assert await knows(second, ["vault"])
        await asyncio.sleep(400)
        assert await knows(files_of(world, found, "v")["token"], ["vault"])

    run(scenario)


def test_a_pod_that_waits_for_its_account_begins_when_it_comes(run):
    async def scenario(world):
        await world.create(pod(volumes=(own_volume(),)))
        await asyncio.sleep(3)
        assert (await world.pod()).status.phase == "Pending"
        await world.create(account())
        await world.phase("Running", seconds=30)

    run(scenario)
