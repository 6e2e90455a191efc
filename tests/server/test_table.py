from typing import Any

import pytest

from arubeki import clock
from arubeki.api.objects import GVK
from arubeki.server.builtin import built_in
from arubeki.server.resources import Custom, Resource
from arubeki.server.table import render
from arubeki.server.table.columns import duration, selector

NOW = 1_767_225_600.0
MINUTE_AGO = clock.timestamp(NOW - 60)


async def _render(resource: Resource, obj: dict[str, Any], **more: Any) -> dict[str, Any]:
    return render(resource, [obj], **more)


def rendered(resource: Resource, obj: dict[str, Any], **more: Any) -> dict[str, Any]:
    obj.setdefault("metadata", {}).setdefault("name", "x")
    obj["metadata"].setdefault("creationTimestamp", MINUTE_AGO)
    return clock.run_virtual(_render(resource, obj, **more))


def cells(kind: str, obj: dict[str, Any], group: str = "") -> dict[str, Any]:
    resource = next(r for r in built_in() if (r.group, r.kind) == (group, kind))
    table = rendered(resource, obj)
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


def test_a_running_pod() -> None:
    pod = {
        "spec": {"containers": [{"name": "a"}, {"name": "b"}], "nodeName": "node-1"},
        "status": {
            "phase": "Running",
            "podIP": "127.1.0.2",
            "containerStatuses": [
                {"name": "a", "ready": True, "restartCount": 0, "state": {"running": {}}},
                {
                    "name": "b", "ready": False, "restartCount": 2, "state": {"running": {}},
                    "lastState": {"terminated": {"finishedAt": clock.timestamp(NOW - 30)}},
                },
            ],
        },
    }  # fmt: skip
    row = cells("Pod", pod)
    assert (row["Ready"], row["Status"], row["Restarts"]) == ("1/2", "Running", "2 (30s ago)")
    assert (row["IP"], row["Node"], row["Age"]) == ("127.1.0.2", "node-1", "60s")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"status": {"phase": "Pending"}}, "Pending"),
        (
            {"status": {"phase": "Pending", "containerStatuses": [
                {"name": "a", "state": {"waiting": {"reason": "CreateContainerConfigError"}}}]}},
            "CreateContainerConfigError",
        ),
        (
            {"status": {"phase": "Failed", "containerStatuses": [
                {"name": "a", "state": {"terminated": {"exitCode": 3}}}]}},
            "ExitCode:3",
        ),
        (
            {"status": {"phase": "Succeeded", "containerStatuses": [
                {"name": "a", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}},
            "Completed",
        ),
        (
            {"spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "i"}]},
             "status": {"phase": "Pending", "initContainerStatuses": [
                 {"name": "i", "state": {"running": {}}}]}},
            "Init:0/1",
        ),
        ({"status": {"phase": "Failed", "reason": "Evicted"}}, "Evicted"),
        (
            {"metadata": {"deletionTimestamp": MINUTE_AGO}, "status": {"phase": "Running"}},
            "Terminating",
        ),
    ],
)  # fmt: skip
def test_the_status_of_a_pod(change: dict[str, Any], status: str) -> None:
    assert cells("Pod", {"spec": {"containers": [{"name": "a"}]}, **change})["Status"] == status


def test_a_service() -> None:
    row = cells(
        "Service",
        {
            "spec": {
                "type": "NodePort",
                "clusterIP": "127.96.0.1",
                "selector": {"app": "x"},
                "ports": [{"port": 80, "nodePort": 30001}, {"port": 53, "protocol": "UDP"}],
            }
        },
    )
    assert row["Port(s)"] == "80:30001/TCP,53/UDP"
    assert (row["Cluster-IP"], row["External-IP"], row["Selector"]) == (
        "127.96.0.1", "<none>", "app=x",
    )  # fmt: skip


def test_a_deployment() -> None:
    deployment = {
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "x"}},
            "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}},
        },
        "status": {"readyReplicas": 2, "updatedReplicas": 1, "availableReplicas": 2},
    }
    row = cells("Deployment", deployment, "apps")
    assert (row["Ready"], row["Up-to-date"], row["Available"]) == ("2/3", 1, 2)
    assert (row["Containers"], row["Images"], row["Selector"]) == ("c", "i", "app=x")


def test_a_node() -> None:
    node = {
        "metadata": {"labels": {"node-role.kubernetes.io/worker": ""}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1.37.0"},
        },
    }
    row = cells("Node", node)
    assert row["Status"] == "Ready,SchedulingDisabled"
    assert (row["Roles"], row["Internal-IP"]) == ("worker", "127.0.0.1")


def test_an_event_of_either_group() -> None:
    core = {"involvedObject": {"kind": "Pod", "name": "p"}, "message": "m", "count": 3}
    new = {"regarding": {"kind": "Pod", "name": "p"}, "note": "m", "deprecatedCount": 3}
    for row in (cells("Event", core), cells("Event", new, "events.k8s.io")):
        assert (row["Object"], row["Message"], row["Count"]) == ("pod/p", "m", 3)


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
    table = rendered(resource, thing)
    assert table["rows"][0]["cells"] == ["x", 2, "True", "60s", None, "[1,2]"]


def test_a_custom_resource_without_columns_shows_name_and_age() -> None:
    assert rendered(custom(), {})["rows"][0]["cells"] == ["x", "60s"]


def test_a_row_carries_what_was_asked_for() -> None:
    obj = {"spec": {"a": 1}}
    assert rendered(custom(), obj, include="None")["rows"][0]["object"] is None
    partial = rendered(custom(), obj)["rows"][0]["object"]
    assert (partial["kind"], "spec" in partial) == ("PartialObjectMetadata", False)
    assert rendered(custom(), obj, include="Object")["rows"][0]["object"] == obj


def test_heads_come_once_on_a_watch() -> None:
    assert rendered(custom(), {}, heads=False)["columnDefinitions"] == []


def test_a_selector_reads_as_kubectl_shows_it() -> None:
    assert selector(
        {"matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]}
    ) == ("a in (x,y)")
    assert selector({}) == "<none>"
