"""Quotas as objects, and what they count of ordinary objects.

Source: kubernetes test/e2e/apimachinery/resource_quota.go.
"""

import pytest

from tests.conformance.api_machinery.quota import Quotas, amounts, quota
from tests.conformance.kit import Refused, conformance, named
from tests.conformance.kit.lifecycle import contains, is_newer
from tests.conformance.kit.workloads import replicated

FAMILY = "[sig-api-machinery] ResourceQuota should "
NO_CONTROLLER = "there is no controller of ResourceQuotas"


@pytest.fixture
def objects(api, namespace):
    return api.of("v1", "ResourceQuota", namespace)


@pytest.fixture
def quotas(objects):
    return Quotas(objects)


def counted(quotas):
    """Return how many quotas there are: none in a namespace of the test's own."""
    return len(quotas.objects.items())


@conformance(
    f"{FAMILY}create a ResourceQuota and ensure its status is promptly calculated. [Conformance]"
)
def test_the_status_of_a_quota_is_calculated(quotas):
    before = counted(quotas)
    quotas.create(quota("quota"))
    quotas.wait_used("quota", {"resourcequotas": before + 1})


@conformance(f"{FAMILY}create a ResourceQuota and capture the life of a service. [Conformance]")
def test_services_are_counted(api, namespace, quotas):
    quotas.create(quota("quota"))
    services = api.of("v1", "Service", namespace)

    def service(name, kind, **more):
        ports = [{"port": 80, "targetPort": 80}]
        return named(name, spec={"type": kind, "ports": ports, **more})

    services.create(service("service", "ClusterIP"))
    services.create(service("node-port", "NodePort"))
    # It would need a second node port, and the quota has one.
    with pytest.raises(Refused, match="exceeded quota"):
        services.create(
            service("load-balancer", "LoadBalancer", allocateLoadBalancerNodePorts=True)
        )
    quotas.wait_used("quota", {"resourcequotas": 1, "services": 2, "services.nodeports": 1})
    services.delete("service")
    services.delete("node-port")
    quotas.wait_used("quota", {"resourcequotas": 1, "services": 0, "services.nodeports": 0})


def check_counted(quotas, objects, resource, obj):
    """See an object counted beside those that the cluster makes itself, until it is deleted."""
    found = eventually_still(objects)
    quotas.create(quota("quota", **{resource: str(found + 1)}))
    quotas.wait_used("quota", {"resourcequotas": 1, resource: found})
    name = objects.create(obj)["metadata"]["name"]
    quotas.wait_used("quota", {"resourcequotas": 1, resource: found + 1})
    objects.delete(name)
    quotas.wait_used("quota", {"resourcequotas": 1, resource: found})


def eventually_still(objects):
    """Return how many objects there are once the cluster has made its own."""
    if objects.kind == "ConfigMap":
        objects.wait("kube-root-ca.crt")
    return len(objects.items())


@conformance(f"{FAMILY}create a ResourceQuota and capture the life of a secret. [Conformance]")
def test_secrets_are_counted(api, namespace, quotas):
    secrets = api.of("v1", "Secret", namespace)
    check_counted(quotas, secrets, "secrets", named("secret", data={"data-1": "dmFsdWUtMQo="}))


@conformance(f"{FAMILY}create a ResourceQuota and capture the life of a configMap. [Conformance]")
def test_config_maps_are_counted(api, namespace, quotas):
    config_maps = api.of("v1", "ConfigMap", namespace)
    check_counted(quotas, config_maps, "configmaps", named("config", data={"a": "b"}))


@conformance(
    f"{FAMILY}create a ResourceQuota and capture the life of a replication controller. "
    "[Conformance]"
)
def test_replication_controllers_are_counted(api, namespace, quotas):
    controllers = api.of("v1", "ReplicationController", namespace)
    quotas.create(quota("quota"))
    quotas.wait_used("quota", {"resourcequotas": 1, "replicationcontrollers": 0})
    labels = {"name": "rc"}
    controllers.create(replicated("rc", labels, 0, selector=labels))
    quotas.wait_used("quota", {"replicationcontrollers": 1})
    controllers.delete("rc", propagationPolicy="Background")
    quotas.wait_used("quota", {"replicationcontrollers": 0})


@conformance(f"{FAMILY}create a ResourceQuota and capture the life of a replica set. [Conformance]")
def test_replica_sets_are_counted(api, namespace, quotas):
    replica_sets = api.of("apps/v1", "ReplicaSet", namespace)
    quotas.create(quota("quota"))
    quotas.wait_used("quota", {"resourcequotas": 1, "count/replicasets.apps": 0})
    replica_sets.create(replicated("rs", {"name": "rs"}, 0))
    quotas.wait_used("quota", {"count/replicasets.apps": 1})
    replica_sets.delete("rs")
    quotas.wait_used("quota", {"count/replicasets.apps": 0})


@conformance(f"{FAMILY}be able to update and delete ResourceQuota. [Conformance]")
def test_a_quota_is_updated_and_deleted(objects):
    first, second = {"cpu": "1", "memory": "500Mi"}, {"cpu": "2", "memory": "1Gi"}
    objects.create(named("quota", spec={"hard": first}))
    assert objects.get("quota")["spec"]["hard"] == first
    # Without a resourceVersion, so whatever came in between.
    assert objects.update(named("quota", spec={"hard": second}))["spec"]["hard"] == second
    assert objects.get("quota")["spec"]["hard"] == second
    objects.delete("quota")
    with pytest.raises(Refused) as refused:
        objects.get("quota")
    assert refused.value.reason == "NotFound"


@conformance(f"{FAMILY}manage the lifecycle of a ResourceQuota [Conformance]")
def test_a_quota_is_listed_patched_and_deleted_by_label(objects, unique):
    hard = {"cpu": "1", "memory": "500Mi"}
    objects.create(named("quota", {"quota-label": unique}, spec={"hard": hard}))
    found = objects.get("quota")
    assert found["spec"]["hard"] == hard and int(found["metadata"]["resourceVersion"]) > 0
    select = {"labelSelector": f"quota-label={unique}"}
    (before,) = objects.everywhere().items(**select)
    patch = {"metadata": {"labels": {"quota": "patched"}}, "spec": {"hard": {"memory": "750Mi"}}}
    patched = objects.patch("quota", patch, form="strategic")
    assert contains(patched, patch) and is_newer(patched, before)
    assert patched["spec"]["hard"]["cpu"] == "1"
    objects.delete_collection(**select)
    with pytest.raises(Refused) as refused:
        objects.get("quota")
    assert refused.value.reason == "NotFound"


@conformance(f"{FAMILY}apply changes to a resourcequota status [Conformance]")
def test_the_status_of_a_quota_is_written_and_put_right(objects, unique):
    select = {"labelSelector": f"quota-label={unique}"}
    since = objects.everywhere().list(**select)["metadata"]["resourceVersion"]
    hard = {"cpu": "500m", "memory": "500Mi"}
    objects.create(named("quota", {"quota-label": unique}, spec={"hard": hard}))
    assert objects.get("quota")["spec"]["hard"] == hard
    updated = objects.change("quota", lambda obj: obj.update(status={"hard": hard}), "status")
    assert updated["status"]["hard"] == hard
    watch_for_hard(objects, select, since, hard)

    since = objects.everywhere().list(**select)["metadata"]["resourceVersion"]
    hard = {"cpu": "1", "memory": "1Gi"}
    patched = objects.patch("quota", {"spec": {"hard": hard}}, form="strategic")
    assert patched["spec"]["hard"] == hard
    patched = objects.patch("quota", {"status": {"hard": hard}}, "status", form="strategic")
    assert patched["status"]["hard"] == patched["spec"]["hard"] == hard
    watch_for_hard(objects, select, since, hard)
    assert objects.get("quota", "status")["status"]["hard"] == hard

    since = objects.everywhere().list(**select)["metadata"]["resourceVersion"]
    other = {"cpu": "2", "memory": "2Gi"}
    patched = objects.patch("quota", {"status": {"hard": other}}, "status", form="strategic")
    assert (patched["status"]["hard"], patched["spec"]["hard"]) == (other, hard)
    watch_for_hard(objects, select, since, other)
    objects.wait("quota", lambda obj: amounts(obj["status"]["hard"]) == amounts(hard))
    assert objects.get("quota")["spec"]["hard"] == hard


def watch_for_hard(objects, select, since, hard):
    with objects.watch(resourceVersion=since, **select) as watch:
        while watch.next()["object"].get("status", {}).get("hard") != hard:
            pass
