"""Leases, as objects.

Source: kubernetes test/e2e/common/node/lease.go.
"""

import pytest

from tests.conformance.kit import Refused, conformance, named
from tests.conformance.kit.lifecycle import is_newer


def spec(holder, seconds, transitions, *, acquired, renewed):
    return {
        "holderIdentity": holder,
        "leaseDurationSeconds": seconds,
        "leaseTransitions": transitions,
        "acquireTime": f"0001-01-01T00:{acquired}.000000Z",
        "renewTime": f"0001-01-01T00:{renewed}.000000Z",
    }


@conformance("[sig-node] Lease lease API should be available [Conformance]")
def test_leases_have_all_verbs(api, namespace):
    leases = api.of("coordination.k8s.io/v1", "Lease", namespace)
    first = spec("holder", 30, 0, acquired="00:02", renewed="00:05")
    made = leases.create(named("lease", spec=first))
    assert leases.get("lease")["spec"] == made["spec"] == first

    second = spec("holder2", 30, 1, acquired="00:20", renewed="00:50")
    leases.update({**made, "spec": second})
    found = leases.get("lease")
    assert found["spec"] == second

    third = spec("holder3", 60, 2, acquired="00:50", renewed="01:10")
    leases.patch("lease", {"spec": third}, form="strategic")
    found = leases.get("lease")
    assert found["spec"] == third and is_newer(found, made)

    leases.create(named("lease2", {"deletecollection": "true"}, spec=first))
    assert leases.names() == ["lease", "lease2"]
    leases.delete_collection(labelSelector="deletecollection=true")
    assert leases.names() == ["lease"]
    leases.delete("lease")
    with pytest.raises(Refused) as refused:
        leases.get("lease")
    assert (refused.value.code, refused.value.reason) == (404, "NotFound")
    everywhere = leases.everywhere().items()
    assert namespace not in [one["metadata"]["namespace"] for one in everywhere]
