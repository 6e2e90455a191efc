"""Capacities of storage, as objects.

Source: kubernetes test/e2e/storage/csistoragecapacity.go.
"""

import pytest

from tests.conformance.kit import Refused, conformance, discovered, life_of, named

GROUP = "storage.k8s.io/v1"


@conformance(
    "[sig-storage] CSIStorageCapacity should support CSIStorageCapacities API operations "
    "[Conformance]"
)
def test_storage_capacities_have_all_verbs(api, namespace):
    discovered(api, GROUP, "csistoragecapacities")
    objects = api.of(GROUP, "CSIStorageCapacity", namespace)
    capacity = {"storageClassName": "e2e.example.com"}
    objects.create({**named("once"), **capacity})
    with pytest.raises(Refused) as refused:
        objects.create({**named("once"), **capacity})
    assert (refused.value.code, refused.value.reason) == (409, "AlreadyExists")
    with objects.everywhere().watch() as watch:
        for one in life_of(objects, capacity, elsewhere=True):
            name = one["metadata"]["name"]
            assert watch.until("ADDED", name)["storageClassName"] == "e2e.example.com"
            watch.until("MODIFIED", name, lambda obj: "annotations" in obj["metadata"])
