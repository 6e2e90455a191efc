"""Resizing a container that runs: what it is given is what was asked for last."""

import asyncio

import pytest

from arubeki.kinds import core_v1 as core
from tests.node.kit import container, pod
from tests.node.lives import main_status_of, run


def asks(cpu, *policies):
    return container(
        "a",
        resources=core.ResourceRequirements(requests={"cpu": cpu, "memory": "1Mi"}),
        resizePolicy=tuple(
            core.ContainerResizePolicy(resourceName=name, restartPolicy=policy)
            for name, policy in policies
        ),
    )


@pytest.mark.parametrize(
    ("policies", "runs"),
    [
        ((), 1),
        ((("cpu", "NotRequired"), ("memory", "RestartContainer")), 1),
        ((("cpu", "RestartContainer"),), 2),
    ],
)
def test_the_status_follows_and_the_container_is_restarted_only_where_it_says_so(policies, runs):
    async def scenario(world):
        life = await world.begun(pod(asks("1", *policies)), 1)
        said = main_status_of(life.status(), "a")
        assert said.resources.requests == {"cpu": "1", "memory": "1Mi"}
        wanted = life.pod.evolve(
            spec=life.pod.spec.evolve(containers=(asks("2", *policies),)),
            metadata=life.pod.metadata.evolve(generation=2),
        )
        life.update(wanted)
        await asyncio.sleep(30)
        said = main_status_of(life.status(), "a")
        assert said.resources.requests == {"cpu": "2", "memory": "1Mi"}
        assert said.allocatedResources == {"cpu": "2", "memory": "1Mi"}
        assert len(world.runtime.times("start", "a")) == runs

    run(scenario)
