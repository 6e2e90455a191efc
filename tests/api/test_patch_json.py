import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arubeki.api.patch import json_patch
from arubeki.errors import ApiError, BadRequest, Invalid, RequestEntityTooLarge

VECTORS = json.loads((Path(__file__).parent / "vectors" / "patch_json.json").read_text())
REJECTED = "the server rejected our request due to an error in our request"


@pytest.mark.parametrize("case", VECTORS)
def test_a_json_patch_does_what_kubernetes_library_does(case):
    doc, ops = copy.deepcopy(case["doc"]), copy.deepcopy(case["patch"])
    if "error" in case or not isinstance(case["result"], dict):
        with pytest.raises(Invalid):
            json_patch(doc, ops)
    else:
        assert json_patch(doc, ops) == case["result"]
    assert (doc, ops) == (case["doc"], case["patch"])


@pytest.mark.parametrize(
    "ops",
    [
        [{"op": "test", "path": "/a", "value": 2}],
        [{"op": "test", "path": "/a", "value": True}],
        [{"op": "remove", "path": "/b"}],
        [{"op": "add", "path": "/b/c", "value": 1}],
        [{"op": "add", "path": "", "value": {}}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "add", "path": "/list/9", "value": 1}],
        [{"op": "replace", "path": "/list/x", "value": 1}],
        [{"op": "replace", "path": "/list/2", "value": 1}],
        [{"op": "replace", "path": "", "value": 1}],
        [{"op": "move", "from": "/a", "path": "/a/b"}],
        [{"op": "move", "from": "/z", "path": "/y"}],
        [{"op": "root", "path": "/a"}],
        [{"op": "__init__", "path": "/a"}],
        [{"path": "/a"}],
        [None],
    ],
)
def test_what_cannot_be_carried_out_is_answered_422(ops):
    with pytest.raises(Invalid) as raised:
        json_patch({"a": 1, "list": [1, 2]}, ops)
    # Source: apiserver patch.go applyJSPatch, NewGenericServerResponse.
    assert raised.value.message == REJECTED
    assert raised.value.code == 422


@pytest.mark.parametrize(
    ("ops", "said"),
    [
        ({}, "cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        ("x", "cannot unmarshal string into Go value of type []handlers.jsonPatchOp"),
        ([1], "cannot unmarshal number into Go value of type handlers.jsonPatchOp"),
        ([{"op": 1}], "into Go struct field jsonPatchOp.op of type string"),
        ([{"op": "add", "path": []}], "into Go struct field jsonPatchOp.path of type string"),
    ],
)
def test_what_is_no_list_of_operations_is_answered_400(ops, said):
    with pytest.raises(BadRequest, match=r"^error decoding patch: json: ") as raised:
        json_patch({}, ops)
    assert said in raised.value.message


def test_a_patch_may_have_ten_thousand_operations():
    ops = [{"op": "add", "path": "/list/-", "value": 1}] * 10_000
    assert len(json_patch({"list": []}, ops)["list"]) == 10_000
    with pytest.raises(RequestEntityTooLarge) as raised:
        json_patch({"list": []}, [*ops, ops[0]])
    assert raised.value.message == (
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000,"
        " got 10001"
    )


def test_null_stands_for_no_operations():
    doc = {"a": 1}
    assert json_patch(doc, None) == doc


def test_an_absent_key_can_be_replaced_and_tested_for_null():
    ops = [{"op": "test", "path": "/b", "value": None}, {"op": "replace", "path": "/b", "value": 1}]
    assert json_patch({"a": 1}, ops) == {"a": 1, "b": 1}


def test_tilde_escapes_are_undone():
    ops = [{"op": "add", "path": "/a~1b~0c", "value": 1}]
    assert json_patch({}, ops) == {"a/b~c": 1}


def test_a_copy_is_a_copy():
    ops = [
        {"op": "copy", "from": "/a", "path": "/b"},
        {"op": "add", "path": "/b/x", "value": 1},
        {"op": "copy", "from": "", "path": "/c"},
    ]
    with pytest.raises(Invalid):
        json_patch({"a": {}}, ops)
    assert json_patch({"a": {}}, ops[:2]) == {"a": {}, "b": {"x": 1}}


def test_a_value_put_in_and_then_changed_does_not_change_the_patch():
    ops = [{"op": "add", "path": "/a", "value": {}}, {"op": "add", "path": "/a/b", "value": 1}]
    assert json_patch({}, ops) == {"a": {"b": 1}}
    assert ops[0]["value"] == {}


def test_a_list_can_be_copied_into_itself():
    ops = [{"op": "copy", "from": "/a", "path": "/a/-"}]
    assert json_patch({"a": [1]}, ops) == {"a": [1, [1]]}


def test_copies_of_copies_do_not_grow_without_bound():
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 40
    with pytest.raises(ApiError) as raised:
        json_patch({"a": ["x" * 100]}, doubling)
    assert raised.value.code in (400, 422)


def test_nesting_without_bound_is_refused():
    ops = [
        {"op": "copy", "from": "/a", "path": "/a" + "/b" * depth}
        for depth in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
    ]
    with pytest.raises(ApiError) as raised:
        json_patch({"a": {}}, ops)
    assert raised.value.code in (400, 422)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "/"]),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "0"]), below, max_size=3)
    ),
    max_leaves=8,
)
OPERATION = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "nop"]),
        "path": st.sampled_from(["", "/", "/a", "/a/b", "/a/0", "/a/-", "/b/1", "a", "/a/-1"]),
        "from": st.sampled_from(["", "/a", "/b", "/a/b", "/a/0"]),
        "value": JSON,
    },
)


@given(st.dictionaries(st.sampled_from(["a", "b"]), JSON), st.lists(OPERATION, max_size=6))
def test_any_patch_gives_an_object_or_an_error_and_leaves_its_arguments(doc, ops):
    before = copy.deepcopy((doc, ops))
    try:
        assert isinstance(json_patch(doc, ops), dict)
    except ApiError as error:
        assert error.code in (400, 422)
    assert (doc, ops) == before


@given(JSON)
def test_any_body_is_a_patch_or_a_bad_request(body):
    try:
        json_patch({}, body)
    except ApiError as error:
        assert error.code in (400, 422)
