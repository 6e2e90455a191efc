"""Discovery in one document for all groups.

The official tests ask once by hand and once through Go's discovery client, which takes both
documents, falls back when it does not get what it asked for, and reads group, version and resource
of each entry; the tests of the client's interface here do the same.

Source: kubernetes test/e2e/apimachinery/aggregated_discovery.go.
"""

import pytest

from tests.conformance.api_machinery.discoverable import RESOURCES
from tests.conformance.kit import conformance, eventually
from tests.conformance.kit.custom import defined, definition, version

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# What Go's client accepts, best first.
PREFERENCES = f"{AGGREGATED},{AGGREGATED.replace('v=v2', 'v=v2beta1')},application/json"


def document(api, path, accept=AGGREGATED):
    answer = api.send("GET", path, headers={"Accept": accept})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == AGGREGATED
    found = answer.json
    assert (found["apiVersion"], found["kind"]) == (
        "apidiscovery.k8s.io/v2",
        "APIGroupDiscoveryList",
    )
    return found


def resources_in(found):
    """Return (apiVersion, plural) of all that a document lists."""
    return {
        (f"{name}/{version['version']}" if name else version["version"], one["resource"])
        for group in found["items"]
        for name in [group["metadata"].get("name", "")]
        for version in group["versions"]
        for one in version["resources"]
    }


@pytest.fixture
def made(api, namespace):
    wanted = definition(version("v1"), word="testcrd", scope="Namespaced")
    with defined(api, wanted) as made:
        yield f"{made['spec']['group']}/v1", "testcrds"


@conformance(
    "[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery endpoint "
    "Accept headers [Conformance]"
)
def test_one_document_has_the_built_in_resources(api):
    legacy = [one for one in RESOURCES if "/" not in one[0]]
    grouped = [one for one in RESOURCES if "/" in one[0]]
    assert not set(grouped) - resources_in(document(api, "/apis"))
    assert not set(legacy) - resources_in(document(api, "/api"))


@conformance(
    "[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery request for "
    "CRDs [Conformance]"
)
def test_one_document_has_the_custom_resources(api, made):
    eventually(lambda: made in resources_in(document(api, "/apis")))


@conformance(
    "[sig-api-machinery] AggregatedDiscovery should support aggregated discovery interface "
    "[Conformance]"
)
def test_a_client_finds_groups_and_resources_in_two_requests(api):
    found = [document(api, path, PREFERENCES) for path in ("/api", "/apis")]
    assert not set(RESOURCES) - resources_in(found[0]) - resources_in(found[1])
    versions = {api_version for one in found for api_version, _ in resources_in(one)}
    assert {api_version for api_version, _ in RESOURCES} <= versions
    # A client needs these of each entry, or it cannot ask for the resource.
    for one in found:
        for group in one["items"]:
            for each in (each for line in group["versions"] for each in line["resources"]):
                assert each["responseKind"]["kind"] and each["verbs"], each
                assert each["scope"] in ("Namespaced", "Cluster")


@conformance(
    "[sig-api-machinery] AggregatedDiscovery should support aggregated discovery interface for "
    "CRDs [Conformance]"
)
def test_a_client_finds_custom_resources_in_two_requests(api, made):
    eventually(lambda: made in resources_in(document(api, "/apis", PREFERENCES)))
    assert made not in resources_in(document(api, "/api", PREFERENCES))
