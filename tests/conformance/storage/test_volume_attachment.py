"""VolumeAttachments, as objects.

Source: kubernetes test/e2e/storage/volume_attachment.go.
"""

import pytest

from tests.conformance.kit import conformance
from tests.conformance.storage.lives import (
    check_collection_deleted,
    check_deleted,
    check_patched,
    check_updated,
    create,
)

FAMILY = "[sig-storage] VolumeAttachment Conformance should "


@pytest.fixture
def attachments(api):
    return api.of("storage.k8s.io/v1", "VolumeAttachment")


@pytest.fixture
def template(api):
    node = api.of("v1", "Node").names()[0]
    source = {"persistentVolumeName": "volume"}
    return {"spec": {"attacher": "fake.example.com", "nodeName": node, "source": source}}


@conformance(f"{FAMILY}run through the lifecycle of a VolumeAttachment [Conformance]")
def test_attachments_live(attachments, template, unique):
    first = create(attachments, template, unique)
    check_deleted(attachments, first, check_patched(attachments, first, "merge"))
    made = [create(attachments, template, unique) for _ in range(2)]
    for one in made:
        select = check_updated(attachments, one, "attachment", unique[:40])
    assert sorted(attachments.names(**select)) == sorted(one["metadata"]["name"] for one in made)
    check_collection_deleted(attachments, select)
    assert all(attachments.is_gone(one["metadata"]["name"]) for one in made)


@conformance(f"{FAMILY}apply changes to a volumeattachment status [Conformance]")
def test_the_status_of_an_attachment_is_written_apart(attachments, template, unique):
    made = create(attachments, template, unique)
    name = made["metadata"]["name"]
    select = check_patched(attachments, made, "merge")
    assert attachments.get(name, "status")["status"]["attached"] is False
    patched = attachments.patch(name, {"status": {"attached": True}}, "status")
    assert patched["status"]["attached"] is True
    assert attachments.get(name)["status"]["attached"] is True
    updated = attachments.change(name, lambda obj: obj["status"].update(attached=False), "status")
    assert updated["status"]["attached"] is False
    check_deleted(attachments, made, select)
