import copy
import json
from pathlib import Path

import pytest

from arubeki.api.patch import merge_patch
from arubeki.errors import BadRequest

VECTORS = json.loads((Path(__file__).parent / "vectors" / "patch_merge.json").read_text())


@pytest.mark.parametrize("case", VECTORS)
def test_a_merge_patch_does_what_kubernetes_library_does(case):
    doc, patch = copy.deepcopy(case["doc"]), copy.deepcopy(case["patch"])
    assert merge_patch(doc, patch) == case["result"]
    assert (doc, patch) == (case["doc"], case["patch"])


# Source: RFC 7386, appendix A; where the document is an object.
@pytest.mark.parametrize(
    ("doc", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_the_rfc_hold(doc, patch, result):
    assert merge_patch(doc, patch) == result


def test_unchanged_subtrees_are_shared():
    doc = {"a": {"b": 1}, "c": {"d": {}}}
    result = merge_patch(doc, {"c": {"e": 1}})
    assert result["a"] is doc["a"]
    assert result["c"]["d"] is doc["c"]["d"]


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (None, "Invalid JSON Patch"),
        (
            [],
            "error decoding patch: json: cannot unmarshal array into Go value of type"
            " map[string]interface {}",
        ),
        (
            "x",
            "error decoding patch: json: cannot unmarshal string into Go value of type"
            " map[string]interface {}",
        ),
        (
            True,
            "error decoding patch: json: cannot unmarshal bool into Go value of type"
            " map[string]interface {}",
        ),
    ],
)
def test_what_is_no_object_is_no_merge_patch(patch, message):
    with pytest.raises(BadRequest) as raised:
        merge_patch({}, patch)
    assert raised.value.message == message


def test_deep_nesting_is_refused():
    deep: dict = {}
    for _ in range(5_000):
        deep = {"a": deep}
    with pytest.raises(BadRequest, match="nested too deeply"):
        merge_patch({}, deep)
