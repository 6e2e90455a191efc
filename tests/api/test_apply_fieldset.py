import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arubeki.api.apply import fieldset

STEPS = st.sampled_from(
    ["f:a", "f:b", "f:c", 'k:{"name":"x"}', 'k:{"name":"y"}', 'v:"s"', "v:1", "i:0"]
)
PATHS = st.lists(st.lists(STEPS, min_size=1, max_size=3).map(tuple), max_size=8).map(set)


def build(paths):
    fields = {}
    for path in paths:
        fields = fieldset.union(fields, fieldset.of_steps(path))
    return fields


def members(fields):
    found = list(fieldset.paths(fields))
    assert len(found) == len(set(found))
    return set(found)


def is_canonical(fields, root=True):
    if not root and fields.keys() == {"."}:
        return False  # a member with nothing below is written {}
    return all(is_canonical(node, root=False) for step, node in fields.items() if step != ".") and (
        not root or "." not in fields
    )


@given(PATHS)
def test_a_set_holds_the_paths_put_into_it(paths):
    fields = build(paths)
    assert members(fields) == paths
    assert is_canonical(fields)
    assert all(fieldset.has(fields, path) for path in paths)


@given(PATHS, PATHS)
def test_the_operations_are_those_of_sets(left, right):
    a, b = build(left), build(right)
    before = json.dumps([a, b])
    results = {
        "union": (fieldset.union(a, b), left | right),
        "intersection": (fieldset.intersection(a, b), left & right),
        "difference": (fieldset.difference(a, b), left - right),
        "recursive": (
            fieldset.recursive_difference(a, b),
            {p for p in left if not any(p[: len(q)] == q for q in right)},
        ),
    }
    for name, (found, expected) in results.items():
        assert members(found) == expected, name
        assert is_canonical(found), name
    assert json.dumps([a, b]) == before


@given(PATHS, PATHS)
def test_what_an_operation_does_not_change_is_not_copied(left, right):
    a, b = build(left), build(right - left)
    assert fieldset.difference(a, {}) is a
    assert fieldset.union(a, fieldset.intersection(a, a)) is a or not a
    if not members(fieldset.intersection(a, b)):
        assert fieldset.difference(a, b) == a


@given(PATHS)
def test_the_order_on_the_wire_does_not_change_the_set(paths):
    fields = build(paths)
    ordered = fieldset.ordered(fields)
    assert ordered == fields
    assert fieldset.normalized(ordered) == fields
    assert json.dumps(fieldset.ordered(build(sorted(paths)))) == json.dumps(ordered)


def test_ports_are_ordered_by_number():
    # Source: structured-merge-diff fieldpath/element.go Compare, value/value.go Compare.
    steps = [
        'k:{"containerPort":443,"protocol":"TCP"}',
        'k:{"containerPort":80,"protocol":"UDP"}',
        'k:{"containerPort":80,"protocol":"TCP"}',
        "f:name",
        ".",
    ]
    assert list(fieldset.ordered({step: {} for step in steps})) == [
        ".",
        "f:name",
        'k:{"containerPort":80,"protocol":"TCP"}',
        'k:{"containerPort":80,"protocol":"UDP"}',
        'k:{"containerPort":443,"protocol":"TCP"}',
    ]
    assert list(fieldset.ordered({"v:10": {}, "v:9": {}, 'v:"a"': {}, "v:true": {}})) == [
        "v:9",
        "v:10",
        'v:"a"',
        "v:true",
    ]


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (["f:spec", "f:replicas"], ".spec.replicas"),
        (["f:containers", 'k:{"name":"web"}', "f:image"], '.containers[name="web"].image'),
        (['k:{"port":80,"protocol":"TCP"}'], '[port=80,protocol="TCP"]'),
        (["f:finalizers", 'v:"a/b"'], '.finalizers[="a/b"]'),
        (["f:list", "i:3"], ".list[3]"),
    ],
)
def test_a_path_is_shown_as_kubernetes_shows_it(steps, text):
    assert fieldset.path_text(steps) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("web", '"web"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("<&>\n\x01", '"\\u003c\\u0026\\u003e\\n\\u0001"'),
        (80, "80"),
        (80.0, "80"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
    ],
)
def test_a_value_stands_in_a_step_as_go_writes_it(value, text):
    assert fieldset.value_text(value) == text


def test_what_a_client_sends_is_brought_into_one_form():
    sent = {
        "f:a": {".": {"ignored": 1}},
        'k:{"protocol": "TCP", "port": 80.0}': {"f:x": {}},
        "x:future": {"f:a": {}},
        "v: 1": {},
    }
    assert fieldset.normalized(sent) == {
        "f:a": {},
        'k:{"port":80,"protocol":"TCP"}': {"f:x": {}},
        "v:1": {},
    }


@pytest.mark.parametrize(
    "sent",
    [
        [],
        {"f": {}},
        {"spec": {}},
        {"f:a": []},
        {"k:x": {}},
        {"k:[]": {}},
        {"v:": {}},
        {"i:x": {}},
        {"f:a": None},
    ],
)
def test_what_is_no_set_is_refused(sent):
    with pytest.raises(ValueError):
        fieldset.normalized(sent)


def test_a_set_nested_without_end_is_refused():
    deep: dict = {}
    for _ in range(900):
        deep = {"f:a": deep}
    with pytest.raises(ValueError, match="nested too deeply"):
        fieldset.normalized(deep)
