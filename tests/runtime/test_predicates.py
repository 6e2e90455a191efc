"""Predicates: which changes they let through."""

from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.cache import Key
from arubeki.runtime.change import Change
from arubeki.runtime.predicates import (
    annotations_changed,
    any_of,
    generation_changed,
    labels_changed,
)


def change(old, new):
    def made(metadata):
        return None if metadata is None else core.Pod(metadata=meta.ObjectMeta(**metadata))

    return Change(Key("", "x"), made(old), made(new))


def test_generation():
    assert generation_changed(change(None, {"generation": 1}))
    assert generation_changed(change({"generation": 1}, None))
    assert generation_changed(change({"generation": 1}, {"generation": 2}))
    assert not generation_changed(
        change({"generation": 1}, {"generation": 1, "labels": {"a": "b"}})
    )
    # A kind without generations, and a deletion, which changes no spec.
    assert generation_changed(change({}, {}))
    deleting = {"generation": 1, "deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert generation_changed(change({"generation": 1}, deleting))
    assert not generation_changed(change(deleting, deleting))


def test_labels_and_annotations():
    assert labels_changed(change({}, {"labels": {"a": "b"}}))
    assert not labels_changed(change({}, {"annotations": {"a": "b"}}))
    assert annotations_changed(change({}, {"annotations": {"a": "b"}}))
    assert not annotations_changed(change({}, {"labels": {"a": "b"}}))
    for one in (labels_changed, annotations_changed):
        assert one(change(None, {}))
        assert one(change({}, None))


def test_any_of():
    either = any_of(labels_changed, annotations_changed)
    assert either(change({}, {"annotations": {"a": "b"}}))
    assert either(change({}, {"labels": {"a": "b"}}))
    assert not either(change({}, {"generation": 2}))
