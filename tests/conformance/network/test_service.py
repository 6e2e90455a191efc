"""Services, as objects.

Source: kubernetes test/e2e/network/service.go.
"""

import pytest

from tests.conformance.kit import conformance, named
from tests.conformance.kit.lifecycle import contains


@pytest.fixture
def services(api, namespace):
    return api.of("v1", "Service", namespace)


def port(number):
    return {"name": "http", "protocol": "TCP", "port": number, "targetPort": number}


@conformance(
    "[sig-network] Services should find a service from listing all namespaces [Conformance]"
)
def test_the_service_of_the_server_is_in_the_list_of_all(services):
    found = services.everywhere().items()
    places = [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in found]
    assert ("default", "kubernetes") in places


@conformance("[sig-network] Services should complete a service status lifecycle [Conformance]")
def test_the_status_of_a_service_is_read_patched_and_updated(services):
    select = {"labelSelector": "test-service-static=true"}
    since = services.everywhere().list(**select)["metadata"]["resourceVersion"]
    spec = {
        "type": "LoadBalancer",
        "ports": [port(80)],
        "loadBalancerClass": "example.com/internal-vip",
    }
    with services.watch(resourceVersion=since, **select) as watch:
        made = services.create(named("service", {"test-service-static": "true"}, spec=spec))
        assert watch.until("ADDED", "service") == made
        found = services.get("service", "status")
        assert found["metadata"]["uid"] == made["metadata"]["uid"]
        assert found["status"] == {"loadBalancer": {}}

        balancer = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1", "ipMode": "VIP"}]}}
        patch = {
            "metadata": {"annotations": {"patchedstatus": "true"}},
            "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}},
        }
        patched = services.patch("service", patch, "status")
        assert patched["status"] == balancer
        seen = watch.until("MODIFIED", "service", lambda obj: "annotations" in obj["metadata"])
        assert seen == patched and seen["metadata"]["annotations"]["patchedstatus"] == "true"

        condition = {
            "type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from a test",
        }  # fmt: skip

        def append(obj):
            obj["status"].setdefault("conditions", []).append(dict(condition))

        updated = services.change("service", append, "status")
        assert contains(updated["status"]["conditions"][-1], condition)
        seen = watch.until("MODIFIED", "service", lambda obj: "conditions" in obj["status"])
        assert seen == updated and contains(seen["status"], balancer)

        labels = {"metadata": {"labels": {"test-service": "patched"}}}
        patched = services.patch("service", labels, form="strategic")
        assert patched["status"] == updated["status"]
        seen = watch.until(
            "MODIFIED", "service", lambda obj: "test-service" in obj["metadata"]["labels"]
        )
        assert seen == patched and contains(seen, labels)

        services.delete("service")
        watch.until("DELETED", "service")
    assert services.is_gone("service")


@conformance("[sig-network] Services should delete a collection of services [Conformance]")
def test_services_are_deleted_by_label(services):
    for number, name, label in ((8001, "a", "delete"), (8002, "b", "delete"), (8003, "c", "keep")):
        spec = {"type": "ClusterIP", "ports": [port(number)]}
        services.create(named(f"svc-{name}", {"test-service": label}, spec=spec))
    assert services.names() == ["svc-a", "svc-b", "svc-c"]
    services.delete_collection(labelSelector="test-service=delete")
    assert services.names() == ["svc-c"]
