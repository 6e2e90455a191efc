"""What is said when an applied intent contradicts other managers.

Part of server-side apply; pure.
Source: apimachinery pkg/util/managedfields/internal/conflict.go, pkg/api/errors NewApplyConflict.
"""

from collections.abc import Mapping

from arubeki.api.apply.fieldset import FieldSet, ordered, path_text, paths
from arubeki.api.apply.managers import UPDATE, Identity, identity_text
from arubeki.api.fields import shown
from arubeki.errors import Conflict


def conflict(contested: Mapping[Identity, FieldSet]) -> Conflict:
    """Return the one error that names every field, of every manager, that is contested."""
    causes = []
    listed = []
    for identity in sorted(contested, key=identity_text):
        manager = _manager_text(identity)
        fields = [path_text(path) for path in paths(ordered(contested[identity]))]
        causes += [
            {
                "reason": "FieldManagerConflict",
                "message": f"conflict with {manager}",
                "field": field,
            }
            for field in fields
        ]
        listed.append(f"conflicts with {manager}:")
        listed += [f"- {field}" for field in fields]
    if len(causes) == 1:
        only = causes[0]
        message = f"Apply failed with 1 conflict: {only['message']}: {only['field']}"
    else:
        message = f"Apply failed with {len(causes)} conflicts: " + "\n".join(listed)
    return Conflict(message, details={"causes": causes})


def _manager_text(identity: Identity) -> str:
    manager, operation, api_version, subresource = identity
    text = shown(manager)
    if subresource:
        text += f" with subresource {shown(subresource)}"
    return f"{text} using {api_version}" if operation == UPDATE else text
