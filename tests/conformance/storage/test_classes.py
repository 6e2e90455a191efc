"""Kinds of the storage group that are told apart by name only.

Source: kubernetes test/e2e/storage/storageclass.go, volumeattributesclass.go, csi_node.go.
"""

from tests.conformance.kit import conformance
from tests.conformance.storage.lives import check_life

GROUP = "storage.k8s.io/v1"


@conformance(
    "[sig-storage] StorageClasses CSI Conformance should run through the lifecycle of a "
    "StorageClass [Conformance]"
)
def test_storage_classes_live(api, unique):
    check_life(api.of(GROUP, "StorageClass"), {"provisioner": "fake-provisioner"}, unique)


@conformance(
    "[sig-storage] VolumeAttributesClass [FeatureGate:VolumeAttributesClass] should run through "
    "the lifecycle of a VolumeAttributesClass [Conformance]"
)
def test_volume_attributes_classes_live(api, unique):
    template = {"driverName": "fake-csi-driver", "parameters": {"foo": "bar"}}
    check_life(api.of(GROUP, "VolumeAttributesClass"), template, unique)


@conformance(
    "[sig-storage] CSINodes CSI Conformance should run through the lifecycle of a csinode "
    "[Conformance]"
)
def test_csi_nodes_live(api, unique):
    check_life(api.of(GROUP, "CSINode"), {"spec": {"drivers": []}}, unique)
