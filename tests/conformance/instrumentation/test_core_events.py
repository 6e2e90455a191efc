"""Events of the core group, as objects.

Source: kubernetes test/e2e/instrumentation/core_events.go.
"""

import pytest

from tests.conformance.kit import conformance, eventually, named

FAMILY = "[sig-instrumentation] Events should "


@pytest.fixture
def events(api, namespace):
    return api.of("v1", "Event", namespace)


def event(events, name, label):
    return named(
        name,
        {label: "true"},
        message=f"This is {name}",
        reason="Test",
        type="Normal",
        count=1,
        involvedObject={"namespace": events.namespace},
    )


def plain(obj):
    """Return an object without what each write changes."""
    metadata = dict(obj["metadata"])
    for key in ("resourceVersion", "managedFields"):
        metadata.pop(key, None)
    return {**obj, "metadata": metadata}


@conformance(f"{FAMILY}manage the lifecycle of an event [Conformance]")
def test_an_event_lives(events):
    select = {"labelSelector": "testevent-constant=true"}
    events.create(event(events, "event-test", "testevent-constant"))
    assert events.everywhere().names(**select) == ["event-test"]
    events.patch("event-test", {"message": "This is patched"}, form="strategic")
    found = events.get("event-test")
    assert found["message"] == "This is patched"
    wanted = plain(found)
    wanted["series"] = {"count": 100, "lastObservedTime": "2017-09-19T13:49:16.000000Z"}
    events.update(wanted)
    assert plain(events.get("event-test")) == wanted
    events.delete("event-test")
    assert events.is_gone("event-test")
    assert events.everywhere().items(**select) == []


@conformance(f"{FAMILY}delete a collection of events [Conformance]")
def test_events_are_deleted_by_label(events):
    names = [f"test-event-{number}" for number in (1, 2, 3)]
    for name in names:
        events.create(event(events, name, "testevent-set"))
    select = {"labelSelector": "testevent-set=true"}
    assert events.names(**select) == names
    events.delete_collection(**select)
    eventually(lambda: not events.items(**select))
