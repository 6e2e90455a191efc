import copy
import random

import pytest
from tests.api.messages import an_object, envelope

from arubeki.api import facts, protobuf, structure
from arubeki.api.schema import Schema

KINDS = [
    gvk
    for gvk in facts.kinds()
    if facts.short_name(facts.definition_name(gvk) or "") in facts.messages()
    and not gvk.kind.endswith(("List", "Options"))
    and "kind" in (facts.schema_of(gvk) or Schema()).properties
]
SEEDS = range(3)


@pytest.mark.parametrize("gvk", KINDS, ids=lambda gvk: f"{gvk.api_version}/{gvk.kind}")
def test_an_object_is_the_same_by_protobuf_and_by_json(gvk):
    schema = facts.schema_of(gvk)
    for seed in SEEDS:
        obj = an_object(gvk, random.Random(f"{gvk} {seed}"))
        decoded = protobuf.decode(envelope(gvk, obj))
        assert structure.types(obj, schema, gvk.kind) == ""
        written = copy.deepcopy(obj)
        assert structure.prune(written, schema) == [], seed
        assert decoded == written, f"seed {seed}"


def test_the_kinds_are_there():
    assert len(KINDS) > 70


def test_another_byte_is_another_object():
    gvk = next(one for one in KINDS if one.kind == "Pod")
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    body = envelope(gvk, obj)
    assert protobuf.decode(body)["metadata"] == {"name": "p"}
    assert protobuf.decode(body[:-1] + b"q")["metadata"] == {"name": "q"}
