"""Discovery, a document for each group and version.

Source: kubernetes test/e2e/apimachinery/discovery.go.
"""

from tests.conformance.api_machinery.discoverable import RESOURCES
from tests.conformance.kit import conformance
from tests.conformance.kit.client import root_of


@conformance(
    "[sig-api-machinery] Discovery should validate PreferredVersion for each APIGroup [Conformance]"
)
def test_each_group_prefers_a_version_that_it_has(api):
    groups = api.get("/apis/")["groups"]
    assert groups
    for group in groups:
        if group["name"].endswith(".example.com"):
            continue
        found = api.get(f"/apis/{group['name']}/")
        assert found["preferredVersion"] in found["versions"], group["name"]


@conformance(
    "[sig-api-machinery] Discovery should locate the groupVersion and a resource within each "
    "APIGroup [Conformance]"
)
def test_each_version_has_a_list_of_resources(api):
    lacking = []
    for api_version, plural in RESOURCES:
        answer = api.send("GET", root_of(api_version))
        found = answer.json if answer.status == 200 else {"resources": []}
        names = [one["name"] for one in found["resources"]]
        if found.get("groupVersion") != api_version or plural not in names:
            lacking.append((api_version, plural))
    assert not lacking
