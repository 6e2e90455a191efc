"""Secrets that hold the token of an account."""

import pytest

from arubeki.controllers import account_tokens
from arubeki.errors import NotFound
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.server.access.authentication import Refused
from tests.controllers.kit import run
from tests.support.play import NAMESPACE


def account(name="a"):
    return core.ServiceAccount(metadata=meta.ObjectMeta(name=name, namespace=NAMESPACE))


def secret(name="s", of="a", **annotations):
    annotations = {account_tokens.NAME: of, **annotations}
    metadata = meta.ObjectMeta(name=name, namespace=NAMESPACE, annotations=annotations)
    return core.Secret(metadata=metadata, type=account_tokens.TYPE)


async def found(world, name="s"):
    try:
        return await world.client.get(core.Secret, name, NAMESPACE)
    except NotFound:
        return None


def play(scenario):
    """Run a scenario with the controller, which the server of its world gives tokens."""

    async def with_controller(world, manager):
        async with world.running(
            account_tokens.controller(world.server.lasting_token, b"PEM")
        ) as own:
            await scenario(world, own, world.server._access.authenticator.bearer)

    run(with_controller)


def test_a_secret_is_filled_with_a_token_that_is_believed():
    async def scenario(world, manager, knows):
        made = await world.client.create(account())
        await world.client.create(secret())
        await manager.settle()
        filled = await found(world)
        assert filled.data["ca.crt"] == b"PEM"
        assert filled.data["namespace"] == NAMESPACE.encode()
        assert filled.annotations[account_tokens.UID] == made.uid
        token = filled.data["token"].decode()
        user, _ = await knows(token)
        assert (user.name, user.uid) == (f"system:serviceaccount:{NAMESPACE}:a", made.uid)
        patch = {"metadata": {"labels": {"kubernetes.io/legacy-token-invalid-since": "2026-01-01"}}}
        await world.client.patch(core.Secret, "s", NAMESPACE, patch)
        with pytest.raises(Refused, match="has been marked invalid"):
            await knows(token)
        await world.client.delete(core.Secret, "s", NAMESPACE)
        with pytest.raises(Refused, match="invalidated"):
            await knows(token)

    play(scenario)


def test_what_somebody_takes_out_is_put_in_again_and_the_old_token_ends():
    async def scenario(world, manager, knows):
        await world.client.create(account())
        await world.client.create(secret())
        await manager.settle()
        first = (await found(world)).data["token"].decode()
        await world.client.patch(core.Secret, "s", NAMESPACE, {"data": {"token": "eA=="}})
        with pytest.raises(Refused, match="does not match"):
            await knows(first)
        await world.client.patch(core.Secret, "s", NAMESPACE, {"data": None})
        await manager.settle()
        assert await knows((await found(world)).data["token"].decode())

    play(scenario)


def test_a_secret_goes_with_its_account_and_does_not_come_to_another():
    async def scenario(world, manager, knows):
        del knows
        await world.client.create(account())
        await world.client.create(secret())
        await world.client.create(secret("nobody", of="none"))
        await world.client.create(secret("other", **{account_tokens.UID: "another"}))
        await manager.settle()
        assert await found(world)
        assert await found(world, "nobody") is None
        assert await found(world, "other") is None
        await world.client.delete(core.ServiceAccount, "a", NAMESPACE)
        await manager.settle()
        assert await found(world) is None

    play(scenario)
