"""Server-side apply: who wants what of an object, and what becomes of it.

A manager applies an *intent*, the fields it has an opinion on. The server lays it over the live
object, remembers in `metadata.managedFields` which fields each manager spoke of, takes away what a
manager no longer says and nobody else owns, and refuses (or, forced, takes over) what another
manager owns with a different value. Plain updates are tracked the same way: what an update changes,
its manager owns.

Read `fieldset` (sets of paths) and `shape` (how a schema divides an object) first, then `typed`
and `merge`, then `operations`, which is the whole story.

Part of api/, used by the server on every write; `extract` also by runtime/. Pure.
"""

from arubeki.api.apply.extract import extract
from arubeki.api.apply.operations import apply_object, no_op, track_update

__all__ = ["apply_object", "extract", "no_op", "track_update"]
