"""What we applied last, so that an apply which would change nothing is not sent.

Never compare the desired object with the live one: defaulting, admission and other managers make
them differ for ever, and every framework that compared them has looped. Compare what *we* said and
what *we* own: if the intent is byte for byte the last one, and the set of fields that the server
notes as ours is unchanged, then nobody has touched any of them, because the server takes a field
away from a manager as soon as another one changes or removes it
(structured-merge-diff merge/update.go). What others do to their own fields costs nothing.

After a restart nothing is remembered: then our fields are extracted from the live object, and are
the last intent.

On the ring: [reconcile > **intents** > client].
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from arubeki.runtime.cache import Entry, Key, Mark
from arubeki.runtime.likeness import is_same

KEYS_LIMIT = 100_000
"""How many keys' intents are remembered."""


class Target(NamedTuple):
    """What an apply is addressed to."""

    group: str
    kind: str
    key: Key
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """An apply that the server answered. `fields` is the hash of what we own since, None when the
    server keeps no managedFields; then `revision` stands for it.
    """

    digest: int
    uid: str
    fields: int | None
    revision: int


class Intents:
    """The last intents of one controller, by the key whose run applied them.

    `forget` drops all of a key when its object is gone; past `KEYS_LIMIT` the oldest key goes,
    which costs no more than an apply too many.
    """

    def __init__(self, manager: str) -> None:
        """Remember the applies of the field manager `manager`."""
        self.manager = manager
        self._known: dict[Hashable, dict[Target, Intent]] = {}

    def forget(self, key: Hashable) -> None:
        """Drop what was remembered for a key."""
        self._known.pop(key, None)

    def remember(self, key: Hashable, target: Target, body: bytes, answer: Entry[Any]) -> None:
        """Note that `body` was applied and answered with `answer`."""
        self._known.setdefault(key, {})[target] = Intent(
            hash(body), answer.uid, self._fields(answer, target), answer.revision
        )
        if len(self._known) > KEYS_LIMIT:
            del self._known[next(iter(self._known))]

    def is_applied(
        self, key: Hashable, target: Target, body: bytes, live: Entry[Any] | None
    ) -> bool:
        """Whether applying `body` to the object, cached as `live`, would change nothing."""
        if live is None:
            return False
        fields = self._fields(live, target)
        known = self._known.get(key, {}).get(target)
        if known is None:
            if fields is None or live.raw is None or not self._is_last_intent(target, body, live):
                return False
            self.remember(key, target, body, live)
            if len(live.marks) == 1:
                live.raw = None  # it has told all it could
            return True
        if known.digest != hash(body) or known.uid != live.uid:
            return False
        if known.fields is None:
            return fields is None and known.revision == live.revision
        return known.fields == fields

    def last(self, target: Target, live: Entry[Any]) -> dict[str, Any] | None:
        """Return our last intent as the live object tells it; None when its JSON is not kept."""
        if live.raw is None or self._fields(live, target) is None:
            return None
        from arubeki.api.apply import extract

        return extract(msgspec.json.decode(live.raw), self.manager, target.subresource)

    def _is_last_intent(self, target: Target, body: bytes, live: Entry[Any]) -> bool:
        last = self.last(target, live)
        return last is not None and is_same(body, last, live.uid)

    def _fields(self, entry: Entry[Any], target: Target) -> int | None:
        return entry.marks.get(Mark(self.manager, target.subresource))
