import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arubeki.api.selectors import (
    EVERYTHING,
    NOTHING,
    FieldSelector,
    LabelSelector,
    Requirement,
)

NAME = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
    " alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    " validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.',"
    " and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or"
    " '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
INTEGER = "for 'Gt', 'Lt' operators, the value must be an integer"


@pytest.mark.parametrize(
    ("text", "shown", "matching", "other"),
    [
        ("a=b", "a=b", {"a": "b"}, {"a": "c"}),
        ("a==b", "a==b", {"a": "b", "z": ""}, {}),
        ("a!=b", "a!=b", {}, {"a": "b"}),
        ("a", "a", {"a": ""}, {"b": "a"}),
        ("!a", "!a", {"b": "1"}, {"a": ""}),
        ("a in (c,b)", "a in (b,c)", {"a": "c"}, {"a": "d"}),
        ("a notin (b,c)", "a notin (b,c)", {}, {"a": "b"}),
        (" a notin ( in , notin )", "a notin (in,notin)", {"a": "b"}, {"a": "in"}),
        ("a in ()", "a in ()", {"a": ""}, {"a": "b"}),
        ("a in (,x,)", "a in (,x)", {"a": ""}, {}),
        ("a in (a,,b)", "a in (,a,b)", {"a": ""}, {"a": "c"}),
        ("a=,b", "a=,b", {"a": "", "b": "1"}, {"b": "1"}),
        ("a>1,b<3", "a>1,b<3", {"a": "2", "b": "-1"}, {"a": "1", "b": "0"}),
        ("a>1", "a>1", {"a": "+2"}, {"a": "x"}),
        ("b=1,a=2", "a=2,b=1", {"a": "2", "b": "1"}, {"a": "2"}),
        ("in=notin", "in=notin", {"in": "notin"}, {}),
        ("x/y.z= b ", "x/y.z=b", {"x/y.z": "b"}, {}),
        ("a==b,c!=d,!e", "a==b,c!=d,!e", {"a": "b"}, {"a": "b", "e": "1"}),
    ],
)
def test_a_label_selector_means_what_it_says(text, shown, matching, other):
    selector = LabelSelector.parse(text)
    assert str(selector) == shown
    assert selector.matches(matching)
    assert not selector.matches(other)
    assert not selector.empty
    assert LabelSelector.parse(shown) == selector


# Recorded from labels.Parse of apimachinery v0.34.1.
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a!", "unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in", "unable to parse requirement: found '' expected: '('"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("x in (a,b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (x y)", "unable to parse requirement: found 'y', expected: ',' or ')'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("a in (b)c", "found 'c', expected: ',' or 'end of string'"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("a>x", f'unable to parse requirement: values[0]: Invalid value: "x": {INTEGER}'),
        ("a=/", f'unable to parse requirement: values[0][a]: Invalid value: "/": {VALUE}'),
        ("-a=b", f'unable to parse requirement: <nil>: Invalid value: "-a": name part {NAME}'),
        (
            "x/y/z=1",
            f'unable to parse requirement: <nil>: Invalid value: "x/y/z": a valid label key {NAME}'
            " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
        ),
    ],
)
def test_a_bad_label_selector_is_refused_in_kubernetes_words(text, message):
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        LabelSelector.parse(text)
    assert str(raised.value) == message


def test_no_text_selects_everything():
    assert LabelSelector.parse("") is EVERYTHING
    assert EVERYTHING.empty
    assert EVERYTHING.matches({})


def test_an_absent_selector_selects_nothing_and_an_empty_one_everything():
    assert LabelSelector.of(None) is NOTHING
    assert not NOTHING.matches({})
    assert not NOTHING.empty
    assert NOTHING != EVERYTHING
    assert LabelSelector.of({}).matches({"any": "thing"})


def test_match_labels_and_expressions_hold_together():
    selector = LabelSelector.of(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["a", "b"]},
                {"key": "old", "operator": "DoesNotExist"},
                {"key": "env", "operator": "Exists"},
                {"key": "zone", "operator": "NotIn", "values": ["x"]},
            ],
        }
    )
    assert str(selector) == "app=web,env,!old,tier in (a,b),zone notin (x)"
    assert selector.matches({"app": "web", "tier": "b", "env": ""})
    assert not selector.matches({"app": "web", "tier": "b", "env": "", "zone": "x"})


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"key": "a", "operator": "Is"}, '"Is" is not a valid label selector operator'),
        (
            {"key": "a", "operator": "In"},
            "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty",
        ),
        (
            {"key": "a", "operator": "Exists", "values": ["b"]},
            'values: Invalid value: ["b"]: values set must be empty for exists and does not exist',
        ),
    ],
)
def test_a_bad_expression_is_refused(expression, message):
    with pytest.raises(ValueError) as raised:
        LabelSelector.of({"matchExpressions": [expression]})
    assert str(raised.value) == message


def test_a_services_selector_is_a_set_of_labels():
    assert str(LabelSelector.of_labels({"b": "1", "a": "2"})) == "a=2,b=1"
    assert LabelSelector.of_labels(None).empty


@pytest.mark.parametrize(
    ("text", "shown", "requirements"),
    [
        ("a=b", "a=b", (("a", "=", "b"),)),
        ("a==b", "a=b", (("a", "=", "b"),)),
        ("c=d,a!=b", "a!=b,c=d", (("a", "!=", "b"), ("c", "=", "d"))),
        ("a=b\\,c", "a=b\\,c", (("a", "=", "b,c"),)),
        ("a=\\=\\\\", "a=\\=\\\\", (("a", "=", "=\\"),)),
        (",,a=1", "a=1", (("a", "=", "1"),)),
        ("spec.nodeName=", "spec.nodeName=", (("spec.nodeName", "=", ""),)),
    ],
)
def test_a_field_selector_means_what_it_says(text, shown, requirements):
    selector = FieldSelector.parse(text)
    assert selector.requirements == requirements
    assert str(selector) == shown
    assert FieldSelector.parse(shown) == selector


# Recorded from fields.ParseSelector of apimachinery v0.34.1.
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("b=1,a", "invalid selector: 'b=1,a'; can't understand 'a'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ("a=\\x", "invalid field selector: invalid escape sequence: \\x"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_a_bad_field_selector_is_refused_in_kubernetes_words(text, message):
    with pytest.raises(ValueError) as raised:
        FieldSelector.parse(text)
    assert str(raised.value) == message


def test_an_absent_field_counts_as_empty():
    assert FieldSelector.parse("a=").matches({})
    assert not FieldSelector.parse("a!=").matches({})
    assert FieldSelector.parse("a!=b,c=d").matches({"a": "x", "c": "d"})
    assert not FieldSelector.parse("a!=b,c=d").matches({"a": "b", "c": "d"})


def test_a_field_selector_knows_the_one_value_it_wants():
    selector = FieldSelector.parse("metadata.name=web,status.phase!=Running")
    assert selector.exact("metadata.name") == "web"
    assert selector.exact("status.phase") is None
    assert FieldSelector.parse("").empty


@given(st.text(alphabet="ab=!(),<> in\t\\/\0é-", max_size=24))
def test_any_text_is_a_selector_or_a_value_error(text):
    for parse in (LabelSelector.parse, FieldSelector.parse):
        try:
            selector = parse(text)
        except ValueError as error:
            assert str(error)
        else:
            selector.matches({"a": "b", "in": "1"})
            if "\0" not in text:
                assert parse(str(selector)) == selector


KEYS = st.sampled_from(["a", "b", "x/y"])
VALUES = st.sampled_from(["", "1", "2", "in"])
OPERATORS = st.sampled_from(["=", "!=", "in", "notin", "exists", "!", "gt", "lt"])


@given(KEYS, OPERATORS, st.lists(VALUES, min_size=1, max_size=3), st.dictionaries(KEYS, VALUES))
def test_a_requirement_matches_as_its_words_say(key, operator, values, labels):
    if operator in ("=", "!="):
        values = values[:1]
    elif operator in ("gt", "lt"):
        values = ["1"]
    elif operator in ("exists", "!"):
        values = []
    there, value = key in labels, labels.get(key)
    number = value is not None and value.isdigit()
    expected = {
        "=": there and value in values,
        "in": there and value in values,
        "!=": not (there and value in values),
        "notin": not (there and value in values),
        "exists": there,
        "!": not there,
        "gt": number and int(value or 0) > 1,
        "lt": number and int(value or 0) < 1,
    }[operator]
    selector = LabelSelector([Requirement(key, operator, tuple(values))])
    assert selector.matches(labels) == expected
