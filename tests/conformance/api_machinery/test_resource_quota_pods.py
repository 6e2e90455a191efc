"""What quotas count of Pods, and which Pods they refuse.

Source: kubernetes test/e2e/apimachinery/resource_quota.go.
"""

import pytest

from tests.conformance.api_machinery.quota import EXTENDED, Quotas, pod, quota
from tests.conformance.kit import Refused, conformance

FAMILY = "[sig-api-machinery] ResourceQuota should "
NO_CONTROLLER = "there is no controller of ResourceQuotas"
REQUESTS = {"cpu": "500m", "memory": "200Mi"}
LIMITS = {"cpu": "1", "memory": "400Mi"}


@pytest.fixture
def quotas(api, namespace):
    return Quotas(api.of("v1", "ResourceQuota", namespace))


@pytest.fixture
def pods(api, namespace):
    return api.of("v1", "Pod", namespace)


@conformance(f"{FAMILY}create a ResourceQuota and capture the life of a pod. [Conformance]")
def test_a_pod_is_counted_with_its_resources(quotas, pods):
    quotas.create(quota("quota"))
    quotas.wait_used("quota", {"resourcequotas": 1})
    requests = {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", EXTENDED: "2"}
    made = pods.create(pod("pod", requests, {EXTENDED: "2"}))
    used = {
        "resourcequotas": 1,
        "pods": 1,
        "cpu": "500m",
        "memory": "252Mi",
        "ephemeral-storage": "30Gi",
        f"requests.{EXTENDED}": 2,
    }
    quotas.wait_used("quota", used)
    # Too much of cpu; then of the storage and of the extended resource.
    with pytest.raises(Refused, match="exceeded quota"):
        pods.create(pod("fails", {"cpu": "600m", "memory": "100Mi"}))
    too_much = {"cpu": "500m", "memory": "100Mi", "ephemeral-storage": "30Gi", EXTENDED: "2"}
    with pytest.raises(Refused, match="exceeded quota"):
        pods.create(pod("fails", too_much, {EXTENDED: "2"}))
    made["spec"]["containers"][0]["resources"]["requests"] = {
        "cpu": "100m",
        "memory": "100Mi",
        "ephemeral-storage": "10Gi",
    }
    with pytest.raises(Refused):
        pods.update(made)
    quotas.wait_used("quota", used)
    pods.delete("pod", gracePeriodSeconds=0)
    quotas.wait_used("quota", {**dict.fromkeys(used, 0), "resourcequotas": 1})


def used_by(count, requests, limits):
    """Return what a quota in a scope shows to be used by so many Pods."""
    used = {"pods": count}
    for word, resources in (("requests", requests), ("limits", limits)):
        used |= {f"{word}.{name}": value if count else 0 for name, value in resources.items()}
    return used


def check_scopes(quotas, pods, made, *, inside, outside, used, unused):
    """See a Pod counted by the quota of its scope and not by the other's, until it is deleted."""
    name = pods.create(made)["metadata"]["name"]
    quotas.wait_used(inside, used)
    quotas.wait_used(outside, unused)
    pods.delete(name, gracePeriodSeconds=0)
    quotas.wait_used(inside, unused)
    quotas.wait_used(outside, unused)


@conformance(f"{FAMILY}verify ResourceQuota with terminating scopes. [Conformance]")
def test_pods_with_a_deadline_have_a_scope_of_their_own(quotas, pods):
    for name, scope in (("terminating", "Terminating"), ("not-terminating", "NotTerminating")):
        quotas.create(quota(name, scope))
        quotas.wait_used(name, {"pods": 0})
    used, unused = (used_by(count, REQUESTS, LIMITS) for count in (1, 0))
    check_scopes(
        quotas, pods, pod("lasting", REQUESTS, LIMITS),
        inside="not-terminating", outside="terminating", used=used, unused=unused,
    )  # fmt: skip
    check_scopes(
        quotas, pods, pod("ending", REQUESTS, LIMITS, activeDeadlineSeconds=3600),
        inside="terminating", outside="not-terminating", used=used, unused=unused,
    )  # fmt: skip


@conformance(f"{FAMILY}verify ResourceQuota with best effort scope. [Conformance]")
def test_pods_without_requests_have_a_scope_of_their_own(quotas, pods):
    for name, scope in (("best-effort", "BestEffort"), ("not-best-effort", "NotBestEffort")):
        quotas.create(quota(name, scope))
        quotas.wait_used(name, {"pods": 0})
    check_scopes(
        quotas, pods, pod("best-effort-pod"),
        inside="best-effort", outside="not-best-effort", used={"pods": 1}, unused={"pods": 0},
    )  # fmt: skip
    check_scopes(
        quotas, pods, pod("burstable-pod", REQUESTS, LIMITS),
        inside="not-best-effort", outside="best-effort", used={"pods": 1}, unused={"pods": 0},
    )  # fmt: skip
