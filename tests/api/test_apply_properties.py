"""What holds of server-side apply whatever the object: laws, not examples."""

import copy
import json

from hypothesis import given
from hypothesis import strategies as st
from tests.api.shapes import ROOT, SPEC, TEXTS, intent

from arubeki.api.apply import apply_object, extract, no_op, track_update
from arubeki.errors import ApiError, Conflict


def values(schema):
    """Give values of a schema, without nulls, and without empty lists that nobody could own."""
    if schema.int_or_string:
        return st.sampled_from([1, 2, "1", "x"])
    if schema.preserve_unknown:
        return st.sampled_from([1, "x", True, [1], {"a": 1}, {"a": {"b": [2]}}, {"a": {"b": 1}}])
    if schema.type == "array":
        return lists(schema)
    if schema.type == "object" and schema.additional is not None:
        return st.dictionaries(st.sampled_from("kl"), values(schema.additional), max_size=2)
    if schema.type == "object":
        fields = {name: values(node) for name, node in schema.properties.items()}
        return st.fixed_dictionaries({}, optional=fields)
    scalars = {
        "string": st.sampled_from("abc"),
        "integer": st.integers(1, 3),
        "boolean": st.booleans(),
    }
    return scalars[schema.type]


def lists(schema):
    if schema.list_type == "atomic":
        return st.lists(values(schema.items), max_size=2)
    if schema.list_type == "set":
        return st.lists(values(schema.items), min_size=1, max_size=3, unique=True)
    if schema.list_keys == ("name",):
        named = st.tuples(st.sampled_from("xyz"), values(schema.items))
        return st.lists(named, min_size=1, max_size=3, unique_by=lambda pair: pair[0]).map(
            lambda pairs: [{**item, "name": name} for name, item in pairs]
        )
    ports = st.tuples(st.sampled_from([80, 443]), st.sampled_from(["TCP", "UDP"]))
    return st.lists(ports, min_size=1, max_size=3, unique=True).map(
        lambda pairs: [{"port": port, "protocol": protocol} for port, protocol in pairs]
    )


INTENTS = st.builds(intent, values(SPEC), labels=values(TEXTS))
SCHEMAS = st.sampled_from([ROOT, None])


def apply(live, obj, manager="a", schema=ROOT, force=True, now="2026-01-01T00:00:00Z"):
    return apply_object(live, obj, schema=schema, manager=manager, force=force, now=now)


def stored(obj):
    return {**obj, "metadata": {**obj["metadata"], "uid": "u"}}


def told(obj):
    """Return an object without what the server adds."""
    metadata = {k: v for k, v in obj["metadata"].items() if k not in ("managedFields", "uid")}
    return {**obj, "metadata": metadata}


@given(INTENTS, INTENTS, SCHEMAS)
def test_applied_twice_is_applied_once(first, second, schema):
    live = stored(apply(None, first, "b", schema))
    once = apply(live, second, schema=schema)
    twice = apply(once, second, schema=schema, now="2027-01-01T00:00:00Z")
    assert twice == once
    assert no_op(once, twice)


@given(INTENTS, SCHEMAS)
def test_an_intent_is_read_back_as_it_was(wanted, schema):
    live = apply(None, wanted, schema=schema)
    assert told(live) == wanted
    assert extract(live, "a") == wanted


@given(INTENTS, INTENTS)
def test_an_intent_is_read_back_from_among_others(mine, theirs):
    live = apply(apply(None, theirs, "b"), mine)
    found = extract(live, "a")
    assert sort(apply(live, found)) == sort(live)


@given(INTENTS, INTENTS)
def test_what_nobody_else_owns_goes_with_its_applier(base, more):
    # Where types are open, a map replaced by a scalar is no conflict to Kubernetes, but a loss.
    base["spec"].pop("any", None)
    more["spec"].pop("any", None)
    live = stored(apply(None, base, "b"))
    try:
        both = apply(live, more, force=False)
    except Conflict:
        return
    after = apply(both, intent())
    assert sort(full(told(after))) == sort(full(told(live)))
    assert sort(full(extract(after, "b"))) == sort(full(extract(live, "b")))


@given(INTENTS, INTENTS, INTENTS)
def test_a_field_said_with_one_value_is_owned_by_all_who_say_it(one, two, three):
    live = None
    for manager, wanted in (("a", one), ("b", two), ("c", three)):
        live = apply(live, wanted, manager)
    # The last one forced everything, so it has all that it says.
    entries = {entry["manager"]: entry for entry in live["metadata"]["managedFields"]}
    if entries.get("c"):
        alone = apply(None, three, "c")["metadata"]["managedFields"][0]["fieldsV1"]
        assert entries["c"]["fieldsV1"] == alone
    # Nobody conflicts with what is there.
    again = extract(live, "a")
    assert told(sort(apply(live, again, "a", force=False))) == told(sort(live))


@given(INTENTS, INTENTS, SCHEMAS)
def test_an_update_owns_what_it_changed_and_no_more(before, after, schema):
    live = stored(apply(None, before, schema=schema))
    new = stored(copy.deepcopy(after))
    new["metadata"]["managedFields"] = live["metadata"].get("managedFields")
    entries = track_update(live, new, schema=schema, manager="u", now="2026-01-02T00:00:00Z")
    same = track_update(new, new, schema=schema, manager="v", now="2026-01-03T00:00:00Z")
    assert all(entry["manager"] != "v" for entry in same)
    updated = {**new, "metadata": {**new["metadata"], "managedFields": entries}}
    # Back again: whoever changed it back owns it, the first updater nothing of it.
    undone = {**live, "metadata": {**live["metadata"], "managedFields": entries}}
    back = track_update(updated, undone, schema=schema, manager="w", now="2026-01-04T00:00:00Z")
    left = [entry for entry in back if entry["manager"] == "u"]
    assert not left or before.get("spec") is not None


@given(INTENTS, INTENTS, SCHEMAS)
def test_arguments_stay_as_they_are(live, wanted, schema):
    live = stored(apply(None, live, "b", schema))
    arguments = copy.deepcopy((live, wanted))
    apply(live, wanted, schema=schema)
    track_update(live, stored(wanted), schema=schema, manager="u", now="t")
    extract(live, "b")
    assert (live, wanted) == arguments


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-1, 1) | st.text(max_size=3),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "spec", "items", "metadata", "f:a", ".", "managedFields", "n"]
            ),
            below,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["spec", "metadata", "kind", "x"]), JSON), SCHEMAS)
def test_any_intent_is_applied_or_a_bad_request(garbage, schema):
    for live in (None, stored(apply(None, intent({"n": 1}), "b"))):
        try:
            apply(live, garbage, schema=schema)
        except ApiError as error:
            assert isinstance(error, ApiError)


@given(JSON, SCHEMAS)
def test_any_managed_fields_are_taken_or_left(garbage, schema):
    live = stored(intent({"n": 1, "map": {"k": {"v": 1}}}))
    live["metadata"]["managedFields"] = garbage
    for old in (None, live):
        new = {**live, "spec": {"n": 2}}
        entries = track_update(old, new, schema=schema, manager="u", now="2026-01-01T00:00:00Z")
        json.dumps(entries)
    apply(live, intent({"n": 3}), schema=schema)
    extract(live, "a")


def full(value):
    """Return a value without empty maps: one that was filled and emptied again is gone."""
    if not isinstance(value, dict):
        return [full(one) for one in value] if isinstance(value, list) else value
    filled = {key: full(one) for key, one in value.items()}
    return {key: one for key, one in filled.items() if one != {}}


def sort(value):
    """Return a value with its lists in one order; where shared items stand is not ownership."""
    if isinstance(value, dict):
        return {key: sort(one) for key, one in value.items()}
    if isinstance(value, list):
        return sorted((sort(one) for one in value), key=json.dumps)
    return value
