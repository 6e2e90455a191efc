"""What the node's tests share: a node in virtual time, and what needs namespaces is skipped without."""

import asyncio

import pytest

from arubeki import clock
from arubeki.node.runtimes.sandbox import SandboxRuntime
from tests.node.kit import NodeWorld, Played


@pytest.fixture
def run(tmp_path):
    """Run `scenario(world)` in virtual time."""

    def runner(scenario, **options):
        async def main():
            async with NodeWorld(Played(), tmp_path, **options) as world:
                await scenario(world)
            assert len(asyncio.all_tasks()) == 1
            assert world.runtime.containers() == []

        clock.run_virtual(main())

    return runner


async def _why_not() -> str:
    runtime = SandboxRuntime()
    try:
        return await runtime.probe()
    finally:
        await runtime.close()


@pytest.fixture(scope="session")
def sandbox_reason() -> str:
    """Why the sandbox cannot be used here; "" if it can."""
    return asyncio.run(_why_not())


@pytest.fixture(autouse=True)
def _not_run_where_impossible(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("sandbox"):
        reason = request.getfixturevalue("sandbox_reason")
        if reason:
            pytest.skip(f"no sandbox here: {reason}")
