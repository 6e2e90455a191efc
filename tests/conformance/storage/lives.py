"""The life that several kinds of the storage group lead in the official tests.

An object is created, read, labelled by a patch, listed and deleted; a second one is labelled by an
update and deleted with the collection.
"""

from tests.conformance.kit import eventually
from tests.conformance.kit.lifecycle import is_newer


def labels_of(obj):
    return obj["metadata"].get("labels", {})


def create(objects, template, unique):
    """Create an object and read it."""
    made = objects.create({**template, "metadata": {"generateName": f"{unique[:20]}-"}})
    name = made["metadata"]["name"]
    found = objects.get(name)
    assert found["metadata"]["name"] == name and found["metadata"]["uid"] == made["metadata"]["uid"]
    return found


def check_patched(objects, obj, form="strategic"):
    """Label an object by a patch, and find it by that; return the selector."""
    name = obj["metadata"]["name"]
    patched = objects.patch(name, {"metadata": {"labels": {name: "patched"}}}, form=form)
    assert labels_of(patched)[name] == "patched" and is_newer(patched, obj)
    select = {"labelSelector": f"{name}=patched"}
    assert objects.names(**select) == [name]
    return select


def check_deleted(objects, obj, select):
    """Delete an object, and see that it is gone."""
    objects.delete(obj["metadata"]["name"])
    eventually(lambda: not objects.items(**select))
    objects.wait_gone(obj["metadata"]["name"])


def check_updated(objects, obj, key="", value="updated"):
    """Label an object by an update, and find it by that; return the selector."""
    name = obj["metadata"]["name"]
    updated = objects.change(
        name, lambda each: each["metadata"].setdefault("labels", {}).update({key or name: value})
    )
    assert labels_of(updated)[key or name] == value
    select = {"labelSelector": f"{key or name}={value}"}
    assert name in objects.names(**select)
    return select


def check_collection_deleted(objects, select):
    objects.delete_collection(**select)
    eventually(lambda: not objects.items(**select))


def check_life(objects, template, unique):
    """Let a kind lead that life."""
    first = create(objects, template, unique)
    check_deleted(objects, first, check_patched(objects, first))
    second = create(objects, template, unique)
    select = check_updated(objects, second)
    assert objects.names(**select) == [second["metadata"]["name"]]
    check_collection_deleted(objects, select)
    assert objects.is_gone(second["metadata"]["name"])
