"""Whole histories of an object, each step as Kubernetes' own field manager took it."""

import copy
import json
from pathlib import Path

import pytest
from tests.api.shapes import ROOT, without_nulls

from arubeki.api.apply import apply_object, track_update
from arubeki.errors import Conflict

VECTORS = json.loads((Path(__file__).parent / "vectors" / "apply.json").read_text())


@pytest.mark.parametrize("history", VECTORS, ids=range(len(VECTORS)))
def test_a_history_goes_as_in_kubernetes(history):
    schema = ROOT if history["schema"] else None
    live = None
    for day, step in enumerate(history["steps"], 1):
        now = f"2001-01-{day:02}T00:00:00Z"
        after = take(live, step, schema, now)
        if after is None:
            continue
        expected = {
            "apiVersion": "g/v1",
            "kind": "K",
            **step["result"],
            "metadata": {"name": "n", "namespace": "d", **step["result"]["metadata"]},
        }
        assert without_nulls(after) == expected, f"step {day}"
        # The expected object goes on, with what a server adds to a new one.
        live = expected
        live["metadata"]["uid"] = "u"


def take(live, step, schema, now):
    arguments = copy.deepcopy((live, step["object"]))
    obj = step["object"]
    subresource = step.get("subresource", "")
    if step["op"] == "update":
        after = copy.deepcopy(obj)
        if live is not None and "managedFields" not in after["metadata"]:
            after["metadata"]["managedFields"] = live["metadata"].get("managedFields")
        managed = track_update(
            live,
            after,
            schema=schema,
            manager=step["manager"],
            now=now,
            subresource=subresource,
        )
        after["metadata"]["managedFields"] = managed or None
        return after
    force = step.get("force", False)

    def apply():
        return apply_object(
            live,
            obj,
            schema=schema,
            manager=step["manager"],
            force=force,
            now=now,
            subresource=subresource,
        )

    if "conflict" in step:
        with pytest.raises(Conflict) as raised:
            apply()
        causes = [[cause["message"], cause["field"]] for cause in raised.value.causes]
        assert sorted(causes) == step["conflict"]
        assert {cause["reason"] for cause in raised.value.causes} == {"FieldManagerConflict"}
        if "message" in step:
            assert raised.value.message == step["message"]
        after = None
    else:
        after = apply()
    assert (live, obj) == arguments
    return after
