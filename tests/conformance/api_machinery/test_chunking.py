"""Lists in chunks.

The official test waits minutes until the first chunk's revision is compacted away; here the storage
is told to do so.

Source: kubernetes test/e2e/apimachinery/chunking.go.
"""

import pytest

from tests.conformance.kit import Refused, conformance, named

TOTAL = 400
FAMILY = "[sig-api-machinery] Servers with support for API chunking should "


@pytest.fixture
def templates(api, namespace):
    templates = api.of("v1", "PodTemplate", namespace)
    spec = {"containers": [{"name": "test", "image": "test2"}]}
    for number in range(TOTAL):
        templates.create(named(f"template-{number:04}", template={"spec": spec}))
    return templates


class Reader:
    """Reads the chunks of a list, and sees that each begins where the one before ended."""

    def __init__(self, templates, limit):
        self.templates = templates
        self.limit = limit
        self.found = 0
        self.token = None

    def read(self, token=None):
        """Read a chunk and return it."""
        chunk = self.templates.list(limit=self.limit, **{"continue": token or self.token})
        items, metadata = chunk["items"], chunk["metadata"]
        assert len(items) <= self.limit
        for item in items:
            assert item["metadata"]["name"] == f"template-{self.found:04}"
            self.found += 1
        self.token = metadata.get("continue")
        rest = TOTAL - self.found if self.token else None
        assert metadata.get("remainingItemCount") == rest
        return chunk

    def read_on(self, resource_version):
        """Read all chunks that are left, which must be of one revision."""
        while self.token:
            assert self.read()["metadata"]["resourceVersion"] == resource_version
        assert self.found == TOTAL


@conformance(f"{FAMILY}return chunks of results for list calls [Conformance]")
def test_a_list_comes_in_chunks_of_one_revision(templates):
    for _ in range(3):
        reader = Reader(templates, 17)
        first = reader.read()
        assert first["metadata"]["remainingItemCount"] == TOTAL - 17
        reader.read_on(first["metadata"]["resourceVersion"])
    assert len(templates.items(limit=TOTAL + 1)) == TOTAL
    assert len(templates.items()) == TOTAL


@conformance(
    f"{FAMILY}support continue listing from the last key if the original version has been "
    "compacted away, though the list is inconsistent [Conformance] [Slow]"
)
def test_a_list_goes_on_after_its_revision_is_compacted_away(templates, compact):
    reader = Reader(templates, TOTAL // 10)
    first = reader.read()
    compact()
    with pytest.raises(Refused) as refused:
        templates.list(limit=reader.limit, **{"continue": reader.token})
    assert (refused.value.code, refused.value.reason) == (410, "Expired")
    token = refused.value.status["metadata"]["continue"]
    assert token
    second = reader.read(token)
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    assert len(second["items"]) == reader.limit
    reader.read_on(second["metadata"]["resourceVersion"])


@pytest.fixture
def compact(served, api, namespace):
    """Let the storage forget all revisions up to now."""

    def act():
        # One more revision, so that the list's own is a past one.
        api.of("v1", "ConfigMap", namespace).create(named("later"))
        storage = served.cluster._storage

        async def forget(_client):
            await storage.compact(await storage.current())

        served.call(forget)

    return act
