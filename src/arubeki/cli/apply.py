"""`apply`: bring objects into the state that manifests describe, by server-side apply.

Outside the ring: [you > **cli** > client].
"""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from arubeki.cli import failures, manifests
from arubeki.cli.output import print_objects
from arubeki.cli.session import Query, Session, run
from arubeki.cli.targets import place
from arubeki.client.options import PATCH_TYPES
from arubeki.errors import ApiError

_DEFINITION = "CustomResourceDefinition"


def apply(options: Any) -> int:
    """Apply the objects of manifests; what fails does not keep the others back."""
    # Before anything is asked of a server: a slip in a file is told without one.
    documents = manifests.read(options.filename, recursive=options.recursive)
    return run(lambda session, options: _apply(session, options, documents), options)


async def _apply(session: Session, options: Any, documents: Sequence[dict[str, Any]]) -> int:
    coming = _defined(documents)
    shown: list[dict[str, Any]] = []
    status = 0
    for obj in documents:
        try:
            found = await _apply_one(session, options, obj, is_coming=_named(obj) in coming)
        except ApiError as error:
            print(failures.told(_located(error, obj)), file=sys.stderr)
            status = 1
        else:
            shown.append(found)
    if options.output in ("json", "yaml"):
        print_objects(shown, options.output)
    return status


def outcome(live: Mapping[str, Any] | None, found: Mapping[str, Any], manager: str) -> str:
    """Return what an apply did to an object: created, configured or unchanged.

    A dry run leaves the version as it was, and a controller may have moved it in between: what
    counts is what this manager may have changed.
    """
    if live is None:
        return "created"
    return "unchanged" if _content(live, manager) == _content(found, manager) else "configured"


async def _apply_one(
    session: Session, options: Any, obj: dict[str, Any], *, is_coming: bool
) -> dict[str, Any]:
    """Apply one object, say what became of it unless that is shown later, and return it."""
    served, namespace, name = await place(session, options, obj, is_coming=is_coming)
    is_trial = options.dry_run == "server"
    query: Query = {
        "fieldManager": options.field_manager,
        "fieldValidation": "Strict",
        "force": options.force_conflicts,
        "dryRun": "All" if is_trial else "",
    }
    live = await session.object(served.kind, namespace, name)
    found = await session.json(
        "PATCH",
        served.kind.path(namespace, name),
        query,
        body=msgspec.json.encode(obj),
        media_type=PATCH_TYPES["apply"],
    )
    if options.output not in ("json", "yaml"):
        line = f"{served.label}/{name}"
        if options.output != "name":
            line += f" {outcome(live, found, options.field_manager)}" + (
                " (server dry run)" if is_trial else ""
            )
        print(line, flush=True)
    return found


def _content(obj: Mapping[str, Any], manager: str) -> dict[str, Any]:
    """Return what an apply may change of an object, and which of it is the manager's."""
    metadata = obj["metadata"]
    owned = [
        one.get("fieldsV1", {})
        for one in metadata.get("managedFields", ())
        if (one.get("manager"), one.get("operation")) == (manager, "Apply")
    ]
    ours = {key: value for key, value in obj.items() if key not in ("metadata", "status")}
    for name in ("labels", "annotations"):
        ours[name] = [
            {key: value for key, value in metadata.get(name, {}).items() if f"f:{key}" in keys}
            for keys in (one.get("f:metadata", {}).get(f"f:{name}", {}) for one in owned)
        ]
    return {**ours, "owned": owned}


def _defined(documents: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Return the (group, kind) that definitions among the documents bring."""
    found = set()
    for one in documents:
        spec = one.get("spec")
        if one.get("kind") == _DEFINITION and isinstance(spec, dict):
            names = spec.get("names")
            kind = names.get("kind") if isinstance(names, dict) else ""
            found.add((str(spec.get("group")), str(kind)))
    return found


def _named(obj: Mapping[str, Any]) -> tuple[str, str]:
    return str(obj.get("apiVersion")).rpartition("/")[0], str(obj.get("kind"))


def _located(error: ApiError, obj: Mapping[str, Any]) -> ApiError:
    """Return the error with the object's name in it, if it does not say that itself."""
    metadata = obj.get("metadata")
    name = str(metadata.get("name") or "") if isinstance(metadata, dict) else ""
    if not name or re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", error.message):
        return error
    return type(error)(f"{obj['kind']}/{name}: {error.message}", details=error.details)
