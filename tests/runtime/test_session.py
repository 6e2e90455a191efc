"""The corners of a session's writes: answers that are no object, and what is kept for a key."""

import msgspec
import pytest

from arubeki import clock
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.cache import Key
from arubeki.runtime.informers import Informers
from arubeki.runtime.intents import Intents, Target
from arubeki.runtime.session import Environment, Session
from arubeki.runtime.trace import Record
from tests.runtime.kit import prepared
from tests.support.world import World

X = Key("ns", "x")
SHOWN = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "x", "namespace": "ns", "uid": "u", "resourceVersion": "5"},
}


class Answering:
    """A client whose every answer is given beforehand."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def request(self, method, path, **options):
        return self.answers.pop(0)


def encoded(**metadata):
    return msgspec.json.encode({**SHOWN, "metadata": {**SHOWN["metadata"], **metadata}})


def session_on(client):
    """A session and the cache of Pods it lays its answers over, in which ns/x is."""
    informers = Informers(client)
    informer = informers.of(core.Pod)
    informer.cache.tell(informer.decoding.entry(encoded()))
    informer.cache.reach(5)
    informer._synced.set()
    session = Session(Environment("tested", client, informers), X, Record("1", "tested", str(X)))
    return session, informer


def shown(informer):
    return [one.name for one in informer.list()]


@pytest.mark.parametrize(
    ("metadata", "stays"),
    [
        ({"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}, True),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"]}, True),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}, False),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, False),
        ({}, False),
    ],
    ids=["grace", "finalizer", "no grace", "marked", "at once"],
)
def test_a_deletion_answered_with_the_object_says_whether_it_is_still_there(metadata, stays):
    async def main():
        session, informer = session_on(Answering(encoded(resourceVersion="6", **metadata)))
        pod = informer.get("x", "ns")
        assert await session.delete(pod) is True
        assert shown(informer) == (["x"] if stays else [])
        if stays:
            assert informer.get("x", "ns").deleting

    clock.run_virtual(main())


def test_an_answer_of_another_kind_is_not_laid_over_the_cache():
    async def main():
        scale = b'{"kind":"Scale","metadata":{"name":"x","namespace":"ns","resourceVersion":"9"}}'
        session, informer = session_on(Answering(scale))
        await session._write(
            "patch", "PATCH", "/x", core.Pod.KIND, X, body=b"{}", subresource="scale"
        )
        assert informer.cache.get(X).revision == 5

    clock.run_virtual(main())


def test_intents_are_bounded_and_forgotten(monkeypatch):
    monkeypatch.setattr("arubeki.runtime.intents.KEYS_LIMIT", 3)
    _, informer = session_on(Answering())
    entry = informer.cache.get(X)
    intents = Intents("m")
    for number in range(5):
        intents.remember(number, Target("", "Pod", X), b"{}", entry)
    assert list(intents._known) == [2, 3, 4]
    intents.forget(3)
    assert list(intents._known) == [2, 4]


def test_an_object_made_anew_is_applied_to_although_it_looks_the_same():
    async def main():
        ours = {"manager": "tested", "operation": "Apply", "fieldsV1": {"f:a": {}}}
        answers = [
            encoded(resourceVersion=revision, uid=uid, managedFields=[ours])
            for revision, uid in (("6", "u"), ("8", "other"))
        ]
        session, informer = session_on(Answering(*answers))
        session.env.informers.managers.add("tested")
        pod = core.Pod(metadata=meta.ObjectMeta(name="x", namespace="ns"))
        await session.apply(pod)
        informer.cache.tell(informer.decoding.entry(answers[1]))
        informer.cache.reach(8)
        await session.apply(pod)
        await session.apply(pod)
        assert (session.record.requests, session.record.skipped) == (2, 1)

    clock.run_virtual(main())


def test_without_managed_fields_the_revision_stands_for_them():
    async def main():
        session, informer = session_on(Answering(encoded(resourceVersion="6")))
        pod = core.Pod(metadata=meta.ObjectMeta(name="x", namespace="ns"))
        await session.apply(pod)
        await session.apply(pod)
        assert session.record.skipped == 1
        informer.cache.tell(informer.decoding.entry(encoded(resourceVersion="7")))
        informer.cache.reach(7)
        session.client.answers.append(encoded(resourceVersion="7"))
        await session.apply(pod)  # somebody wrote, and nobody says what
        assert session.record.requests == 2

    clock.run_virtual(main())


def test_a_selected_cache_shows_only_what_it_selects():
    async def main():
        async with World() as world:
            await prepared(world)
            client = world.client
            informers = Informers(client)
            chosen = informers.of(core.ConfigMap, labels="team=x")
            placed = informers.of(core.ConfigMap, namespace="elsewhere")
            named = informers.of(core.ConfigMap, fields="metadata.name=a")
            session = Session(Environment("t", client, informers), X, Record("1", "t", "k"))
            for name, labels in (("a", {"team": "x"}), ("b", {"team": "y"})):
                await session.create(
                    core.ConfigMap(
                        metadata=meta.ObjectMeta(name=name, namespace="ns", labels=labels)
                    )
                )
            assert shown(chosen) == ["a"]
            assert shown(placed) == []
            assert shown(named) == []  # whether it would be selected is the server's to say

    clock.run_virtual(main())
