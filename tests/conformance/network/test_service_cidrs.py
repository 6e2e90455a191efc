"""Addresses of Services and where they come from, as objects.

The official test of ServiceCIDRs only reads; its description asks for all verbs, and so does this.

Source: kubernetes test/e2e/network/service_cidrs.go.
"""

from tests.conformance.kit import conformance, discovered, life_of, named
from tests.conformance.kit.lifecycle import is_newer

GROUP = "networking.k8s.io/v1"
FAMILY = "[sig-network] ServiceCIDR and IPAddress API should support "


@conformance(f"{FAMILY}ServiceCIDR API operations [Conformance]")
def test_service_cidrs_have_all_verbs(api):
    discovered(api, GROUP, "servicecidrs", "servicecidrs/status")
    objects = api.of(GROUP, "ServiceCIDR")
    default = objects.get("kubernetes")
    status = objects.get("kubernetes", "status")
    assert (status["apiVersion"], status["kind"]) == (GROUP, "ServiceCIDR")
    assert status["metadata"]["uid"] == default["metadata"]["uid"]
    assert "kubernetes" in objects.names()
    for one in life_of(objects, {"spec": {"cidrs": ["203.0.113.0/24"]}}):
        name = one["metadata"]["name"]
        condition = {
            "type": "Patched",
            "status": "True",
            "reason": "E2E",
            "message": "Set from a test",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        patched = objects.patch(name, {"status": {"conditions": [condition]}}, "status")
        assert condition in patched["status"]["conditions"]
        more = {**condition, "type": "Updated"}
        updated = objects.change(
            name, lambda obj, more=more: obj["status"]["conditions"].append(more), "status"
        )
        assert more in updated["status"]["conditions"]
        assert objects.get(name)["status"] == updated["status"]


@conformance(f"{FAMILY}IPAddress API operations [Conformance]")
def test_addresses_have_all_verbs(api):
    discovered(api, GROUP, "ipaddresses")
    objects = api.of(GROUP, "IPAddress")
    parent = {"group": "mygroup", "resource": "myresources", "namespace": "foo", "name": "bar"}
    select = {"labelSelector": "type=broadcast"}
    other = {"labelSelector": "type=link-local"}
    since = objects.list(**select)["metadata"]["resourceVersion"]
    name = "255.255.255.255"
    with objects.watch(resourceVersion=since, **select) as watch:
        made = objects.create(named(name, {"type": "broadcast"}, spec={"parentRef": parent}))
        assert watch.expect("ADDED", name) == made
        objects.create(
            named("fe80::42:1dff:fe84:f9e2", {"type": "link-local"}, spec={"parentRef": parent})
        )
        patched = objects.patch(name, {"metadata": {"annotations": {"patched": "true"}}})
        assert patched["metadata"]["annotations"] == {"patched": "true"}
        assert watch.expect("MODIFIED", name) == patched
        updated = objects.change(
            name, lambda obj: obj["metadata"]["annotations"].update(updated="true")
        )
        assert updated["metadata"]["annotations"] == {"patched": "true", "updated": "true"}
        assert is_newer(updated, patched)
        assert watch.expect("MODIFIED", name) == updated == objects.get(name)
        assert objects.names(**select) == [name]
        objects.delete(name)
        watch.expect("DELETED", name)
    assert objects.is_gone(name)
    assert len(objects.items(**other)) == 1
    objects.delete_collection(**other)
    assert objects.items(**other) == []
