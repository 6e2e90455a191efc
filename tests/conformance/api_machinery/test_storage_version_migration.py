"""StorageVersionMigrations, as objects.

Source: kubernetes test/e2e/apimachinery/storage_version_migration.go.
"""

from tests.conformance.kit import conformance, named
from tests.conformance.kit.crud import Crud

CONDITION = {
    "type": "TestCondition",
    "status": "True",
    "reason": "TestReason",
    "message": "TestMessage",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


@conformance(
    "[sig-api-machinery] StorageVersionMigration CRUD Tests storagemigration.k8s.io/v1 "
    "StorageVersionMigration [Conformance]"
)
def test_storage_version_migrations_have_all_verbs(api, unique):
    objects = api.of("storagemigration.k8s.io/v1", "StorageVersionMigration")
    path = "/metadata/labels/test.example.com"
    Crud(
        objects,
        named(unique, spec={"resource": {"group": "", "resource": "foo"}}),
        part={"metadata": {"labels": {"test.example.com": "test"}}},
        operations=[{"op": "add", "path": path, "value": "test"}],
        status_part={"status": {"conditions": [CONDITION]}},
        status_operations=[{"op": "add", "path": "/status/conditions", "value": [CONDITION]}],
    ).run()
