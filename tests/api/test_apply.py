import copy

import pytest
from tests.api.shapes import DEPLOYMENT, ROOT, apply, deployment, intent, managers, stored, update

from arubeki.api.apply import extract, no_op, track_update
from arubeki.errors import Conflict

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def test_a_new_object_is_owned_as_far_as_it_was_said():
    live = apply(None, deployment())
    # Source: the same apply through managedfields.NewDefaultFieldManager, v0.34.1.
    assert live["metadata"]["managedFields"] == [
        {
            "manager": "me",
            "operation": "Apply",
            "apiVersion": "apps/v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {
                    "f:replicas": {},
                    "f:selector": {},
                    "f:template": {
                        "f:metadata": {"f:labels": {"f:app": {}}},
                        "f:spec": {
                            "f:containers": {
                                'k:{"name":"web"}': {
                                    ".": {},
                                    "f:image": {},
                                    "f:name": {},
                                    "f:ports": {
                                        'k:{"containerPort":80,"protocol":"TCP"}': {
                                            ".": {},
                                            "f:containerPort": {},
                                        }
                                    },
                                }
                            }
                        },
                    },
                },
            },
        }
    ]


def test_a_created_object_is_owned_by_its_creator_in_kubernetes_form():
    live = update(None, deployment(strategy={"type": "Recreate"}), manager="kubectl-create")
    # Source: the same create through managedfields.NewDefaultFieldManager, v0.34.1: structs that
    # Go always has are no members, maps and optional lists are.
    (entry,) = live["metadata"]["managedFields"]
    assert entry["operation"] == "Update"
    assert entry["fieldsV1"]["f:metadata"] == {"f:labels": {".": {}, "f:app": {}}}
    spec = entry["fieldsV1"]["f:spec"]
    assert "." not in spec
    assert spec["f:strategy"] == {"f:type": {}}
    assert spec["f:template"] == {
        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
        "f:spec": {
            "f:containers": {
                'k:{"name":"web"}': {
                    ".": {},
                    "f:image": {},
                    "f:name": {},
                    "f:ports": {
                        ".": {},
                        'k:{"containerPort":80,"protocol":"TCP"}': {
                            ".": {},
                            "f:containerPort": {},
                        },
                    },
                }
            }
        },
    }


def test_another_managers_value_is_a_conflict():
    live = stored(apply(None, deployment()))
    scaled = update(live, {**live, "spec": {**live["spec"], "replicas": 5}}, "kubectl-edit")
    with pytest.raises(Conflict) as raised:
        apply(scaled, deployment())
    error = raised.value
    assert error.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas'
    )
    assert error.to_status()["reason"] == "Conflict"
    assert error.to_status()["details"] == {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "kubectl-edit" using apps/v1',
                "field": ".spec.replicas",
            }
        ]
    }


def test_every_conflict_is_named():
    first = apply(None, deployment(replicas=3, image="a"), "one")
    second = apply(first, deployment(replicas=None, image="a", paused=True), "two", force=True)
    with pytest.raises(Conflict) as raised:
        apply(stored(second), deployment(replicas=1, image="b", paused=False), "three")
    container = '.spec.template.spec.containers[name="web"].image'
    assert raised.value.message == (
        'Apply failed with 4 conflicts: conflicts with "one":\n'
        "- .spec.replicas\n"
        f"- {container}\n"
        'conflicts with "two":\n'
        "- .spec.paused\n"
        f"- {container}"
    )
    assert len(raised.value.causes) == 4


def test_a_conflict_names_the_subresource():
    live = stored(apply(None, deployment()))
    scaled = update(
        live, {**live, "spec": {**live["spec"], "replicas": 5}}, "scaler", subresource="scale"
    )
    with pytest.raises(Conflict) as raised:
        apply(scaled, deployment())
    assert raised.value.causes[0]["message"] == (
        'conflict with "scaler" with subresource "scale" using apps/v1'
    )


def test_force_takes_the_field_over():
    live = stored(apply(None, deployment()))
    scaled = update(live, {**live, "spec": {**live["spec"], "replicas": 5}}, "kubectl-edit")
    assert "f:replicas" not in managers(scaled)["me", "Apply"]["fieldsV1"]["f:spec"]
    after = apply(scaled, deployment(), force=True, day=2)
    assert after["spec"]["replicas"] == 2
    assert managers(after).keys() == {("me", "Apply")}  # an empty entry goes
    assert managers(after)["me", "Apply"]["time"] == "2026-01-02T00:00:00Z"


def test_equal_values_are_owned_together():
    one = apply(None, deployment(), "one")
    both = apply(one, deployment(), "two", day=2)
    sets = [entry["fieldsV1"] for entry in both["metadata"]["managedFields"]]
    assert sets[0] == sets[1]
    # A change of owners alone is no event in time.
    assert "time" not in managers(both)["two", "Apply"]
    only = apply(both, deployment(replicas=None), "one", day=3)
    assert only["spec"]["replicas"] == 2  # two still wants it
    gone = apply(only, deployment(replicas=None), "two", day=4)
    assert "replicas" not in gone["spec"]


def test_an_item_that_is_no_longer_said_goes():
    side = {"name": "side", "image": "s"}
    wanted = deployment()
    wanted["spec"]["template"]["spec"]["containers"].append(side)
    live = apply(None, wanted)
    after = apply(live, deployment())
    names = [one["name"] for one in after["spec"]["template"]["spec"]["containers"]]
    assert names == ["web"]


def test_a_struct_nobody_owns_goes_with_its_defaults():
    live = apply(None, deployment(strategy={"rollingUpdate": {"maxSurge": 1}}))
    live["spec"]["strategy"]["type"] = "RollingUpdate"  # defaulted
    live["spec"]["progressDeadlineSeconds"] = 600  # defaulted
    after = apply(live, deployment())
    assert "strategy" not in after["spec"]
    assert after["spec"]["progressDeadlineSeconds"] == 600


def test_a_new_item_stands_where_the_intent_has_it():
    live = apply(None, deployment())
    live["spec"]["template"]["spec"]["containers"].append({"name": "injected"})
    wanted = deployment()
    wanted["spec"]["template"]["spec"]["containers"].insert(0, {"name": "first"})
    after = apply(live, wanted)
    names = [one["name"] for one in after["spec"]["template"]["spec"]["containers"]]
    assert names == ["first", "web", "injected"]


def test_the_same_intent_again_changes_nothing():
    live = stored(apply(None, deployment(), day=1))
    again = apply(live, deployment(), day=2)
    assert again == live
    assert no_op(live, again)


def test_unchanged_subtrees_are_shared_and_the_top_is_not():
    live = stored(apply(None, deployment()))
    after = apply(live, deployment(replicas=7))
    assert after["spec"]["template"] is live["spec"]["template"]
    assert after is not live
    assert after["metadata"] is not live["metadata"]
    assert live["spec"]["replicas"] == 2


def test_an_object_nobody_tracked_belongs_to_before_first_apply():
    live = stored(deployment(replicas=5))
    with pytest.raises(Conflict, match='conflict with "before-first-apply" using apps/v1'):
        apply(live, deployment())
    after = apply(live, deployment(), force=True)
    assert managers(after).keys() == {("me", "Apply"), ("before-first-apply", "Update")}


def test_an_update_of_an_object_nobody_tracked_starts_no_tracking():
    live = stored(deployment())
    assert track_update(live, deployment(9), schema=DEPLOYMENT, manager="x", now="t") == []


@pytest.mark.parametrize("reset", [[], [{}]])
def test_managers_are_forgotten_on_demand(reset):
    live = stored(apply(None, deployment()))
    new = {**live, "metadata": {**live["metadata"], "managedFields": reset}}
    assert update(live, new)["metadata"]["managedFields"] == []


def test_a_client_may_hand_a_managers_fields_to_another():
    # kubectl moves what client-side apply owned to itself so, with a JSON patch.
    live = stored(update(None, deployment(), "kubectl-client-side-apply"))
    entries = copy.deepcopy(live["metadata"]["managedFields"])
    entries[0].update(manager="kubectl", operation="Apply")
    moved = update(live, {**live, "metadata": {**live["metadata"], "managedFields": entries}})
    assert managers(moved).keys() == {("kubectl", "Apply")}
    after = apply(moved, deployment(replicas=None), "kubectl")
    assert "replicas" not in after["spec"]


def test_a_subresource_does_not_let_managers_be_set():
    live = stored(apply(None, deployment()))
    new = {**live, "metadata": {**live["metadata"], "managedFields": []}, "status": {"replicas": 1}}
    after = update(live, new, "controller", subresource="status")
    assert managers(after).keys() == {("me", "Apply"), ("controller", "Update")}
    assert managers(after)["controller", "Update"]["subresource"] == "status"
    assert managers(after)["controller", "Update"]["fieldsV1"] == {"f:status": {"f:replicas": {}}}


def test_updates_of_one_manager_gather_in_one_entry():
    live = stored(apply(None, deployment()))
    one = update(live, {**live, "spec": {**live["spec"], "paused": True}}, "them", day=2)
    two = update(one, {**one, "spec": {**one["spec"], "minReadySeconds": 3}}, "them", day=3)
    entry = managers(two)["them", "Update"]
    assert entry["fieldsV1"] == {"f:spec": {"f:minReadySeconds": {}, "f:paused": {}}}
    assert list(entry["fieldsV1"]["f:spec"]) == ["f:minReadySeconds", "f:paused"]
    assert entry["time"] == "2026-01-03T00:00:00Z"
    # What it takes back, it owns no more; nothing taken, no new time.
    three = {**two, "spec": {k: v for k, v in two["spec"].items() if k != "paused"}}
    after = update(two, three, "them", day=4)
    assert managers(after)["them", "Update"]["fieldsV1"] == {"f:spec": {"f:minReadySeconds": {}}}
    assert managers(after)["them", "Update"]["time"] == "2026-01-03T00:00:00Z"


def test_an_update_without_a_change_keeps_the_entries_as_they_are():
    live = stored(apply(None, deployment()))
    after = track_update(live, copy.deepcopy(live), schema=DEPLOYMENT, manager="x", now="t")
    assert after == live["metadata"]["managedFields"]


def test_the_eleventh_updater_merges_the_oldest_two():
    # Source: internal/capmanagers.go.
    live = stored(intent({"map": {}}))
    live = stored(update(None, live, "m00", schema=ROOT))
    for number in range(1, 12):
        new = copy.deepcopy(live)
        new["spec"]["map"][f"x{number:02}"] = {"v": number}
        live = update(live, new, f"m{number:02}", schema=ROOT, day=number + 1)
    names = [one["manager"] for one in live["metadata"]["managedFields"]]
    assert len(names) == 10
    assert names[0] == "ancient-changes"
    assert "m02" not in names
    assert "m03" in names
    ancient = live["metadata"]["managedFields"][0]
    assert ancient["time"] == "2026-01-03T00:00:00Z"  # of the youngest merged
    assert {"f:x01", "f:x02"} <= ancient["fieldsV1"]["f:spec"]["f:map"].keys()


def test_children_of_what_became_atomic_are_owned_whole():
    # Source: structured-merge-diff merge/schema_change_test.go.
    live = stored(apply(None, intent({"amap": {"a": "1"}}), schema=ROOT))
    entry = live["metadata"]["managedFields"][0]
    entry["fieldsV1"] = {"f:spec": {"f:amap": {"f:a": {}}, "f:atomic": {'v:"x"': {}}}}
    after = apply(live, intent({"n": 1}), "other", schema=ROOT)
    assert managers(after)["me", "Apply"]["fieldsV1"] == {"f:spec": {"f:amap": {}, "f:atomic": {}}}


def test_kubectl_does_not_conflict_with_its_own_client_side_apply():
    # Source: internal/lastappliedmanager.go.
    last = (
        '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},'
        '"spec":{"replicas":5}}'
    )
    live = deployment(replicas=5)
    live["metadata"]["annotations"] = {LAST_APPLIED: last}
    live = stored(update(None, live, "kubectl-client-side-apply"))
    with pytest.raises(Conflict, match=r"\.spec\.replicas"):
        apply(live, deployment(), "someone")
    after = apply(live, deployment(), "kubectl")
    assert after["spec"]["replicas"] == 2
    assert after["metadata"]["annotations"][LAST_APPLIED] == (
        '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"labels":{"app":"web"},'
        '"name":"web","namespace":"d"},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"web"'
        '}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"image":"web:1"'
        ',"name":"web","ports":[{"containerPort":80}]}]}}}}\n'
    )
    with pytest.raises(Conflict) as raised:
        apply(live, deployment(image="web:2"), "kubectl")
    assert [cause["field"] for cause in raised.value.causes] == [
        '.spec.template.spec.containers[name="web"].image'
    ]


def test_a_no_op_sees_through_times_only():
    live = stored(apply(None, deployment()))
    later = copy.deepcopy(live)
    later["metadata"]["managedFields"][0]["time"] = "2030-01-01T00:00:00Z"
    assert no_op(live, later)
    later["metadata"]["managedFields"][0]["manager"] = "x"
    assert not no_op(live, later)
    for change in ({"spec": {**live["spec"], "paused": 1}}, {"status": {}}):
        assert not no_op(live, {**live, **change})
    assert not no_op({"spec": {"a": 1}}, {"spec": {"a": True}})
    assert no_op(live, dict(reversed(live.items())))


def test_an_intent_is_read_back_from_what_it_became():
    live = apply(None, deployment())
    live["spec"]["progressDeadlineSeconds"] = 600
    live["spec"]["template"]["spec"]["containers"][0]["ports"][0]["protocol"] = "TCP"
    live["spec"]["template"]["spec"]["containers"].append({"name": "injected"})
    assert extract(live, "me") == deployment()
    assert extract(live, "nobody") == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "d"},
    }


def test_a_subresource_has_an_intent_of_its_own():
    live = apply(None, deployment())
    wanted = {**intent(), "apiVersion": "apps/v1", "status": {"replicas": 1}}
    live = apply(live, wanted, subresource="status")
    assert extract(live, "me", "status")["status"] == {"replicas": 1}
    assert "status" not in extract(live, "me")


def test_an_empty_map_that_others_filled_is_read_back_empty():
    mine = apply(None, intent({"map": {}}, labels={}), schema=ROOT)
    theirs = apply(mine, intent({"map": {"k": {"v": 1}}}, labels={"a": "b"}), "b", schema=ROOT)
    assert extract(theirs, "me") == intent({"map": {}}, labels={})


def test_metadata_stays_when_its_last_owned_field_is_dropped():
    live = stored(apply(None, deployment()))
    wanted = deployment()
    del wanted["metadata"]["labels"]
    after = apply(live, wanted)
    assert after["metadata"].keys() == {"name", "namespace", "uid", "managedFields"}


def test_a_field_of_an_item_that_nobody_owns_goes_with_its_applier():
    # Recorded from managedfields v0.34.1: that another owns the same field does not keep it,
    # because the item around it is nobody's.
    live = stored(intent({"n": 1, "items": [{"name": "x", "v": 1}]}))
    said = {"f:spec": {"f:items": {'k:{"name":"x"}': {"f:v": {}}}}}
    live["metadata"]["managedFields"] = [
        {
            "manager": manager,
            "operation": operation,
            "apiVersion": "g/v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": said,
        }
        for manager, operation in (("me", "Apply"), ("other", "Update"))
    ]
    after = apply(live, intent(), schema=ROOT)
    assert after["spec"] == {"n": 1, "items": [{"name": "x"}]}
    assert "managedFields" not in after["metadata"]
