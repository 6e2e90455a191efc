"""The parts of a Pod with a path of their own: what each writes, and what it leaves."""

from tests.server.support import PODS, World, pod, run


def test_a_resize_changes_amounts_and_counts_a_generation() -> None:
    async def test(world: World) -> None:
        resources = {"requests": {"cpu": "100m"}}
        body = pod("p")
        body["spec"]["containers"][0]["resources"] = resources
        made = await world.json("POST", PODS, body)
        change = {
            "metadata": {"labels": {"other": "x"}},
            "spec": {
                "containers": [
                    {"name": "main", "image": "new", "resources": {"requests": {"cpu": "2"}}}
                ]
            },
        }
        await world.patch(f"{PODS}/p/resize", change, "strategic-merge-patch+json")
        found = await world.json("GET", f"{PODS}/p")
        (container,) = found["spec"]["containers"]
        assert container["resources"] == {"requests": {"cpu": "2"}}
        assert container["image"] == "none"
        assert found["metadata"]["labels"] == made["metadata"]["labels"]
        assert found["metadata"]["generation"] == 2
        # What is no change at all is none.
        again = await world.patch(f"{PODS}/p/resize", change, "strategic-merge-patch+json")
        assert again["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]

    run(test)


def test_a_manager_owns_what_he_has_resized() -> None:
    async def test(world: World) -> None:
        body = pod("p")
        body["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
        await world.json("POST", PODS, body)
        intent = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "2"}}}]},
        }
        found = await world.apply(f"{PODS}/p/resize", intent, manager="sizer", force="true")
        (own,) = (one for one in found["metadata"]["managedFields"] if one["manager"] == "sizer")
        assert (own["operation"], own["subresource"]) == ("Apply", "resize")
        assert found["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "2"}

    run(test)
