"""Watchers: what is seen, from where on, by whom, and in which order.

Source: kubernetes test/e2e/apimachinery/watch.go.
"""

import contextlib
import random
import threading

import pytest

from tests.conformance.kit import conformance, named

LABEL = "watch-this-configmap"
ITERATIONS = 100


@pytest.fixture
def config_maps(api, namespace):
    return api.of("v1", "ConfigMap", namespace)


def watching(config_maps, *values, since=None):
    selector = f"{LABEL} in ({','.join(values)})"
    return config_maps.watch(labelSelector=selector, resourceVersion=since)


def mutate(config_maps, name, value):
    def alter(obj):
        obj.setdefault("data", {})["mutation"] = value

    return config_maps.change(name, alter)


def relabel(config_maps, name, value):
    return config_maps.change(name, lambda obj: obj["metadata"]["labels"].update({LABEL: value}))


@conformance(
    "[sig-api-machinery] Watchers should observe add, update, and delete watch notifications "
    "on configmaps [Conformance]"
)
def test_watchers_see_all_of_what_they_select_and_nothing_else(config_maps):
    with (
        watching(config_maps, "a") as a,
        watching(config_maps, "b") as b,
        watching(config_maps, "a", "b") as both,
    ):
        made = config_maps.create(named("map-a", {LABEL: "a"}))
        assert made == a.expect("ADDED") == both.expect("ADDED")
        for value in ("1", "2"):
            mutated = mutate(config_maps, "map-a", value)
            assert mutated == a.expect("MODIFIED") == both.expect("MODIFIED")
        config_maps.delete("map-a")
        assert a.expect("DELETED", "map-a") == both.expect("DELETED", "map-a")

        made = config_maps.create(named("map-b", {LABEL: "b"}))
        # The first of what this watch sees: nothing of `map-a` came before it.
        assert made == b.expect("ADDED") == both.expect("ADDED")
        config_maps.delete("map-b")
        assert b.expect("DELETED", "map-b") == both.expect("DELETED", "map-b")

        # What comes next shows that nothing of the other label came in between.
        for value, watch in (("a", a), ("b", b)):
            config_maps.create(named(f"last-{value}", {LABEL: value}))
            watch.expect("ADDED", f"last-{value}")
            both.expect("ADDED", f"last-{value}")


@conformance(
    "[sig-api-machinery] Watchers should be able to start watching from a specific resource "
    "version [Conformance]"
)
def test_a_watch_from_the_past_sees_only_what_came_after(config_maps):
    config_maps.create(named("map", {LABEL: "past"}))
    first = mutate(config_maps, "map", "1")
    second = mutate(config_maps, "map", "2")
    config_maps.delete("map")
    with watching(config_maps, "past", since=first["metadata"]["resourceVersion"]) as watch:
        assert watch.expect("MODIFIED") == second
        watch.expect("DELETED", "map")


@conformance(
    "[sig-api-machinery] Watchers should be able to restart watching from the last resource "
    "version observed by the previous watch [Conformance]"
)
def test_a_watch_goes_on_where_the_one_before_it_ended(config_maps):
    with watching(config_maps, "restarted") as watch:
        made = config_maps.create(named("map", {LABEL: "restarted"}))
        first = mutate(config_maps, "map", "1")
        assert watch.expect("ADDED") == made
        last = watch.expect("MODIFIED")
        assert last == first
    second = mutate(config_maps, "map", "2")
    with watching(config_maps, "restarted", since=last["metadata"]["resourceVersion"]) as watch:
        config_maps.delete("map")
        assert watch.expect("MODIFIED") == second
        watch.expect("DELETED", "map")


@conformance(
    "[sig-api-machinery] Watchers should observe an object deletion if it stops meeting the "
    "requirements of the selector [Conformance]"
)
def test_an_object_that_leaves_the_selection_is_deleted_for_the_watch(config_maps):
    with watching(config_maps, "changed") as watch:
        made = config_maps.create(named("map", {LABEL: "changed"}))
        first = mutate(config_maps, "map", "1")
        relabel(config_maps, "map", "wrong-value")
        assert watch.expect("ADDED") == made
        assert watch.expect("MODIFIED") == first
        watch.expect("DELETED", "map")
        mutate(config_maps, "map", "2")
        # The next event is the object's return: that other change was not seen.
        restored = relabel(config_maps, "map", "changed")
        third = mutate(config_maps, "map", "3")
        config_maps.delete("map")
        assert watch.expect("ADDED") == restored
        assert watch.expect("MODIFIED") == third
        watch.expect("DELETED", "map")


@conformance(
    "[sig-api-machinery] Watchers should receive events on concurrent watches in same order "
    "[Conformance]"
)
def test_watches_that_begin_at_different_events_see_the_same_order(api, namespace, config_maps):
    seed = random.randrange(1 << 32)
    print(f"seed: {seed}")
    stop = threading.Event()
    writer = api.with_headers().of("v1", "ConfigMap", namespace)
    thread = threading.Thread(target=produce, args=(writer, stop, random.Random(seed)))
    since = config_maps.list()["metadata"]["resourceVersion"]
    thread.start()
    try:
        with contextlib.ExitStack() as stack:
            watches = []
            for _ in range(ITERATIONS):
                watches.append(stack.enter_context(config_maps.watch(resourceVersion=since)))
                seen = [one.next()["object"]["metadata"]["resourceVersion"] for one in watches]
                assert len(set(seen)) == 1, seen
                since = seen[0]
    finally:
        stop.set()
        thread.join()
        writer.api.close()


def produce(config_maps, stop, chance):
    """Create, update and delete as it comes, until told to stop."""
    existing, count = [], 0
    while not stop.wait(0.005):
        what = chance.choice(["create", "update", "delete"]) if existing else "create"
        if what == "create":
            existing.append(f"cm-{count}")
            config_maps.create(named(existing[-1]))
        elif what == "update":
            config_maps.update(named(chance.choice(existing), {"mutated": str(count)}))
        else:
            config_maps.delete(existing.pop(chance.randrange(len(existing))))
        count += 1
