"""The bridge from kubectl's client-side apply: its annotation with the last intent.

`kubectl apply --server-side` on an object that was applied client-side must not conflict with
kubectl itself, and a later step back must find the annotation true. Only the manager "kubectl" is
treated so.

Part of server-side apply; pure.
"""

from typing import Any

import msgspec

from arubeki.api import names
from arubeki.api.apply import fieldset
from arubeki.api.apply.check import check
from arubeki.api.apply.fieldset import FieldSet
from arubeki.api.apply.managers import Identity
from arubeki.api.apply.plans import said
from arubeki.api.apply.typed import compare
from arubeki.api.schema import Schema

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Where client-side apply keeps the last intent."""

Object = dict[str, Any]


def unexplained(
    contested: dict[Identity, FieldSet], live: Object, intent: Object, shape: Schema
) -> dict[Identity, FieldSet]:
    """Return the conflicts that kubectl's own client-side apply does not explain.

    What the annotation says and the live object still has was kubectl's all along.
    Source: internal/lastappliedmanager.go.
    """
    text = _annotations(live).get(LAST_APPLIED)
    if not isinstance(text, str) or not text:
        return contested
    try:
        last = msgspec.json.decode(text)
        if not isinstance(last, dict) or last.get("apiVersion") != intent.get("apiVersion"):
            return contested
        if check(last, shape):
            return contested
        allowed, _ = said(last, shape)
        for differing in compare(last, live, shape):
            allowed = fieldset.difference(allowed, differing)
    except ValueError:
        return contested
    rest: dict[Identity, FieldSet] = {}
    for identity, fields in contested.items():
        for path in fieldset.paths(fields):
            if not fieldset.has(allowed, path):
                left = rest.get(identity, {})
                rest[identity] = fieldset.union(left, fieldset.of_steps(path))
    return rest


def renewed(result: Object, intent: Object) -> Object:
    """Keep client-side apply's annotation, where there is one, true for a later step back.

    Source: internal/lastappliedupdater.go.
    """
    annotations = _annotations(result)
    if not annotations.get(LAST_APPLIED):
        return result
    bare = dict(intent)
    if LAST_APPLIED in _annotations(intent):
        rest = {key: one for key, one in _annotations(intent).items() if key != LAST_APPLIED}
        bare["metadata"] = {**intent["metadata"], "annotations": rest}
    text = msgspec.json.encode(bare, order="sorted").decode()
    for plain, escaped in (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e")):
        text = text.replace(plain, escaped)
    annotations = {**annotations, LAST_APPLIED: text + "\n"}
    size = sum(len(str(key).encode()) + len(str(one).encode()) for key, one in annotations.items())
    if size > names.ANNOTATIONS_MAX_BYTES:
        del annotations[LAST_APPLIED]
    return {**result, "metadata": {**result["metadata"], "annotations": annotations}}


def _annotations(obj: Object) -> dict[str, Any]:
    metadata = obj.get("metadata")
    found = metadata.get("annotations") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}
