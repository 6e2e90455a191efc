"""Quotas on admission: who is refused, what is charged, and what is given back."""

import asyncio

import pytest

from tests.server.support import CONFIG_MAPS, PODS, SERVICES, World, config_map, run

QUOTAS = "/api/v1/namespaces/default/resourcequotas"


async def quota(world: World, name: str = "q", *, used: dict | None = None, **hard: str) -> None:
    """Make a quota, and say what is used as the controller would."""
    hard = {key.replace("__", "/").replace("_", "."): value for key, value in hard.items()}
    await world.json("POST", QUOTAS, {"metadata": {"name": name}, "spec": {"hard": hard}})
    status = {"hard": hard, "used": {**dict.fromkeys(hard, "0"), **(used or {})}}
    await world.json(
        "PATCH", f"{QUOTAS}/{name}/status", {"status": status},
        headers={"content-type": "application/merge-patch+json"},
    )  # fmt: skip


async def used(world: World, name: str = "q") -> dict:
    return (await world.json("GET", f"{QUOTAS}/{name}"))["status"]["used"]


def pod(name: str, **requests: str) -> dict:
    container = {"name": "c", "image": "i", "resources": {"requests": requests}}
    return {"metadata": {"name": name}, "spec": {"containers": [container]}}


def test_what_is_created_is_charged_until_it_is_too_much() -> None:
    async def test(world: World) -> None:
        await quota(world, pods="5", cpu="1")
        await world.json("POST", PODS, pod("a", cpu="600m"))
        assert await used(world) == {"pods": "1", "cpu": "600m"}
        status = await world.fails(403, "POST", PODS, pod("b", cpu="500m"))
        assert status["message"] == (
            'pods "b" is forbidden: exceeded quota: q, requested: cpu=500m, used: cpu=600m, '
            "limited: cpu=1"
        )
        assert await used(world) == {"pods": "1", "cpu": "600m"}
        await world.json("POST", PODS, pod("b", cpu="400m"))
        assert await used(world) == {"pods": "2", "cpu": "1"}

    run(test)


def test_a_pod_must_ask_for_what_is_limited() -> None:
    async def test(world: World) -> None:
        await quota(world, cpu="1", memory="1Gi")
        status = await world.fails(403, "POST", PODS, pod("a", cpu="1"))
        assert status["message"].endswith("failed quota: q: must specify memory for: c")

    run(test)


def test_a_quota_that_was_not_counted_yet_refuses() -> None:
    async def test(world: World) -> None:
        await world.json(
            "POST", QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": {"configmaps": "1"}}}
        )
        # Nothing is limited before the controller has said what is.
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        status = {"status": {"hard": {"configmaps": "1"}}}
        await world.json(
            "PATCH", f"{QUOTAS}/q/status", status,
            headers={"content-type": "application/merge-patch+json"},
        )  # fmt: skip
        status = await world.fails(403, "POST", CONFIG_MAPS, config_map("b"))
        assert status["message"].endswith("status unknown for quota: q, resources: configmaps")

    run(test)


def test_two_writers_do_not_both_take_the_last() -> None:
    async def test(world: World) -> None:
        await quota(world, configmaps="1")
        answers = await asyncio.gather(
            *(world.ask("POST", CONFIG_MAPS, config_map(name)) for name in "abcd")
        )
        assert sorted(one.status for one in answers) == [201, 403, 403, 403]
        assert await used(world) == {"configmaps": "1"}

    run(test)


def test_what_cannot_be_stored_or_is_only_tried_costs_nothing() -> None:
    async def test(world: World) -> None:
        await quota(world, configmaps="5")
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        await world.fails(409, "POST", CONFIG_MAPS, config_map("a"))
        await world.json("POST", CONFIG_MAPS, config_map("b"), dryRun="All")
        assert await used(world) == {"configmaps": "1"}

    run(test)


def test_a_charge_that_another_quota_refuses_is_given_back() -> None:
    async def test(world: World) -> None:
        await quota(world, "a", configmaps="5")
        await quota(world, "b", used={"count/configmaps": "1"}, count__configmaps="1")
        await world.fails(403, "POST", CONFIG_MAPS, config_map("a"))
        assert await used(world, "a") == {"configmaps": "0"}

    run(test)


def test_an_update_is_charged_for_what_it_takes_more() -> None:
    async def test(world: World) -> None:
        await quota(world, services="5", services_nodeports="1")
        ports = [{"port": 80, "name": "a"}]
        service = {"metadata": {"name": "s"}, "spec": {"ports": ports}}
        await world.json("POST", SERVICES, service)
        service["spec"] = {"type": "NodePort", "ports": [*ports, {"port": 81, "name": "b"}]}
        await world.fails(403, "PUT", f"{SERVICES}/s", service)
        service["spec"]["ports"] = ports
        await world.json("PUT", f"{SERVICES}/s", service)
        assert await used(world) == {"services": "1", "services.nodeports": "1"}
        await world.json(
            "PUT", f"{SERVICES}/s", {**service, "metadata": {"name": "s", "labels": {"a": "b"}}}
        )
        assert await used(world) == {"services": "1", "services.nodeports": "1"}

    run(test)


@pytest.mark.parametrize("scope", ["Terminating", "NotTerminating"])
def test_a_scope_limits_only_its_own(scope: str) -> None:
    async def test(world: World) -> None:
        spec = {"hard": {"pods": "0"}, "scopes": [scope]}
        await world.json("POST", QUOTAS, {"metadata": {"name": "q"}, "spec": spec})
        status = {"status": {"hard": {"pods": "0"}, "used": {"pods": "0"}}}
        await world.json(
            "PATCH", f"{QUOTAS}/q/status", status,
            headers={"content-type": "application/merge-patch+json"},
        )  # fmt: skip
        ending = pod("a")
        ending["spec"]["activeDeadlineSeconds"] = 10
        answers = {
            "Terminating": await world.ask("POST", PODS, ending),
            "NotTerminating": await world.ask("POST", PODS, pod("b")),
        }
        assert {name for name, answer in answers.items() if answer.status == 403} == {scope}

    run(test)
