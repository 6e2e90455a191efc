"""EndpointSlices, as objects and as a controller makes them.

Source: kubernetes test/e2e/network/endpointslice.go.
"""

from tests.conformance.kit import conformance, discovered, eventually, life_of
from tests.conformance.network.test_endpoints import without_pods

GROUP = "discovery.k8s.io/v1"


@conformance(
    "[sig-network] EndpointSlice should create and delete EndpointSlices for a Service with a "
    "selector that matches no pods [Conformance]"
)
def test_a_service_without_pods_has_an_empty_slice(api, namespace):
    services = api.of("v1", "Service", namespace)
    slices = api.of(GROUP, "EndpointSlice", namespace)
    select = {"labelSelector": "kubernetes.io/service-name=empty"}
    services.create(without_pods())
    found = eventually(lambda: slices.items(**select))[0]
    labels = found["metadata"]["labels"]
    assert labels["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert not found["endpoints"]
    services.delete("empty")
    eventually(lambda: not slices.items(**select))


@conformance(
    "[sig-network] EndpointSlice should support creating EndpointSlice API operations [Conformance]"
)
def test_endpoint_slices_have_all_verbs(api, namespace):
    discovered(api, GROUP, "endpointslices")
    template = {
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": ["1.2.3.4", "5.6.7.8"]},
            {"addresses": ["2.2.3.4", "6.6.7.8"]},
        ],
    }
    objects = api.of(GROUP, "EndpointSlice", namespace)
    for one in life_of(objects, template, elsewhere=True):
        found = [{"addresses": each["addresses"]} for each in one["endpoints"]]
        assert found == template["endpoints"]
