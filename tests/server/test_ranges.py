"""LimitRanges on admission: what they fill in, and what they refuse."""

import pytest

from tests.server.support import PODS, World, run

RANGES = "/api/v1/namespaces/default/limitranges"
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"


async def limit(world: World, kind: str = "Container", name: str = "r", **said: dict) -> None:
    spec = {"limits": [{"type": kind, **said}]}
    await world.json("POST", RANGES, {"metadata": {"name": name}, "spec": spec})


def pod(requests: dict | None = None, limits: dict | None = None, **spec: object) -> dict:
    resources = {"requests": requests or {}, "limits": limits or {}}
    container = {"name": "c", "image": "i", "resources": resources}
    return {"metadata": {"name": "p"}, "spec": {"containers": [container], **spec}}


async def resources(world: World, wanted: dict) -> dict:
    made = await world.json("POST", PODS, wanted, dryRun="All")
    return made["spec"]["containers"][0]["resources"]


def test_what_is_not_said_is_filled_in_and_told() -> None:
    async def test(world: World) -> None:
        await limit(world, default={"cpu": "1", "memory": "1Gi"}, defaultRequest={"cpu": "100m"})
        made = await world.json("POST", PODS, pod())
        assert made["spec"]["containers"][0]["resources"] == {
            "requests": {"cpu": "100m", "memory": "1Gi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        }
        told = (
            "LimitRanger plugin set: cpu, memory request for container c; "
            "cpu, memory limit for container c"
        )
        assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == told
        # The class of service is that of what was filled in.
        assert made["status"]["qosClass"] == "Burstable"

    run(test)


def test_what_is_said_stays_and_a_limit_is_a_request_too() -> None:
    async def test(world: World) -> None:
        await limit(world, default={"cpu": "1"}, defaultRequest={"cpu": "100m"})
        found = await resources(world, pod(limits={"cpu": "300m"}))
        assert found == {"requests": {"cpu": "300m"}, "limits": {"cpu": "300m"}}
        found = await resources(world, pod(requests={"cpu": "200m"}))
        assert found == {"requests": {"cpu": "200m"}, "limits": {"cpu": "1"}}

    run(test)


MINIMUM = {"min": {"cpu": "100m"}}
MAXIMUM = {"max": {"cpu": "1"}, "default": {"cpu": "1"}}


@pytest.mark.parametrize(
    ("said", "requests", "limits", "why"),
    [
        (
            MINIMUM,
            {"cpu": "50m"},
            {},
            "minimum cpu usage per Container is 100m, but request is 50m",
        ),
        (MAXIMUM, {}, {"cpu": "2"}, "maximum cpu usage per Container is 1, but limit is 2"),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"cpu": "1"},
            {"cpu": "3"},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"cpu": "1"},
            {},
            "cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0",
        ),
        (
            {"min": {"cpu": "1", "memory": "1Gi"}},
            {"cpu": "500m", "memory": "1Mi"},
            {},
            "[minimum cpu usage per Container is 1, but request is 500m, "
            "minimum memory usage per Container is 1Gi, but request is 1Mi]",
        ),
    ],
)
def test_a_container_beyond_its_range_is_refused(
    said: dict, requests: dict, limits: dict, why: str
) -> None:
    async def test(world: World) -> None:
        await limit(world, **said)
        status = await world.fails(403, "POST", PODS, pod(requests, limits))
        assert status["message"] == f'pods "p" is forbidden: {why}'

    run(test)


def test_a_maximum_without_a_default_wants_a_limit() -> None:
    async def test(world: World) -> None:
        spec = {"limits": [{"type": "Pod", "max": {"cpu": "1"}}]}
        await world.json("POST", RANGES, {"metadata": {"name": "r"}, "spec": spec})
        status = await world.fails(403, "POST", PODS, pod())
        assert status["message"].endswith("maximum cpu usage per Pod is 1.  No limit is specified")
        await world.json("DELETE", f"{RANGES}/r")
        await limit(world, "Pod", min={"cpu": "1"})
        status = await world.fails(403, "POST", PODS, pod())
        assert status["message"].endswith(
            "minimum cpu usage per Pod is 1.  No request is specified"
        )

    run(test)


def test_a_whole_pod_is_measured_by_all_its_containers() -> None:
    async def test(world: World) -> None:
        await limit(world, "Pod", max={"cpu": "1"})
        wanted = pod(limits={"cpu": "600m"})
        await world.json("POST", PODS, wanted, dryRun="All")
        (container,) = wanted["spec"]["containers"]
        wanted["spec"]["containers"] = [container, {**container, "name": "d"}]
        status = await world.fails(403, "POST", PODS, wanted)
        assert status["message"].endswith("maximum cpu usage per Pod is 1, but limit is 1200m")

    run(test)


@pytest.mark.parametrize(("size", "is_allowed"), [("1Gi", True), ("1Mi", False), ("9Gi", False)])
def test_a_claim_is_measured_too(size: str, is_allowed: bool) -> None:
    async def test(world: World) -> None:
        await limit(world, "PersistentVolumeClaim", min={"storage": "10Mi"}, max={"storage": "5Gi"})
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
        }
        answer = await world.ask("POST", CLAIMS, {"metadata": {"name": "c"}, "spec": spec})
        assert answer.status == (201 if is_allowed else 403), answer.content()

    run(test)


def test_a_pod_that_is_there_may_change_whatever_the_range_says_by_now() -> None:
    async def test(world: World) -> None:
        await world.json("POST", PODS, pod())
        await limit(world, min={"cpu": "1"})
        patch = {"metadata": {"labels": {"a": "b"}}}
        headers = {"content-type": "application/merge-patch+json"}
        found = await world.json("PATCH", f"{PODS}/p", patch, headers=headers)
        assert found["metadata"]["labels"] == {"a": "b"}
        assert "annotations" not in found["metadata"]

    run(test)
