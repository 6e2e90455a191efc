import json
from typing import Any

import pytest

from arubeki import clock
from arubeki.api.objects import GVK
from arubeki.server import wire
from arubeki.server.builtin import built_in
from arubeki.server.resources import Custom, Resource
from arubeki.server.table import Table
from arubeki.server.table.columns import duration, selector

NOW = 1_767_225_600.0
MINUTE_AGO = clock.timestamp(NOW - 60)


def shown(
    resource: Resource,
    *objects: dict[str, Any],
    listed: bool = False,
    heads: bool = True,
    **more: Any,
) -> dict[str, Any]:
    """Return the Table of objects that are named and a minute old unless they say."""
    values = []
    for obj in objects:
        obj.setdefault("metadata", {}).setdefault("name", "x")
        obj["metadata"].setdefault("creationTimestamp", MINUTE_AGO)
        values.append(wire.encode({"apiVersion": "v1", "kind": "K", **obj}))

    async def make() -> bytes:
        table = Table(resource, **more)
        return table.head(heads=heads) + table.rows(values, listed=listed) + table.TAIL

    return json.loads(clock.run_virtual(make()))


def cells(kind: str, obj: dict[str, Any], group: str = "") -> dict[str, Any]:
    resource = next(r for r in built_in() if (r.group, r.kind) == (group, kind))
    table = shown(resource, obj)
    names = [one["name"] for one in table["columnDefinitions"]]
    return dict(zip(names, table["rows"][0]["cells"], strict=True))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (200, "3m20s"),
        (600, "10m"), (10799, "179m"), (10800, "3h"), (10900, "3h1m"), (8 * 3600 + 60, "8h"),
        (47 * 3600, "47h"), (48 * 3600, "2d"), (49 * 3600, "2d1h"), (8 * 86400, "8d"),
        (729 * 86400, "729d"), (730 * 86400, "2y"), (800 * 86400, "2y70d"), (9 * 365 * 86400, "9y"),
    ],
)  # fmt: skip
def test_a_duration_reads_as_kubectl_shows_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_restarts_tell_when_the_last_was() -> None:
    pod = {
        "spec": {"containers": [{"name": "a"}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [
                {
                    "name": "a", "ready": True, "restartCount": 2, "state": {"running": {}},
                    "lastState": {"terminated": {"finishedAt": clock.timestamp(NOW - 30)}},
                },
            ],
        },
    }  # fmt: skip
    row = cells("Pod", pod)
    assert (row["Ready"], row["Status"], row["Restarts"]) == ("1/1", "Running", "2 (30s ago)")
    assert row["Age"] == "60s"


def test_every_built_in_kind_shows_an_object_that_says_nothing() -> None:
    for resource in built_in():
        table = shown(resource, {}, listed=True)
        [row] = table["rows"]
        # One kind has a cell too many, as in Kubernetes.
        more = resource.kind == "IPAddress"
        assert len(row["cells"]) == len(table["columnDefinitions"]) + more, resource.qualified
        assert "x" in row["cells"], resource.qualified


def test_the_newest_default_class_is_the_default() -> None:
    resource = next(r for r in built_in() if r.kind == "StorageClass")

    def named(name: str, created: str, default: str = "true") -> dict[str, Any]:
        key = "storageclass.kubernetes.io/is-default-class"
        return {
            "metadata": {
                "name": name, "creationTimestamp": created, "annotations": {key: default},
            }
        }  # fmt: skip

    old, new = "2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z"
    classes = [named("a", old), named("c", new), named("b", new), named("d", new, "false")]
    rows = shown(resource, *classes, listed=True)["rows"]
    assert [row["cells"][0] for row in rows] == ["a", "c", "b (default)", "d"]
    assert shown(resource, classes[2])["rows"][0]["cells"][0] == "b"


def test_an_api_of_another_server_tells_whose_it_is() -> None:
    service = {"namespace": "a", "name": "b"}
    down = {"type": "Available", "status": "False", "reason": "ServiceNotFound"}
    row = cells(
        "APIService",
        {"spec": {"service": service}, "status": {"conditions": [down]}},
        "apiregistration.k8s.io",
    )
    assert (row["Service"], row["Available"]) == ("a/b", "False (ServiceNotFound)")


def custom(*columns: dict[str, Any]) -> Resource:
    return Resource(
        gvk=GVK("example.com", "v1", "Thing"),
        plural="things",
        custom=Custom("things.example.com", columns=columns),
    )


def test_a_custom_resource_has_the_columns_of_its_definition() -> None:
    resource = custom(
        {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
        {"name": "Ready", "type": "string",
         "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Since", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Gone", "type": "string", "jsonPath": ".spec.absent"},
        {"name": "List", "type": "string", "jsonPath": ".spec.list"},
    )  # fmt: skip
    thing = {
        "spec": {"replicas": 2, "list": [1, 2]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    table = shown(resource, thing)
    assert table["rows"][0]["cells"] == ["x", 2, "True", "60s", None, "[1,2]"]


def test_a_custom_resource_without_columns_shows_name_and_age() -> None:
    assert shown(custom(), {})["rows"][0]["cells"] == ["x", "60s"]


def test_a_row_carries_what_was_asked_for() -> None:
    obj = {"spec": {"a": 1}}
    assert shown(custom(), obj, include="None")["rows"][0]["object"] is None
    partial = shown(custom(), obj)["rows"][0]["object"]
    assert (partial["kind"], "spec" in partial) == ("PartialObjectMetadata", False)
    whole = shown(custom(), obj, include="Object")["rows"][0]["object"]
    assert (whole["kind"], whole["spec"]) == ("K", {"a": 1})


def test_heads_come_once_on_a_watch() -> None:
    assert shown(custom(), {}, heads=False)["columnDefinitions"] is None


def test_a_selector_reads_as_kubectl_shows_it() -> None:
    assert selector(
        {"matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]}
    ) == ("a in (x,y)")
    assert selector({}) == "<none>"
