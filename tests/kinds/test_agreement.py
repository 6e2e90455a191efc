"""The typed half of the house agrees with the half that serves: the same names, the same shapes."""

import importlib

import pytest

from arubeki.api import facts, structure
from arubeki.api.objects import GVK
from arubeki.kinds.base import Object
from arubeki.kinds.crd import manifest
from arubeki.server.builtin import built_in
from tests.kinds.pods import big_pod
from tests.kinds.test_crd import MarkdownView
from tests.kinds.test_generated import KINDS

BY_GVK: dict[GVK, type[Object]] = {cls.KIND.gvk: cls for cls in KINDS}


@pytest.mark.parametrize("resource", built_in(), ids=lambda one: one.plural)
def test_a_served_resource_has_a_class_that_knows_its_place(resource: object) -> None:
    gvk, plural, namespaced = resource.gvk, resource.plural, resource.namespaced  # type: ignore[attr-defined]
    kind = BY_GVK[gvk].KIND
    assert (kind.plural, kind.namespaced) == (plural, namespaced)


def test_a_manifest_is_what_the_server_takes_for_a_definition() -> None:
    schema = facts.schema_of(GVK("apiextensions.k8s.io", "v1", "CustomResourceDefinition"))
    assert schema is not None
    definition = manifest(MarkdownView)
    assert structure.prune(definition, schema) == []
    assert structure.check(definition, schema) == []


def test_the_pod_of_these_tests_is_a_pod() -> None:
    schema = facts.schema_of(GVK("", "v1", "Pod"))
    assert schema is not None
    assert structure.prune(big_pod(), schema) == []


def test_every_group_s_module_is_named_after_it() -> None:
    for cls in KINDS:
        group = cls.KIND.group.split(".", maxsplit=1)[0] or "core"
        name = f"arubeki.kinds.{group}_{cls.KIND.version}"
        assert getattr(importlib.import_module(name), cls.__name__) is cls
