"""Slices of Endpoints that somebody made by hand.

Source: kubernetes test/e2e/network/endpointslicemirroring.go.
"""

from tests.conformance.kit import conformance, discovered, eventually, named


@conformance(
    "[sig-network] EndpointSliceMirroring should mirror a custom Endpoints resource through create "
    "update and delete [Conformance]"
)
def test_endpoints_made_by_hand_are_mirrored(api, namespace):
    discovered(api, "discovery.k8s.io/v1", "endpointslices")
    services, endpoints = (api.of("v1", kind, namespace) for kind in ("Service", "Endpoints"))
    slices = api.of("discovery.k8s.io/v1", "EndpointSlice", namespace)
    ports = [{"name": "example", "port": 80, "protocol": "TCP"}]
    services.create(named("custom", spec={"ports": ports}))

    def mirrored():
        found = slices.items(labelSelector="kubernetes.io/service-name=custom")
        return [
            (
                [port["port"] for port in one["ports"]],
                [each["addresses"] for each in one["endpoints"]],
            )
            for one in found
        ]

    def subsets(ip):
        return [{"ports": [{"port": 80}], "addresses": [{"ip": ip}]}]

    endpoints.create(named("custom", subsets=subsets("10.1.2.3")))
    eventually(lambda: mirrored() == [([80], [["10.1.2.3"]])])
    endpoints.update(named("custom", subsets=subsets("10.2.3.4")))
    eventually(lambda: mirrored() == [([80], [["10.2.3.4"]])])
    endpoints.delete("custom")
    eventually(lambda: mirrored() == [])
