"""What many official tests ask alike: is it in discovery, and does it have all verbs."""

import pytest

from tests.conformance.kit.client import Refused, root_of


def discovered(api, api_version, *resources):
    """See a group, its version and resources in the discovery documents, one after the other."""
    group, _, version = api_version.rpartition("/")
    if group:
        groups = {one["name"]: one for one in api.get("/apis")["groups"]}
        assert version in [one["version"] for one in groups[group]["versions"]]
        found = api.get(f"/apis/{group}")
        assert version in [one["version"] for one in found["versions"]]
    names = [one["name"] for one in api.get(root_of(api_version))["resources"]]
    assert set(resources) <= set(names), f"{api_version} has {names}"


def is_newer(obj, than):
    """Whether an object is a later state of itself than another."""
    return int(obj["metadata"]["resourceVersion"]) > int(than["metadata"]["resourceVersion"])


def life_of(objects, template, *, patch=None, change=None, elsewhere=False):
    """Create three objects of a template, and get, list, watch, patch, update and delete them.

    `patch` is merged into one of them beside an annotation, `change` alters it on update; the
    fields that either sets are looked for in the answers. `elsewhere` lists all namespaces too.
    Yields the object once it is patched and updated, for what a kind has beside that; then goes on
    with the deletion.
    """
    label = "conformance", f"{objects.plural}-{objects.namespace or 'cluster'}"
    select = {"labelSelector": "=".join(label)}
    template = {**template, "metadata": {**template.get("metadata", {}), "labels": dict([label])}}
    if "name" not in template["metadata"]:
        template["metadata"].setdefault("generateName", f"conformance-{objects.kind.lower()}-")
    made = [objects.create(template) for _ in range(3)]
    one = made[-1]
    name = one["metadata"]["name"]
    found = objects.get(name)
    assert found["metadata"]["uid"] == one["metadata"]["uid"]
    assert int(found["metadata"]["resourceVersion"]) > 0
    listed = objects.list(**select)
    assert len(listed["items"]) == 3
    if elsewhere:
        assert len(objects.everywhere().items(**select)) == 3
    resource_version = listed["metadata"]["resourceVersion"]
    with objects.watch(resourceVersion=resource_version, **select) as watch:
        merged = {**(patch or {}), "metadata": {"annotations": {"patched": "true"}}}
        patched = objects.patch(name, merged)
        assert contains(patched, merged) and is_newer(patched, one)

        def alter(obj):
            obj["metadata"]["annotations"]["updated"] = "true"
            if change:
                change(obj)

        updated = objects.change(name, alter)
        wanted = objects.get(name)
        assert updated == wanted and is_newer(updated, patched)
        alter(wanted)
        assert contains(updated, wanted)
        seen = watch.expect("MODIFIED", name)
        assert contains(seen, merged)
        seen = watch.until("MODIFIED", name, lambda obj: "updated" in annotations(obj))
        assert annotations(seen) == {"patched": "true", "updated": "true"}
        yield updated
        objects.delete(name)
        watch.until("DELETED", name)
        with pytest.raises(Refused) as refused:
            objects.get(name)
        assert (refused.value.code, refused.value.reason) == (404, "NotFound")
        others = {one["metadata"]["name"] for one in made} - {name}
        assert set(objects.names(**select)) == others
        objects.delete_collection(**select)
        assert {watch.expect("DELETED")["metadata"]["name"] for _ in others} == others
    assert objects.items(**select) == []


def annotations(obj):
    return obj["metadata"].get("annotations", {})


def contains(obj, part):
    """Whether a part's fields are all in an object, with its values; so for each item of a list."""
    if isinstance(part, dict):
        return isinstance(obj, dict) and all(
            key in obj and contains(obj[key], value) for key, value in part.items()
        )
    if isinstance(part, list) and isinstance(obj, list):
        return len(obj) == len(part) and all(map(contains, obj, part))
    return obj == part
