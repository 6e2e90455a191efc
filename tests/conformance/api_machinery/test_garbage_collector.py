"""What goes with its owner, and what stays.

Source: kubernetes test/e2e/apimachinery/garbage_collector.go.
"""

import pytest

from tests.conformance.kit import conformance, eventually, named, not_yet
from tests.conformance.kit.workloads import pod_spec, replicated

FAMILY = "[sig-api-machinery] Garbage collector should "
NO_CONTROLLER = "there is no controller of ReplicationControllers"
LABELS = {"gctest": "yes"}
REPLICAS = 10
"""The official tests take as many as the nodes have room for, from 10 to 100."""


@pytest.fixture
def pods(api, namespace):
    return api.of("v1", "Pod", namespace)


@pytest.fixture
def deployments(api, namespace):
    return api.of("apps/v1", "Deployment", namespace)


@pytest.fixture
def replica_sets(api, namespace):
    return api.of("apps/v1", "ReplicaSet", namespace)


@pytest.fixture
def controllers(api, namespace):
    return api.of("v1", "ReplicationController", namespace)


def owner(name, replicas, labels=LABELS):
    return replicated(name, labels, replicas, selector=labels, terminationGracePeriodSeconds=0)


def delete(objects, obj, policy):
    precondition = {"uid": obj["metadata"]["uid"]}
    objects.delete(obj["metadata"]["name"], propagationPolicy=policy, preconditions=precondition)


def replicated_at_last(controllers, name):
    """Wait until a controller has all its Pods."""
    return controllers.wait(
        name, lambda obj: obj.get("status", {}).get("replicas") == obj["spec"]["replicas"]
    )


def owners_of(obj):
    return obj["metadata"].get("ownerReferences", [])


@conformance(f"{FAMILY}delete RS created by deployment when not orphaning [Conformance]")
def test_replica_sets_and_pods_go_with_their_deployment(deployments, replica_sets, pods):
    made = deployments.create(replicated("deployment", LABELS, 2))
    eventually(replica_sets.items)
    delete(deployments, made, "Background")
    deployments.wait_gone("deployment")
    eventually(lambda: not (replica_sets.items() or pods.items()))


@conformance(
    f"{FAMILY}orphan RS created by deployment when deleteOptions.PropagationPolicy is Orphan "
    "[Conformance]"
)
def test_replica_sets_stay_when_they_are_orphaned(deployments, replica_sets, pods):
    made = deployments.create(replicated("deployment", LABELS, 2))
    (found,) = eventually(replica_sets.items)
    name, generation = found["metadata"]["name"], found["metadata"]["generation"]

    def is_complete(obj):
        status = obj.get("status", {})
        return status.get("observedGeneration", 0) >= generation and status.get("replicas") == 2

    before = replica_sets.wait(name, is_complete)
    assert owners_of(before)
    delete(deployments, made, "Orphan")
    deployments.wait_gone("deployment")
    (found,) = replica_sets.items()
    assert found["metadata"]["uid"] == before["metadata"]["uid"]
    assert not any(one.get("controller") for one in owners_of(found))
    assert len(pods.items()) == 2


@conformance(f"{FAMILY}delete pods created by rc when not orphaning [Conformance]")
@not_yet(NO_CONTROLLER)
def test_pods_go_with_their_controller(controllers, pods):
    made = controllers.create(owner("rc", 2))
    eventually(pods.items)
    delete(controllers, made, "Background")
    controllers.wait_gone("rc")
    eventually(lambda: not pods.items())


@conformance(f"{FAMILY}orphan pods created by rc if delete options say so [Conformance] [Serial]")
@not_yet(NO_CONTROLLER)
def test_pods_stay_when_they_are_orphaned(controllers, pods):
    controllers.create(owner("rc", REPLICAS))
    made = replicated_at_last(controllers, "rc")
    delete(controllers, made, "Orphan")
    controllers.wait_gone("rc")
    # Those of a foreground deletion that the collector sees after it: what it would do to the
    # orphans is done when it has worked that off.
    assert len(pods.items()) == REPLICAS
    assert not any(owners_of(one) for one in pods.items())
    other = controllers.create(owner("other", 1, {"gctest": "other"}))
    replicated_at_last(controllers, "other")
    delete(controllers, other, "Foreground")
    controllers.wait_gone("other")
    assert len(pods.items()) == REPLICAS


@conformance(
    f"{FAMILY}keep the rc around until all its pods are deleted if the deleteOptions says so "
    "[Conformance] [Serial]"
)
@not_yet(NO_CONTROLLER)
def test_a_controller_outlives_its_pods_in_the_foreground(controllers, pods):
    controllers.create(owner("rc", REPLICAS))
    made = replicated_at_last(controllers, "rc")
    delete(controllers, made, "Foreground")
    controllers.wait_gone("rc")
    assert pods.items() == []


@conformance(
    f"{FAMILY}not delete dependents that have both valid owner and owner that's waiting for "
    "dependents to be deleted [Conformance] [Serial]"
)
@not_yet(NO_CONTROLLER)
def test_pods_with_another_owner_stay(controllers, pods):
    controllers.create(owner("to-be-deleted", REPLICAS))
    stays = controllers.create(owner("to-stay", 0, {"gctest": "stays"}))
    goes = replicated_at_last(controllers, "to-be-deleted")
    reference = {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "name": "to-stay",
        "uid": stays["metadata"]["uid"],
    }
    patch = {"metadata": {"ownerReferences": [reference]}}
    kept = pods.names()[: REPLICAS // 2]
    for name in kept:
        pods.patch(name, patch, form="strategic")
    delete(controllers, goes, "Foreground")
    controllers.wait_gone("to-be-deleted")
    found = pods.items()
    assert sorted(one["metadata"]["name"] for one in found) == sorted(kept)
    for one in found:
        assert "deletionTimestamp" not in one["metadata"]
        assert [each["name"] for each in owners_of(one)] == ["to-stay"]


@conformance(f"{FAMILY}not be blocked by dependency circle [Conformance]")
def test_a_circle_of_owners_goes_whole(pods):
    spec = pod_spec(terminationGracePeriodSeconds=0)
    made = {name: pods.create(named(name, spec=spec)) for name in ("pod1", "pod2", "pod3")}
    for name, other in (("pod1", "pod3"), ("pod2", "pod1"), ("pod3", "pod2")):
        reference = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": other,
            "uid": made[other]["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        patched = pods.patch(name, {"metadata": {"ownerReferences": [reference]}}, form="strategic")
        assert owners_of(patched) == [reference]
    delete(pods, made["pod1"], "Foreground")
    eventually(lambda: not pods.items())
