"""What a run says of its object: collected, then written as one apply to the status subresource.

Status is what the *current* run found. After a run that returned normally, a condition or field it
did not mention is given up; after one that raised or wants to go on later, what was said before
stays and what this run said is laid over it.

On the ring: [reconcile > **status** > client].
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import msgspec

from arubeki import clock
from arubeki.runtime.shape import conditions_of

NEGATIVE = frozenset(("Degraded", "Failed", "Failure", "Stalled", "Stuck"))
"""Conditions that are bad when they are true; the others are bad when they are not."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One condition as the reconciler said it. `status` None means Unknown."""

    type: str
    status: bool | None
    reason: str
    message: str
    event: bool

    @property
    def text(self) -> str:
        """The status on the wire."""
        return "Unknown" if self.status is None else str(self.status)

    @property
    def is_bad(self) -> bool:
        """Whether it says that something is not as it should be."""
        return self.status is None or self.status is (self.type in NEGATIVE)

    @property
    def reason_given(self) -> str:
        """The reason, or what stands for one that was not given: Kubernetes demands one."""
        if self.reason:
            return self.reason
        if self.status is None:
            return "Unknown"
        return "NotAsExpected" if self.is_bad else "AsExpected"

    @property
    def event_type(self) -> str:
        """How an Event about it is to be taken."""
        return "Warning" if self.is_bad else "Normal"

    @property
    def event_reason(self) -> str:
        """What an Event about it is called."""
        return self.reason or self.type

    @property
    def event_message(self) -> str:
        """What an Event about it says."""
        return self.message or f"{self.type} is {self.text}"


class Draft:
    """The status of one run, until it is written."""

    def __init__(self) -> None:
        self.statements: dict[str, Statement] = {}
        self.fields: dict[str, Any] = {}

    def __bool__(self) -> bool:
        """Whether anything was said."""
        return bool(self.statements or self.fields)

    def say(self, statement: Statement) -> None:
        """Note a condition; the last word on a type counts."""
        self.statements[statement.type] = statement

    def body(self, live: Any, before: Mapping[str, Any] | None, generation: int) -> dict[str, Any]:
        """Return the status to apply.

        `live` is the object as it is now (its conditions tell what flips), `before` what is to stay
        from our last status, `generation` that of the object the run saw; 0 leaves it out.
        """
        status = {**(before or {}), **self.fields}
        known = {str(one.get("type")): one for one in conditions_of(live)}
        kept = {str(one.get("type")): one for one in status.pop("conditions", ())}
        for statement in self.statements.values():
            kept[statement.type] = _condition(statement, known.get(statement.type), generation)
        if kept:
            status["conditions"] = [kept[name] for name in sorted(kept)]
        return status

    def flips(self, live: Any) -> list[Statement]:
        """Return the conditions to be reported by an Event: those whose status changes now."""
        known = {str(one.get("type")): one.get("status") for one in conditions_of(live)}
        return [
            one
            for one in self.statements.values()
            # A condition that begins well is no news.
            if one.event
            and known.get(one.type) != one.text
            and (one.type in known or one.event_type == "Warning" or one.status)
        ]


def _condition(
    statement: Statement, live: Mapping[str, Any] | None, generation: int
) -> dict[str, Any]:
    """Source: apimachinery pkg/api/meta/conditions.go SetStatusCondition."""
    is_same = live is not None and live.get("status") == statement.text
    since = live.get("lastTransitionTime") if live is not None and is_same else None
    found: dict[str, Any] = {
        "type": statement.type,
        "status": statement.text,
        "reason": statement.reason_given,
        "message": statement.message,
        "lastTransitionTime": since or clock.timestamp(),
    }
    if generation:
        found["observedGeneration"] = generation
    return found


def fields_of(given: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a struct or mapping and `fields` say, as plain JSON."""
    said = {} if given is None else msgspec.to_builtins(given)
    return {**said, **msgspec.to_builtins(dict(fields))}


def observes_generation(cls: type[Any]) -> bool:
    """Whether a kind's conditions have the field (built-in kinds older than it do not)."""
    if issubclass(cls, dict):
        return True
    structs = _structs(cls, ("status", "conditions"))
    return any("observedGeneration" in one.__struct_fields__ for one in structs)


def status_fields(cls: type[Any]) -> tuple[str, ...] | None:
    """Return the names of the status' fields on the wire: none where a kind has no status, None where
    its class does not say.
    """
    if issubclass(cls, dict):
        return None
    if getattr(cls, "STATUS", Any) is None:
        return ()
    if all(one.encode_name != "status" for one in msgspec.structs.fields(cls)):
        return ()
    structs = _structs(cls, ("status",))
    return tuple(one.encode_name for one in msgspec.structs.fields(structs[0])) if structs else None


def _structs(hint: Any, path: tuple[str, ...]) -> list[Any]:
    """Return the Struct classes that lie under `path` of a class, through unions and sequences."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        if not path:
            return [hint]
        for one in msgspec.structs.fields(hint):
            if one.encode_name == path[0]:
                return _structs(one.type, path[1:])
        return []
    return [found for inner in get_args(hint) for found in _structs(inner, path)]
