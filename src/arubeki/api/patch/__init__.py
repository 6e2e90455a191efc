"""Changing an object by a patch: JSON patch, merge patch, strategic merge patch.

Each returns a new object that shares unchanged subtrees with its arguments, which stay as they are.
The fourth form, server-side apply, is `arubeki.api.apply`.

Part of api/, used by the server's PATCH. Pure.
"""

from arubeki.api.patch.jsonpatch import json_patch
from arubeki.api.patch.mergepatch import merge_patch
from arubeki.api.patch.strategic import strategic_merge

__all__ = ["json_patch", "merge_patch", "strategic_merge"]
