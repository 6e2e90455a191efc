import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arubeki.api import facts
from arubeki.api.objects import GVK
from arubeki.api.patch import strategic_merge
from arubeki.errors import ApiError, BadRequest, Invalid

VECTORS = json.loads((Path(__file__).parent / "vectors" / "patch_strategic.json").read_text())
DEPLOYMENT = facts.schema_of(GVK("apps", "v1", "Deployment"))
POD = facts.schema_of(GVK("", "v1", "Pod"))
assert DEPLOYMENT is not None
assert POD is not None


@pytest.mark.parametrize("case", VECTORS)
def test_a_strategic_merge_does_what_kubernetes_does(case):
    doc, patch = copy.deepcopy(case["doc"]), copy.deepcopy(case["patch"])
    if "error" in case:
        with pytest.raises(BadRequest):
            strategic_merge(doc, patch, DEPLOYMENT)
    else:
        assert strategic_merge(doc, patch, DEPLOYMENT) == case["result"]
    assert (doc, patch) == (case["doc"], case["patch"])


def pod(*containers, **spec):
    return {"spec": {"containers": list(containers), **spec}}


def test_what_kubectl_set_image_sends_changes_one_image():
    patch = {
        "spec": {
            "template": {
                "spec": {
                    "$setElementOrder/containers": [{"name": "web"}, {"name": "side"}],
                    "containers": [{"image": "web:2", "name": "web"}],
                }
            }
        }
    }
    doc = {"spec": {"template": pod({"name": "web", "image": "web:1"}, {"name": "side"})}}
    after = strategic_merge(doc, patch, DEPLOYMENT)
    assert after["spec"]["template"] == pod({"name": "web", "image": "web:2"}, {"name": "side"})


def test_an_item_is_merged_by_its_key_and_a_new_one_comes_first():
    doc = pod({"name": "a", "image": "1", "args": ["x"]}, {"name": "b"})
    after = strategic_merge(
        doc, pod({"name": "c"}, {"name": "a", "image": "2", "args": ["y"]}), POD
    )
    assert after == pod({"name": "c"}, {"name": "a", "image": "2", "args": ["y"]}, {"name": "b"})


def test_an_item_is_deleted_by_its_key():
    after = strategic_merge(
        pod({"name": "a"}, {"name": "b"}), pod({"name": "a", "$patch": "delete"}), POD
    )
    assert after == pod({"name": "b"})


def test_a_list_is_replaced_on_demand():
    after = strategic_merge(
        pod({"name": "a"}, {"name": "b"}), pod({"$patch": "replace"}, {"name": "c"}), POD
    )
    assert after == pod({"name": "c"})


def test_a_map_is_replaced_or_emptied_on_demand():
    doc = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    replacing = {"metadata": {"labels": {"$patch": "replace", "c": "3"}}}
    assert strategic_merge(doc, replacing, POD) == {"metadata": {"labels": {"c": "3"}}}
    deleting = {"metadata": {"labels": {"$patch": "delete"}}}
    assert strategic_merge(doc, deleting, POD) == {"metadata": {"labels": {}}}


def test_scalars_join_a_list_and_leave_it():
    doc = {"metadata": {"finalizers": ["a/b", "c/d"]}}
    joining = {"metadata": {"finalizers": ["e/f", "a/b"]}}
    assert strategic_merge(doc, joining, POD)["metadata"]["finalizers"] == ["e/f", "a/b", "c/d"]
    leaving = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/b", "x"]}}
    assert strategic_merge(doc, leaving, POD)["metadata"]["finalizers"] == ["c/d"]


def test_a_list_without_a_key_is_replaced():
    doc = pod({"name": "a"}, tolerations=[{"key": "x"}, {"key": "y"}])
    after = strategic_merge(doc, {"spec": {"tolerations": [{"key": "z"}]}}, POD)
    assert after["spec"]["tolerations"] == [{"key": "z"}]


def test_only_retained_keys_stay():
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    after = strategic_merge({"spec": {"strategy": strategy}}, patch, DEPLOYMENT)
    assert after == {"spec": {"strategy": {"type": "Recreate"}}}


def test_directives_never_become_fields():
    patch = {
        "spec": {
            "strategy": {"$retainKeys": ["type"], "type": "Recreate"},
            "template": {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name"]}]}},
        }
    }
    after = strategic_merge({}, patch, DEPLOYMENT)
    assert "$" not in json.dumps(after)
    doc = {"spec": {"template": {"spec": {"volumes": [{"name": "u"}]}}}}
    assert "$" not in json.dumps(strategic_merge(doc, patch, DEPLOYMENT))


def test_unchanged_subtrees_are_shared():
    doc = {"metadata": {"labels": {"a": "1"}}, "spec": {"replicas": 1, "selector": {}}}
    after = strategic_merge(doc, {"spec": {"replicas": 2}}, DEPLOYMENT)
    assert after["metadata"] is doc["metadata"]
    assert after["spec"]["selector"] is doc["spec"]["selector"]


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ([], "invalid JSON document"),
        ({"$patch": "merge"}, "unknown patch type: merge in map: map[$patch:merge]"),
        (
            {"spec": {"containers": [{"image": "x"}]}},
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (
            {
                "spec": {
                    "containers": [{"name": "a"}],
                    "$setElementOrder/containers": [{"name": "b"}],
                }
            },
            "The order in patch list:\n[map[name:a]]\n doesn't match $setElementOrder list:"
            "\n[map[name:b]]\n",
        ),
        (
            {"spec": {"containers": [{"$patch": "merge"}]}},
            "merging lists cannot yet be specified in the patch",
        ),
        (
            {"spec": {"$setElementOrder/nothing": [], "nothing": []}},
            'unable to find api field in struct PodSpec for the json field "nothing"',
        ),
        ({"spec": {"$retainKeys": "x"}}, "invalid patch format of retainKeys"),
        ({"spec": {"$retainKeys": ["a"], "hostname": "b"}}, "invalid patch format of retainKeys"),
        (
            {"metadata": {"$deleteFromPrimitiveList": ["a"]}},
            "invalid patch format of primitive list",
        ),
        ({"spec": {"$setElementOrder": []}}, "invalid patch format of setElementOrder list"),
        (
            {"metadata": {"finalizers": ["a/b", 1]}},
            "list element types are not identical: [[x/y] [a/b 1]]",
        ),
    ],
)
def test_a_malformed_patch_is_told_why(patch, message):
    doc = {"metadata": {"finalizers": ["x/y"]}, **pod({"name": "c"})}
    with pytest.raises(BadRequest) as raised:
        strategic_merge(doc, patch, POD)
    assert raised.value.message == message


def test_lists_of_lists_are_rejected():
    with pytest.raises(Invalid):
        strategic_merge(
            {"metadata": {"finalizers": ["a"]}}, {"metadata": {"finalizers": [["a"]]}}, POD
        )


NAMES = st.sampled_from(["a", "b", "c"])
ITEM = st.fixed_dictionaries(
    {}, optional={"name": NAMES, "image": NAMES, "$patch": st.sampled_from(["delete", "replace"])}
)
ORDER = st.lists(st.fixed_dictionaries({}, optional={"name": NAMES}), max_size=3)
SPEC = st.fixed_dictionaries(
    {},
    optional={
        "containers": st.lists(ITEM, max_size=3) | st.none(),
        "$setElementOrder/containers": ORDER,
        "$retainKeys": st.lists(st.sampled_from(["containers", "hostname"])),
        "$patch": NAMES,
        "hostname": st.none() | NAMES | st.lists(NAMES),
    },
)


@given(st.fixed_dictionaries({}, optional={"spec": SPEC | st.none() | NAMES}))
def test_any_patch_gives_an_object_or_an_error_and_leaves_its_arguments(patch):
    doc = pod({"name": "b", "image": "x"}, {"name": "a"}, hostname="h")
    before = copy.deepcopy((doc, patch))
    try:
        after = strategic_merge(doc, patch, POD)
    except ApiError as error:
        assert error.code in (400, 422)
    else:
        assert "$" not in json.dumps(after)
    assert (doc, patch) == before


def test_new_items_take_the_room_of_deleted_ones():
    # Recorded from strategicpatch v0.34.1: what the order does not name stays before them.
    doc = pod(imagePullSecrets=[{"name": "d"}, {"name": "c"}])
    patch = {
        "spec": {
            "imagePullSecrets": [
                {"name": "d", "$patch": "delete"},
                {"name": "x"},
                {"name": "b"},
            ],
            "$setElementOrder/imagePullSecrets": [{"name": "x"}, {"name": "b"}],
        }
    }
    after = strategic_merge(doc, patch, POD)
    assert after["spec"]["imagePullSecrets"] == [{"name": "c"}, {"name": "x"}, {"name": "b"}]
