"""A class, its manifest and a server: what the class says is what the server does."""

import asyncio

import pytest

from arubeki import clock
from arubeki.errors import Invalid
from arubeki.kinds import apiextensions_v1 as apiextensions
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds.base import UNSET, from_dict
from arubeki.kinds.crd import manifest
from tests.kinds.test_crd import MarkdownView, Spec, Status
from tests.support.world import World

NAMED = meta.ObjectMeta(name="a", namespace="n")
AVAILABLE = meta.Condition(
    type="Available", status="True", reason="OK", message="",
    lastTransitionTime="2026-01-01T00:00:00Z",
)  # fmt: skip


async def established(world: World) -> None:
    """Install the class's definition and wait until its resource is served."""
    definition = apiextensions.CustomResourceDefinition
    await world.client.create(core.Namespace(metadata=meta.ObjectMeta(name="n")))
    await world.client.apply(from_dict(definition, manifest(MarkdownView)))
    for _ in range(100):
        found = await world.client.get(definition, "markdownviews.view.example.com")
        conditions = found.status.conditions or ()
        if any(one.type == "Established" and one.status == "True" for one in conditions):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"not established: {conditions}")


def test_a_class_is_served_as_it_says() -> None:
    async def main() -> None:
        async with World() as world:
            await established(world)
            said = Spec(markdowns={"SUMMARY.md": "# S"})
            view = await world.client.apply(MarkdownView(metadata=NAMED, spec=said))
            assert view.spec.replicas == 1
            assert view.spec.viewerImage is None
            # The server wrote the default; what was not said is not owned.
            plain = await world.client.get(MarkdownView.KIND, "a", "n")
            assert plain["spec"] == {"markdowns": {"SUMMARY.md": "# S"}, "replicas": 1}
            owned = [entry["fieldsV1"]["f:spec"] for entry in plain["metadata"]["managedFields"]]
            assert [entry.keys() for entry in owned] == [{"f:markdowns"}]
            live = await world.client.get(MarkdownView, "a", "n")
            assert live == view

            status = MarkdownView(metadata=NAMED, status=Status(conditions=(AVAILABLE,)))
            written = await world.client.apply(status, subresource="status")
            assert written.status.conditions == (AVAILABLE,)
            assert written.spec == view.spec
            assert written.metadata.uid == view.metadata.uid is not UNSET

    clock.run_virtual(main())


def test_the_rules_beside_the_types_are_the_server_s() -> None:
    async def main() -> None:
        async with World() as world:
            await established(world)
            # A field with a default is not required, so this much is a view.
            await world.client.apply(MarkdownView(metadata=NAMED))
            with pytest.raises(Invalid, match=r"spec\.markdowns"):
                await world.client.apply(MarkdownView(metadata=NAMED, spec=Spec(markdowns={})))

    clock.run_virtual(main())
