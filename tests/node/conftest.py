"""What tests of the agent share."""

import asyncio

import pytest

from arubeki import clock
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
