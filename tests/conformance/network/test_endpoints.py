"""Endpoints, as objects and as a controller makes them.

Source: kubernetes test/e2e/network/endpoints.go.
"""

from tests.conformance.kit import conformance, named
from tests.conformance.kit.lifecycle import contains, is_newer

SELECT = {"labelSelector": "test-endpoint-static=true"}


@conformance("[sig-network] Endpoints should test the lifecycle of an Endpoint [Conformance]")
def test_endpoints_live(api, namespace):
    objects = api.of("v1", "Endpoints", namespace)
    since = objects.everywhere().list(**SELECT)["metadata"]["resourceVersion"]
    subset = {
        "addresses": [{"ip": "10.0.0.24"}],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    }
    with objects.watch(resourceVersion=since, **SELECT) as watch:
        wanted = named("testservice", {"test-endpoint-static": "true"}, subsets=[subset])
        made = objects.create(wanted)
        assert int(made["metadata"]["resourceVersion"]) > 0
        assert watch.expect("ADDED", "testservice") == made

        (found,) = objects.everywhere().items(**SELECT)
        assert found["metadata"]["namespace"] == namespace
        found["metadata"]["labels"]["test-service"] = "updated"
        updated = objects.update(found)
        assert watch.expect("MODIFIED", "testservice") == updated
        assert objects.get("testservice") == updated
        assert updated["metadata"]["labels"]["test-service"] == "updated"

        patch = {
            "metadata": {"labels": {"test-service": "patched"}},
            "subsets": [
                {
                    "addresses": [{"ip": "10.0.0.25"}],
                    "ports": [{"name": "http-test", "port": 8080}],
                }
            ],
        }
        patched = objects.patch("testservice", patch, form="strategic")
        assert is_newer(patched, made)
        assert watch.expect("MODIFIED", "testservice") == patched
        found = objects.get("testservice")
        assert contains(found["metadata"], patch["metadata"])
        (subset,) = found["subsets"]
        assert [one["ip"] for one in subset["addresses"]] == ["10.0.0.25"]
        assert [(one["name"], one["port"]) for one in subset["ports"]] == [("http-test", 8080)]

        objects.delete_collection(**SELECT)
        watch.expect("DELETED", "testservice")
    assert objects.is_gone("testservice")


@conformance(
    "[sig-network] EndpointsController should create and delete Endpoints for a Service with a "
    "selector that matches no pods [Conformance]"
)
def test_a_service_without_pods_has_endpoints(api, namespace):
    services, endpoints = (api.of("v1", kind, namespace) for kind in ("Service", "Endpoints"))
    services.create(without_pods())
    found = endpoints.wait("empty")
    assert not found.get("subsets")
    services.delete("empty")
    endpoints.wait_gone("empty")


def without_pods():
    """Return a Service whose selector no Pod has."""
    ports = [{"name": "example", "port": 80, "protocol": "TCP"}]
    return named("empty", spec={"selector": {"matches": "nothing"}, "ports": ports})
