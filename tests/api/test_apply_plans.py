"""The fields of an object as its plans tell them, against the comparison with nothing."""

import json
import random

import pytest
from tests.api.shapes import ROOT

from arubeki.api import facts
from arubeki.api.apply.fieldset import ordered, union
from arubeki.api.apply.plans import made, said
from arubeki.api.apply.shape import rooted
from arubeki.api.apply.typed import compare
from arubeki.api.objects import GVK

KINDS = [
    GVK("", "v1", "Pod"),
    GVK("", "v1", "Service"),
    GVK("", "v1", "Node"),
    GVK("apps", "v1", "Deployment"),
    GVK("batch", "v1", "CronJob"),
    GVK("networking.k8s.io", "v1", "NetworkPolicy"),
    GVK("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
]


def value_of(node, chance, depth=0):
    """Make up a value that fits a schema node, more often small than deep."""
    if node.properties:
        share = 0.9 if depth < 3 else 0.25
        chosen = {
            key: below
            for key, below in node.properties.items()
            if key in node.required or (depth < 9 and chance.random() < share)
        }
        keys = chance.sample(sorted(chosen), len(chosen))
        return {key: value_of(chosen[key], chance, depth + 1) for key in keys}
    if node.type == "object":
        names = chance.sample(["b", "a", "c.d/e"], chance.randrange(4))
        below = node.additional
        return {name: value_of(below, chance, depth + 1) if below else 1 for name in names}
    if node.type == "array":
        return items_of(node, chance, depth)
    made_up = {"integer": 2, "number": 1.5, "boolean": True, "string": "s"}
    return made_up.get(node.type, [1])


def items_of(node, chance, depth):
    items = [value_of(node.items, chance, depth + 1) for _ in range(chance.randrange(4))]
    if node.list_type == "set":
        return list(dict.fromkeys(f"{index}{item}" for index, item in enumerate(items)))
    for index, item in enumerate(items):
        for key in node.list_keys:
            number = node.items.properties[key].type == "integer"
            item[key] = chance.randrange(5, 500) if number else f"{key}-{9 - index}"
    return items


def text(fields):
    return json.dumps(fields)  # with its order


@pytest.mark.parametrize("gvk", KINDS, ids=lambda gvk: gvk.kind)
@pytest.mark.parametrize("seed", range(6))
def test_a_new_object_has_what_differs_from_nothing(gvk, seed):
    shape, chance = rooted(facts.schema_of(gvk)), random.Random(seed)
    for _ in range(5):
        obj = {**value_of(shape, chance), "apiVersion": gvk.api_version, "kind": gvk.kind}
        difference = compare({}, obj, shape)
        expected = ordered(union(difference.modified, difference.added))
        assert text(made(obj, shape)) == text(expected)
        assert not difference.removed


@pytest.mark.parametrize("seed", range(6))
def test_what_is_said_comes_in_the_order_of_the_wire(seed):
    chance = random.Random(seed)
    for shape in (ROOT, *(rooted(facts.schema_of(gvk)) for gvk in KINDS)):
        fields, _ = said(value_of(shape, chance), shape)
        assert text(fields) == text(ordered(fields))


def test_a_shape_met_with_other_types_is_another():
    shape = rooted(facts.schema_of(GVK("", "v1", "ConfigMap")))
    base = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    assert said({**base, "data": {"k": "text"}}, shape) == (
        {"f:apiVersion": {}, "f:kind": {}, "f:metadata": {"f:name": {}}, "f:data": {"f:k": {}}},
        True,
    )
    assert said({**base, "data": {"k": 1}}, shape)[1] is False
    assert said({**base, "data": {"k": "text"}, "other": "text"}, shape)[1] is False


def test_sets_made_once_are_never_changed():
    shape = rooted(facts.schema_of(GVK("apps", "v1", "Deployment")))
    chance = random.Random(1)
    obj = value_of(shape, chance)
    first = text(made(obj, shape)), text(said(obj, shape)[0])
    for _ in range(20):
        other = value_of(shape, chance)
        made(other, shape)
        said(other, shape)
        compare(obj, other, shape)
    assert (text(made(obj, shape)), text(said(obj, shape)[0])) == first
