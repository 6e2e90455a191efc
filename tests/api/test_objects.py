from arubeki.api import objects
from arubeki.api.objects import GVK

OWNER = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "metadata": {"name": "web", "uid": "u1", "namespace": "d"},
}


def test_the_core_group_has_no_name():
    assert objects.gvk_of({"apiVersion": "v1", "kind": "Pod"}) == GVK("", "v1", "Pod")
    assert objects.gvk_of(OWNER) == GVK("apps", "v1", "ReplicaSet")
    assert objects.gvk_of({}) == GVK("", "", "")


def test_an_owner_reference_names_its_owner():
    assert objects.owner_reference(OWNER) == {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "web",
        "uid": "u1",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    plain = objects.owner_reference(OWNER, controller=False, block=False)
    assert plain.keys() == {"apiVersion", "kind", "name", "uid"}


def test_the_controller_is_the_owner_that_says_so():
    plain = objects.owner_reference(OWNER, controller=False)
    ruling = objects.owner_reference(OWNER)
    assert objects.controller_of({"metadata": {"ownerReferences": [plain, ruling]}}) == ruling
    assert objects.controller_of({"metadata": {"ownerReferences": [plain]}}) is None
    assert objects.controller_of({"metadata": {}}) is None
    assert objects.controller_of({}) is None


def test_a_transition_is_a_flip_of_the_status():
    first = objects.set_condition([], {"type": "Ready", "status": "False", "reason": "A"}, "t1")
    assert first == [
        {"type": "Ready", "status": "False", "reason": "A", "lastTransitionTime": "t1"}
    ]
    again = objects.set_condition(first, {"type": "Ready", "status": "False", "reason": "B"}, "t2")
    assert again[0]["reason"] == "B"
    assert again[0]["lastTransitionTime"] == "t1"
    flipped = objects.set_condition(again, {"type": "Ready", "status": "True"}, "t3")
    assert flipped[0]["lastTransitionTime"] == "t3"
    assert flipped[0]["reason"] == "B"
    assert first[0]["reason"] == "A"  # arguments stay as they are


def test_other_conditions_stay_where_they_are():
    before = [{"type": "A", "status": "True"}, {"type": "B", "status": "True"}]
    after = objects.set_condition(before, {"type": "A", "status": "False"}, "t")
    assert [one["type"] for one in after] == ["A", "B"]
    assert after[1] is before[1]


def test_true_is_not_one_but_order_does_not_matter():
    assert objects.identical({"a": 1, "b": [2]}, {"b": [2], "a": 1})
    assert not objects.identical({"a": 1}, {"a": True})
    assert not objects.identical({"a": [0]}, {"a": [False]})
    assert not objects.identical({"a": None}, {})
