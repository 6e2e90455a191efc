"""A schema with every shape that ownership knows, for the tests of server-side apply.

The transcripts in vectors/apply.json were recorded with this schema, so change both together.
"""

import copy
from typing import Any

from arubeki.api import facts
from arubeki.api.apply import apply_object, track_update
from arubeki.api.objects import GVK
from arubeki.api.schema import Schema


def node(type: str = "", **attributes: Any) -> Schema:
    return Schema(type, raw={}, **attributes)  # a custom resource's node: it has a source


TEXT, NUMBER, FLAG = node("string"), node("integer"), node("boolean")
TEXTS = node("object", additional=TEXT)
ITEM = node(
    "object",
    properties={
        "name": TEXT,
        "v": NUMBER,
        "m": TEXTS,
        "tags": node("array", items=TEXT, list_type="set"),
        "sub": node("object", properties={"p": NUMBER, "q": NUMBER}),
    },
)
PORT = node(
    "object",
    properties={"port": NUMBER, "protocol": node("string", default="TCP"), "x": NUMBER},
)
METADATA = node(
    "object",
    properties={
        "name": TEXT,
        "namespace": TEXT,
        "uid": TEXT,
        "labels": TEXTS,
        "annotations": TEXTS,
        "finalizers": node("array", items=TEXT, list_type="set"),
        "managedFields": node("array", items=node("object", preserve_unknown=True)),
    },
)
SPEC = node(
    "object",
    properties={
        "n": NUMBER,
        "s": TEXT,
        "flag": FLAG,
        "items": node("array", items=ITEM, list_type="map", list_keys=("name",)),
        "ports": node("array", items=PORT, list_type="map", list_keys=("port", "protocol")),
        "atomic": node("array", items=TEXT),
        "amap": node("object", additional=TEXT, map_type="atomic"),
        "map": node("object", additional=ITEM),
        "set": node("array", items=NUMBER, list_type="set"),
        "any": node("", preserve_unknown=True),
        "deep": node(
            "object", properties={"a": node("object", properties={"b": NUMBER, "c": NUMBER})}
        ),
        "iors": node("", int_or_string=True),
    },
)
STATUS = node("object", properties={"r": NUMBER, "m": TEXTS})
ROOT = node(
    "object",
    properties={
        "apiVersion": TEXT,
        "kind": TEXT,
        "metadata": METADATA,
        "spec": SPEC,
        "status": STATUS,
    },
)

DEPLOYMENT = facts.schema_of(GVK("apps", "v1", "Deployment"))


def intent(spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """Return an object of the kind to apply or store."""
    obj: dict[str, Any] = {
        "apiVersion": "g/v1",
        "kind": "K",
        "metadata": {"name": "n", "namespace": "d", **metadata},
    }
    return obj if spec is None else {**obj, "spec": spec}


def without_nulls(value: Any) -> Any:
    """Return a value without null entries, as a server stores it."""
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


def deployment(replicas=2, image="web:1", **spec):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "d", "labels": {"app": "web"}},
        "spec": {
            **({} if replicas is None else {"replicas": replicas}),
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [
                        {"name": "web", "image": image, "ports": [{"containerPort": 80}]}
                    ]
                },
            },
            **spec,
        },
    }


def apply(live, obj, manager="me", day=1, schema=DEPLOYMENT, force=False, **arguments):
    return apply_object(
        live,
        obj,
        schema=schema,
        manager=manager,
        force=force,
        now=f"2026-01-{day:02}T00:00:00Z",
        **arguments,
    )


def update(old, new, manager="them", day=1, schema=DEPLOYMENT, **arguments):
    new = copy.deepcopy(new)
    new["metadata"]["managedFields"] = track_update(
        old,
        new,
        schema=schema,
        manager=manager,
        now=f"2026-01-{day:02}T00:00:00Z",
        **arguments,
    )
    return new


def stored(obj):
    """Return an object as the server has it: with an identity of its own."""
    return {**obj, "metadata": {**obj["metadata"], "uid": "u"}}


def managers(obj):
    return {
        (one["manager"], one["operation"]): one for one in obj["metadata"].get("managedFields", ())
    }
