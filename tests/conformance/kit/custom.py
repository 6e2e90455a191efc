"""CustomResourceDefinitions for the tests, and their being served."""

import contextlib
import itertools

from tests.conformance.kit.patience import eventually

ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_counter = itertools.count(1)


def version(name, schema=ANYTHING, *, storage=True, served=True):
    return {
        "name": name,
        "served": served,
        "storage": storage,
        "schema": {"openAPIV3Schema": schema},
    }


def definition(*versions, word="widget", group="", scope="Cluster", labels=None):
    """Return a definition of a group of its own, with one version that takes anything."""
    group = group or f"group-{next(_counter)}.example.com"
    names = {
        "plural": f"{word}s",
        "singular": word,
        "kind": word.capitalize(),
        "listKind": f"{word.capitalize()}List",
    }
    return {
        "metadata": {"name": f"{word}s.{group}"} | ({"labels": labels} if labels else {}),
        "spec": {
            "group": group,
            "names": names,
            "scope": scope,
            "versions": list(versions) or [version("v1beta1")],
        },
    }


def definitions(api):
    return api.of("apiextensions.k8s.io/v1", "CustomResourceDefinition")


def is_established(found):
    conditions = found.get("status", {}).get("conditions", ())
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def create(api, wanted):
    """Create a definition, wait until its kinds are served, and return it."""
    found = definitions(api)
    found.create(wanted)
    made = found.wait(wanted["metadata"]["name"], is_established)
    spec = made["spec"]
    for one in spec["versions"]:
        if one["served"]:
            path = f"/apis/{spec['group']}/{one['name']}"
            eventually(lambda path=path: is_listed(api, path, spec["names"]["plural"]))
    return made


def is_listed(api, path, plural):
    answer = api.send("GET", path)
    return answer.status == 200 and plural in [one["name"] for one in answer.json["resources"]]


@contextlib.contextmanager
def defined(api, wanted):
    """Serve a definition's kinds in a block."""
    made = create(api, wanted)
    yield made
    name = made["metadata"]["name"]
    if not definitions(api).is_gone(name):
        definitions(api).delete(name)
        definitions(api).wait_gone(name)


def objects_of(api, made, version_name="", namespace=""):
    """Return the objects that a definition is about."""
    spec = made["spec"]
    version_name = version_name or spec["versions"][0]["name"]
    return api.of(f"{spec['group']}/{version_name}", spec["names"]["kind"], namespace)
