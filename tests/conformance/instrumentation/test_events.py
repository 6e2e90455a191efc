"""Events of their own group, as objects.

Source: kubernetes test/e2e/instrumentation/events.go.
"""

import pytest

from tests.conformance.instrumentation.test_core_events import plain
from tests.conformance.kit import conformance, named

FAMILY = "[sig-instrumentation] Events API should "


@pytest.fixture
def events(api, namespace):
    return api.of("events.k8s.io/v1", "Event", namespace)


def event(events, name, label):
    return named(
        name,
        {label: "true"},
        eventTime="2017-09-19T13:49:16.000000Z",
        reportingController="test-controller",
        reportingInstance="test-node",
        action="Do",
        reason="Test",
        type="Normal",
        note=f"This is {name}",
        regarding={"namespace": events.namespace},
    )


@conformance(
    f"{FAMILY}ensure that an event can be fetched, patched, deleted, and listed [Conformance]"
)
def test_an_event_lives(api, namespace, events):
    core = api.of("v1", "Event", namespace)
    events.create(event(events, "event-test", "testevent-constant"))
    for objects in (events.everywhere(), core.everywhere()):
        assert objects.names(labelSelector="testevent-constant=true") == ["event-test"]
    assert core.names(fieldSelector="source=test-controller") == ["event-test"]
    assert events.names(fieldSelector="reportingController=test-controller") == ["event-test"]
    for objects in (events, core):
        assert objects.names(fieldSelector="reason=Other") == []

    before = events.get("event-test")
    series = {"count": 2, "lastObservedTime": "2017-09-19T13:49:11.000000Z"}
    events.patch("event-test", {"series": series}, form="strategic")
    found = events.get("event-test")
    assert plain(found) == plain({**before, "series": series})

    series = {"count": 100, "lastObservedTime": "2017-09-19T13:49:16.000000Z"}
    wanted = plain({**before, "series": series})
    events.update(wanted)
    assert plain(events.get("event-test")) == wanted

    events.delete("event-test")
    for objects in (events.everywhere(), core.everywhere()):
        assert objects.items(labelSelector="testevent-constant=true") == []


@conformance(f"{FAMILY}delete a collection of events [Conformance]")
def test_events_are_deleted_by_label(events):
    names = [f"test-event-{number}" for number in (1, 2, 3)]
    for name in names:
        events.create(event(events, name, "testevent-set"))
    select = {"labelSelector": "testevent-set=true"}
    assert events.names(**select) == names
    events.delete_collection(**select)
    assert events.items(**select) == []
