"""Volumes and claims, as objects.

Source: kubernetes test/e2e/storage/persistent_volumes.go.
"""

import pytest

from tests.conformance.kit import conformance, eventually, named
from tests.conformance.kit.lifecycle import contains
from tests.conformance.storage.lives import (
    check_collection_deleted,
    check_deleted,
    check_patched,
    check_updated,
)

FAMILY = "[sig-storage] PersistentVolumes CSI Conformance should "


@pytest.fixture
def volumes(api):
    return api.of("v1", "PersistentVolume")


@pytest.fixture
def claims(api, namespace):
    return api.of("v1", "PersistentVolumeClaim", namespace)


def create_pair(volumes, claims, number=1):
    """Create a volume and a claim of a class that nobody provides; return both as listed."""
    namespace = claims.namespace
    label = {"volume-of": namespace}
    amount = {"storage": "2Gi"}
    volumes.create(
        named(
            f"{namespace}-{number}",
            label,
            spec={
                "accessModes": ["ReadWriteOnce"],
                "capacity": amount,
                "storageClassName": namespace,
                "persistentVolumeReclaimPolicy": "Retain",
                "csi": {"driver": f"driver.{namespace}", "volumeHandle": "conformance"},
            },
        )
    )
    claims.create(
        named(
            f"claim-{number}",
            spec={
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": namespace,
                "resources": {"requests": amount},
            },
        )
    )
    (volume,) = volumes.items(labelSelector=f"volume-of={namespace}")
    (claim,) = claims.items()
    return volume, claim


@conformance(f"{FAMILY}run through the lifecycle of a PV and a PVC [Conformance]")
def test_volumes_and_claims_live(volumes, claims):
    volume, claim = create_pair(volumes, claims)
    of_volume, of_claim = check_patched(volumes, volume), check_patched(claims, claim)
    for objects, one in ((volumes, volume), (claims, claim)):
        assert objects.get(one["metadata"]["name"])["metadata"]["uid"] == one["metadata"]["uid"]
    check_deleted(claims, claim, of_claim)
    check_deleted(volumes, volume, of_volume)

    volume, claim = create_pair(volumes, claims, 2)
    of_volume, of_claim = check_updated(volumes, volume), check_updated(claims, claim)
    assert claims.everywhere().names(**of_claim) == ["claim-2"]
    check_collection_deleted(claims, of_claim)
    check_collection_deleted(volumes, of_volume)
    assert claims.items() == [] and volumes.is_gone(volume["metadata"]["name"])


@conformance(f"{FAMILY}apply changes to a pv/pvc status [Conformance]")
def test_the_status_of_volumes_and_claims_is_written_apart(volumes, claims):
    volume, claim = (one["metadata"]["name"] for one in create_pair(volumes, claims))

    def phase(objects, name):
        return objects.get(name, "status")["status"].get("phase")

    eventually(lambda: phase(claims, claim) in ("Pending", "Bound"))
    eventually(lambda: phase(volumes, volume) in ("Available", "Bound", "Pending"))

    condition = {
        "type": "StatusPatched", "status": "True", "reason": "E2E patched", "message": "set",
    }  # fmt: skip
    patched = claims.patch(claim, {"status": {"conditions": [condition]}}, "status")
    assert any(contains(one, condition) for one in patched["status"]["conditions"])
    told = {"reason": "E2E patchStatus", "message": "StatusPatched"}
    patched = volumes.patch(volume, {"status": told}, "status")
    assert contains(patched["status"], told)

    more = {**condition, "type": "StatusUpdated", "reason": "E2E updated"}
    updated = claims.change(
        claim, lambda obj: obj["status"]["conditions"].append(dict(more)), "status"
    )
    assert any(contains(one, more) for one in updated["status"]["conditions"])
    told = {"reason": "E2E updateStatus", "message": "StatusUpdated"}
    updated = volumes.change(volume, lambda obj: obj["status"].update(told), "status")
    assert contains(updated["status"], told)
    assert contains(volumes.get(volume)["status"], told)
    volumes.delete(volume)
