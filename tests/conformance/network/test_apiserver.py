"""The Service of the API server itself.

Source: kubernetes test/e2e/network/apiserver.go.
"""

from tests.conformance.kit import conformance

NAME = "kubernetes"


@conformance("[sig-network] API Server should provide secure master service [Conformance]")
def test_there_is_a_service_of_the_server(api):
    found = api.of("v1", "Service", "default").get(NAME)
    assert [one["name"] for one in found["spec"]["ports"]] == ["https"]


@conformance(
    "[sig-network] API Server should have Endpoints and EndpointSlices pointing to API Server "
    "[Conformance]"
)
def test_the_service_points_to_the_server(api):
    api.of("v1", "Service", "default").get(NAME)
    endpoints = api.of("v1", "Endpoints", "default").get(NAME)
    assert endpoints["subsets"]
    addresses, ports = set(), set()
    for subset in endpoints["subsets"]:
        addresses |= {one["ip"] for one in subset.get("addresses", [])}
        ports |= {one["port"] for one in subset["ports"]}
    slices = api.of("discovery.k8s.io/v1", "EndpointSlice", "default")
    found = slices.items(labelSelector=f"kubernetes.io/service-name={NAME}")
    assert found
    same = [one for one in found if one["addressType"] == "IPv4"]
    assert addresses == {
        ip for one in same for each in one["endpoints"] for ip in each["addresses"]
    }
    assert ports == {port["port"] for one in same for port in one["ports"]}
    assert addresses and ports == {api.port}
