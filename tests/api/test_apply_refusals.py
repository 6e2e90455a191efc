"""What server-side apply refuses, leaves out or takes no notice of."""

import pytest
from tests.api.shapes import ROOT, apply, deployment, intent, managers, stored, update

from arubeki.api.apply import apply_object, track_update
from arubeki.errors import ApiError


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "x",
        {},
        [1],
        [{"operation": "Apply"}],
        [{"operation": "Steal", "apiVersion": "v1", "fieldsType": "FieldsV1"}],
        [{"operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV2"}],
        [{"operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": []}],
        [
            {
                "operation": "Apply",
                "apiVersion": "v1",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"x": 1},
            }
        ],
        [{"operation": "Apply", "apiVersion": 1, "fieldsType": "FieldsV1", "fieldsV1": {}}],
        [
            {
                "operation": "Apply",
                "apiVersion": "v1",
                "time": "yesterday",
                "fieldsType": "FieldsV1",
                "fieldsV1": {},
            }
        ],
    ],
)
def test_malformed_managers_in_an_update_count_as_the_stored_ones(sent):
    live = stored(apply(None, deployment()))
    new = {**live, "metadata": {**live["metadata"], "managedFields": sent}}
    assert update(live, new)["metadata"]["managedFields"] == live["metadata"]["managedFields"]


@pytest.mark.parametrize("garbage", ["x", [1, {"operation": "Apply"}], {"a": 1}])
def test_malformed_managers_of_a_stored_object_are_left_out(garbage):
    live = stored(deployment())
    live["metadata"]["managedFields"] = garbage
    after = apply(live, deployment(), force=True)
    assert ("me", "Apply") in managers(after)


def test_managers_in_the_intent_are_refused():
    wanted = deployment()
    for managed in ([], [{}]):
        wanted["metadata"]["managedFields"] = managed
        with pytest.raises(ApiError) as raised:
            apply(None, wanted)
        assert raised.value.message == "metadata.managedFields must be nil"
    wanted["metadata"]["managedFields"] = None
    assert apply(None, wanted)


def test_what_the_server_sets_is_never_owned():
    wanted = intent({"n": 1}, uid="u", labels={"a": "b"})
    wanted["metadata"].update(
        resourceVersion="1", generation=2, creationTimestamp="t", selfLink="s"
    )
    live = apply_object(None, wanted, schema=None, manager="me", force=False, now="t")
    (entry,) = live["metadata"]["managedFields"]
    assert entry["fieldsV1"] == {
        "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
        "f:spec": {".": {}, "f:n": {}},
    }


def test_what_an_endpoint_ignores_is_neither_changed_nor_owned():
    live = apply(None, deployment(), reset=("status",))
    wanted = {**deployment(), "status": {"replicas": 9}}
    after = apply(live, wanted, reset=("status",))
    assert "status" not in after
    assert "f:status" not in managers(after)["me", "Apply"]["fieldsV1"]
    wanted = {**deployment(replicas=9), "status": {"replicas": 9}}
    after = apply(live, wanted, reset=("spec", "metadata.labels"), subresource="status")
    assert after["spec"]["replicas"] == 2
    status = [one for one in after["metadata"]["managedFields"] if "subresource" in one]
    assert [one["fieldsV1"] for one in status] == [{"f:status": {"f:replicas": {}}}]
    new = {**live, "spec": {"replicas": 1}, "status": {"replicas": 1}}
    tracked = update(live, new, subresource="status", reset=("spec",))
    assert managers(tracked)["them", "Update"]["fieldsV1"] == {"f:status": {"f:replicas": {}}}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"bogus": 1}, ".spec.bogus: field not declared in schema"),
        ({"n": "x"}, '.spec.n: expected numeric (int or float), got "x"'),
        ({"n": True}, ".spec.n: expected numeric (int or float), got true"),
        ({"flag": 1}, ".spec.flag: expected boolean, got 1"),
        ({"s": 1}, ".spec.s: expected string, got 1"),
        ({"items": {}}, ".spec.items: expected list, got {}"),
        ({"deep": []}, ".spec.deep: expected map, got []"),
        ({"deep": {"a": {"z": 1}}}, ".spec.deep.a.z: field not declared in schema"),
        ({"atomic": ["a", 1]}, ".spec.atomic[1]: expected string, got 1"),
        ({"amap": {"a": 1}}, ".spec.amap.a: expected string, got 1"),
        ({"items": [{"name": "x", "v": "y"}]}, '.spec.items[name="x"].v: expected numeric'),
        (
            {"items": [{"name": "x"}, {"name": "x"}]},
            '.spec.items: duplicate entries for key [name="x"]',
        ),
        ({"set": [1, 1]}, ".spec.set: duplicate entries for key [=1]"),
        (
            {"items": [{"v": 1}]},
            ".spec.items: element 0: associative list with keys has an element that omits all key"
            ' fields ["name"] (and doesn\'t have default values for any key fields)',
        ),
        ({"items": [None]}, "element 0: associative list with keys may not have a null element"),
        ({"items": [1]}, "element 0: associative list with keys may not have non-map elements"),
        ({"set": [None]}, "associative list without keys has an element that's an explicit null"),
        ({"set": [{}]}, "associative list without keys has an element that's a map type"),
        ({"set": [[]]}, "not supported: associative list with lists as elements"),
    ],
)
def test_an_intent_that_does_not_fit_its_schema_is_refused(spec, said):
    with pytest.raises(ApiError) as raised:
        apply(None, intent(spec), schema=ROOT)
    assert raised.value.message.startswith(
        "failed to create typed patch object (d/n; g/v1, Kind=K): "
    )
    assert said in raised.value.message


def test_all_that_does_not_fit_is_said():
    with pytest.raises(ApiError) as raised:
        apply(None, intent({"n": "x", "s": 1}), schema=ROOT)
    assert raised.value.message.partition("Kind=K): ")[2] == (
        'errors:\n  .spec.n: expected numeric (int or float), got "x"\n'
        "  .spec.s: expected string, got 1"
    )


def test_a_quantity_may_be_a_number():
    wanted = deployment()
    container = wanted["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"limits": {"cpu": 1, "memory": "1Gi"}}
    container["livenessProbe"] = {"httpGet": {"port": "http"}}
    container["readinessProbe"] = {"httpGet": {"port": 80}}
    assert apply(None, wanted)


def test_deep_nesting_is_refused():
    deep: dict = {}
    for _ in range(5000):  # more than Python calls can be nested, in every version
        deep = {"a": deep}
    with pytest.raises(ApiError, match="nested too deeply"):
        apply_object(None, intent({"any": deep}), schema=ROOT, manager="m", force=False, now="t")
    assert track_update(None, intent({"any": deep}), schema=ROOT, manager="m", now="t") == []
