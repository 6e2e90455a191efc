"""Every built-in controller ends in the same state, whatever goes wrong on the way.

One scenario each: what users and nodes do, with pauses in which the controllers work. `hold` plays
it undisturbed, with every event lost, told twice, told late, and with the controllers killed before
and after each of their writes; and it starts them once more on the end state, which must not write.
"""

import pytest

from arubeki import clock
from tests.controllers import scenarios, scenarios_namespaces, scenarios_nodes
from tests.controllers.scenario import Scenario
from tests.support.world import hold

SCENARIOS = [
    one
    for module in (scenarios, scenarios_namespaces, scenarios_nodes)
    for one in vars(module).values()
    if isinstance(one, type) and issubclass(one, Scenario) and one is not Scenario
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__)
def test_it_ends_the_same_whatever_goes_wrong_and_then_stays_without_a_write(scenario):
    async def main():
        state, writes = await hold(
            scenario.build, scenario.act, prepare=scenario.prepare, sides=scenario.sides
        )
        scenario.check(state)
        assert writes > 0

    clock.run_virtual(main())
