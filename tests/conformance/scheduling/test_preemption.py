"""PriorityClasses, as objects.

Source: kubernetes test/e2e/scheduling/preemption.go.
"""

import pytest

from tests.conformance.kit import Refused, conformance, named
from tests.conformance.kit.lifecycle import is_newer


@conformance(
    "[sig-scheduling] SchedulerPreemption PriorityClass endpoints verify PriorityClass endpoints "
    "can be operated with different HTTP methods [Conformance] [Serial]"
)
def test_the_value_of_a_priority_class_stays(api, unique):
    classes = api.of("scheduling.k8s.io/v1", "PriorityClass")
    made = [
        classes.create({**named(f"p{value}-{unique}", {"e2e": unique}), "value": value})
        for value in (1, 2)
    ]
    first, second = (one["metadata"]["name"] for one in made)
    refusals = (
        lambda: classes.patch(first, {"value": 10}, form="strategic"),
        lambda: classes.update({**made[1], "value": 20}),
    )
    for act in refusals:
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.code in (403, 422)
    classes.patch(first, {"description": "updated"}, form="strategic")
    classes.update({**made[1], "description": "updated"})
    listed = classes.names(labelSelector=f"e2e={unique}")
    assert sorted(listed) == sorted([first, second])
    assert {first, second} <= set(classes.names())
    for one in made:
        found = classes.get(one["metadata"]["name"])
        assert (found["value"], found["description"]) == (one["value"], "updated")
        assert is_newer(found, one)
    classes.delete_collection(labelSelector=f"e2e={unique}")
