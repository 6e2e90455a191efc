"""What is particular about a kind, in hooks that the verbs call in a fixed order.

A write runs: `reset` (which part of the object this path may write), ownership tracking, `admit`
(values that the cluster fills in), `validate`, `reserve` (what must be taken before the commit), the
commit; a removal ends with `released`. The ordinary strategy does nothing special; a kind overrides
what it needs.

On the ring: [HTTP > **server** > storage]. Source: apiserver pkg/registry/rest/{create,update,delete}.go.
"""

# ruff: noqa: ARG002 - hooks that do nothing have parameters for those that do
from collections.abc import Awaitable, Callable
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.net.message import User
from arubeki.server.resources import Resource

Object = dict[str, Any]
Undo = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """Undo nothing."""


class Strategy:
    """The hooks of a kind; this one is for kinds without particulars."""

    unconditional_update = True
    """Whether a PUT may come without resourceVersion."""
    create_on_update = False
    """Whether a PUT of an absent object creates it."""
    has_generation = False
    """Whether metadata.generation counts the changes of what is desired."""

    is_graceful = False
    """Whether a deletion gives somebody (a node) time to end what the object stands for."""
    says_grace = True
    """Whether an object that is being deleted says how long that may take, be it not at all."""
    orphans = False
    """Whether a deletion that says nothing else leaves the dependents behind."""
    deletion_warning = ""
    """What who deletes without a policy is told."""
    returns_deleted = False
    """Whether DELETE answers the object that is gone, instead of a Status."""

    def name_faults(self, name: str) -> list[str]:
        """Return what is wrong with a name of this kind."""
        return names.dns_subdomain(name)

    def note_user(self, new: Object, user: User) -> None:
        """Note, in a new object, who makes it."""

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """Give back, in `new`, what this path may not write. `old` is None when creating."""
        if subresource == "status" and old is not None:
            self.reset_to_status(new, old)
        elif resource.has_status:
            keep(new, old, "status")

    def reset_to_status(self, new: Object, old: Object) -> None:
        """Give back all but the status and metadata."""
        for name in [name for name in new if name not in ("metadata", "status")]:
            del new[name]
        for name, value in old.items():
            if name not in ("metadata", "status"):
                new[name] = value

    def is_new_generation(self, resource: Resource, new: Object, old: Object) -> bool:
        """Tell whether what is desired has changed."""
        return bool(new.get("spec") != old.get("spec"))

    async def admit(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> None:
        """Fill in, in `new`, what the cluster decides. Raises: ApiError to refuse."""

    def validate(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> list[FieldError]:
        """Return what is wrong with `new` beyond the kind's rules."""
        return []

    def warnings(self, new: Object, old: Object | None, subresource: str) -> list[str]:
        """Return what to tell the writer of an object that is valid."""
        return []

    async def reserve(self, new: Object, old: Object | None, *, dry_run: bool) -> Undo:
        """Take, before the commit, what must not be taken twice; return how to give it back."""
        return nothing

    async def committed(self, new: Object, old: Object | None) -> None:
        """Act on a write that has happened."""

    def check_deletable(self, resource: Resource, obj: Object) -> None:
        """Raise Forbidden if an object may not be deleted."""

    def grace_seconds(self, obj: Object, asked: int | None) -> int:
        """Return how long a deletion waits for the node; 0 where there is none to wait for."""
        return 0

    def begin_deletion(self, obj: Object) -> None:
        """Mark, in `obj`, that its deletion begins, beyond the usual metadata."""

    def holds_back(self, obj: Object) -> bool:
        """Tell whether a deleting object without finalizers must stay still."""
        return False

    async def released(self, obj: Object) -> None:
        """Give back what a removed object had reserved."""


def keep(new: Object, old: Object | None, name: str) -> None:
    """Make a member of `new`, in place, what it is in `old`."""
    if old is not None and name in old:
        new[name] = old[name]
    else:
        new.pop(name, None)


class WithGeneration(Strategy):
    """A kind whose spec is counted by metadata.generation."""

    has_generation = True
