"""Volumes that a Pod asks a driver for, and the drivers.

Source: kubernetes test/e2e/storage/csi_inline.go.
"""

import pytest

from tests.conformance.kit import Refused, conformance, named
from tests.conformance.kit.lifecycle import contains
from tests.conformance.storage.lives import check_collection_deleted, check_patched, check_updated

FAMILY = "[sig-storage] CSIInlineVolumes should "


@conformance(f"{FAMILY}support CSIVolumeSource in Pod API [Conformance]")
def test_a_pod_may_ask_a_driver_for_volumes(api, namespace):
    pods = api.of("v1", "Pod", namespace)
    volumes = [
        {"name": "vol1", "csi": {"driver": "e2e.example.com"}},
        {"name": "vol2", "csi": {"driver": "e2e.example.com", "fsType": "ext4", "readOnly": True}},
    ]
    mounts = [{"name": name, "mountPath": f"/mnt/{name}"} for name in ("vol1", "vol2")]
    container = {"name": "c", "image": "busybox", "volumeMounts": mounts}
    pod = named("pod", spec={"volumes": volumes, "containers": [container]})
    made = pods.create(pod)
    with pytest.raises(Refused) as refused:
        pods.create(pod)
    assert (refused.value.code, refused.value.reason) == (409, "AlreadyExists")
    found = pods.get("pod")
    assert found["metadata"]["uid"] == made["metadata"]["uid"]
    assert all(any(contains(one, volume) for one in found["spec"]["volumes"]) for volume in volumes)
    assert pods.names() == ["pod"]
    patched = pods.patch("pod", {"metadata": {"annotations": {"patched": "true"}}})
    assert patched["metadata"]["annotations"]["patched"] == "true"
    pods.delete("pod")
    assert all("deletionTimestamp" in one["metadata"] for one in pods.items())


@conformance(f"{FAMILY}run through the lifecycle of a CSIDriver [Conformance]")
def test_drivers_live(api, unique):
    drivers = api.of("storage.k8s.io/v1", "CSIDriver")
    label, select = {"test": unique}, {"labelSelector": f"test={unique}"}

    def driver(name, *modes):
        spec = {"volumeLifecycleModes": list(modes), "fsGroupPolicy": "ReadWriteOnceWithFSType"}
        return named(f"{name}.{unique}", label, spec=spec)

    first = drivers.create(driver("first", "Ephemeral"))
    second = drivers.create(driver("second", "Persistent", "Ephemeral"))
    with pytest.raises(Refused) as refused:
        drivers.create(driver("first", "Ephemeral"))
    assert (refused.value.code, refused.value.reason) == (409, "AlreadyExists")
    for one in (first, second):
        assert drivers.get(one["metadata"]["name"])["metadata"]["uid"] == one["metadata"]["uid"]
    check_patched(drivers, second)
    updated = check_updated(drivers, second)
    assert len(drivers.items(**select)) == 2
    drivers.delete(first["metadata"]["name"])
    assert drivers.is_gone(first["metadata"]["name"])
    check_collection_deleted(drivers, updated)
    assert drivers.is_gone(second["metadata"]["name"])
