"""Our documents have the structure that a kube-apiserver's have; see `structure`.

What differs, and is left out of the digests or listed here, is meant to:

- descriptions are our own, and so are title and version;
- answers in protobuf and CBOR are not told of, nor applying CBOR;
- the old `/watch/` paths are not served;
- kinds that every group has (DeleteOptions, WatchEvent) are of the groups and versions served here.
"""

import functools
import json
import re
from typing import Any

import msgspec
import pytest

from arubeki.api import facts
from arubeki.api.objects import GVK
from arubeki.server.custom.definitions import resources_of
from arubeki.server.resources import Registry, Resource
from tests.server.openapi.structure import CUSTOMS, digests, documents, recorded
from tests.server.openapi.support import Described

_PATH = re.compile(
    r"/apis?/(?:([^/]+)/)?(v\d+)/(?:namespaces/\{namespace\}/)?([^/]*)(?:/\{name\}/([^/]+))?"
)


@functools.cache
def customs() -> tuple[Resource, ...]:
    found = []
    for one in json.loads(CUSTOMS.read_text(encoding="utf-8"))["items"]:
        names = one["spec"]["names"]
        names.setdefault("listKind", f"{names['kind']}List")
        established = [{"type": "Established", "status": "True"}]
        found += resources_of({**one, "status": {"conditions": established}})
    return tuple(found)


@pytest.fixture(scope="module")
def ours() -> dict[str, str]:
    described = Described(*customs())

    def get(url: str) -> Any:
        return msgspec.json.decode(described.ask(url).content())

    return {
        what: one
        for version, document in documents(get)
        for what, one in digests(version, document)
    }


def test_all_that_we_tell_is_told_by_kubernetes_in_the_same_structure(
    ours: dict[str, str],
) -> None:
    theirs = recorded()
    assert ours.keys() - theirs.keys() == set()
    assert [what for what, one in sorted(ours.items()) if theirs[what] != one] == []


def test_all_that_kubernetes_tells_is_told_but_for_what_is_not_served(ours: dict[str, str]) -> None:
    registry = Described(*customs()).registry
    missing = [what.rpartition(" ")[2] for what in recorded().keys() - ours.keys()]
    paths = sorted({one for one in missing if one.startswith("/")})
    assert [path for path in paths if _is_served(path, registry)] == []


def _is_served(path: str, registry: Registry) -> bool:
    """Tell whether the resource of a path is served, and what is below it."""
    found = _PATH.match(path)
    assert found is not None, path
    group, version, plural, below = found[1] or "", found[2], found[3], found[4]
    if not plural:
        return version in registry.groups().get(group, ())
    resource = registry.find(group, version, plural)
    return resource is not None and (not below or below in resource.subresources)


def test_every_kind_that_is_served_can_be_looked_up_by_its_name() -> None:
    # As kubectl explain does it, in either version.
    described = Described(*customs())
    for version, document in documents(
        lambda url: msgspec.json.decode(described.ask(url).content())
    ):
        told = document["components"].get("schemas", {}) if version == "v3" else {}
        told |= document.get("definitions", {})
        known = {
            (one["group"], one["version"], one["kind"])
            for node in told.values()
            for one in node.get("x-kubernetes-group-version-kind", ())
        }
        for item in document["paths"].values():
            for operation in item.values():
                gvk = isinstance(operation, dict) and operation.get(
                    "x-kubernetes-group-version-kind"
                )
                if gvk and not gvk["kind"].endswith("Options"):
                    assert (gvk["group"], gvk["version"], gvk["kind"]) in known


def test_facts_name_the_kinds_of_a_definition() -> None:
    assert facts.kinds_of("io.k8s.api.core.v1.Pod") == (GVK("", "v1", "Pod"),)
    assert facts.kinds_of("io.k8s.api.core.v1.PodSpec") == ()
