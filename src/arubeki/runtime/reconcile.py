"""The typed reconciler: one object, brought to what it says, from the front to the end.

A run goes: is the object there? is it going away (then cleanup)? is our finalizer on it (before
anything is made that would need cleaning up)? then the user's function, then the status, then the
pruning of dependents that this run did not want any more. Which change woke it is not known here.

On the ring: [workqueue > **reconcile** > client].
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import msgspec

from arubeki.errors import ConfigError, Conflict, NotFound, TimedOut
from arubeki.kinds.base import Dynamic, Object
from arubeki.runtime.cache import Entry, Key, Mark
from arubeki.runtime.context import Context, Function, Plan
from arubeki.runtime.decoding import revision_of
from arubeki.runtime.informer import Informer
from arubeki.runtime.intents import Target
from arubeki.runtime.results import Again
from arubeki.runtime.session import Environment, Session
from arubeki.runtime.shape import (
    finalizers_of,
    generation_of,
    is_deleting,
    kind_of,
    revision_text_of,
    uid_of,
)
from arubeki.runtime.status import observes_generation
from arubeki.runtime.steps import watched

T = TypeVar("T", bound="Object | Dynamic")
R = TypeVar("R", bound="Object | Dynamic")


class Reconciler:
    """Runs a plan: the function that a `Controller` calls with a key."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.kind = kind_of(plan.kind)
        self._observes_generation = observes_generation(plan.kind)

    async def __call__(self, key: Key, session: Session) -> Again | None:
        """Bring the object at `key` to what it says."""
        env = session.env
        entry = self._informer(env).cache.get(key)
        if entry is None:
            session.forget()
            session.record.result = "gone"
            return None
        has_finalizer = self.plan.finalizer in finalizers_of(entry.object)
        if is_deleting(entry.object):
            if self.plan.cleanup is None or not has_finalizer:
                return None
            return await self._clean(entry, session)
        if self.plan.cleanup is not None and not has_finalizer:
            finalizers = [*finalizers_of(entry.object), self.plan.finalizer]
            await self._set_finalizers(entry, finalizers, session)
            entry = self._informer(env).cache.get(key) or entry
        assert self.plan.reconcile is not None
        context: Context[Any] = Context(session, self.plan, entry.object)
        result = await self._run(self.plan.reconcile, context, key)
        if result is None and not context.keeps_all:
            await self._prune(context)
        return result

    async def _run(
        self, function: Function, context: Context[Any], key: Key, *, is_cleanup: bool = False
    ) -> Again | None:
        """Call the user's function and write the status, also when it raised."""
        try:
            result = await self._timed(function, context)
        except Exception as failure:
            if self.plan.on_error:
                context.condition(
                    self.plan.on_error, True, _reason(failure), _line(failure), event=True
                )
            try:
                await self._write_status(context, key, is_whole=False)
            except Exception as second:
                context.log.warning("the status could not be written either: %s", second)
            raise
        if self.plan.on_error and not (
            is_cleanup or self.plan.on_error in context.draft.statements
        ):
            context.condition(self.plan.on_error, False, event=True)
        await self._write_status(context, key, is_whole=result is None and not is_cleanup)
        return result

    async def _timed(self, function: Function, context: Context[Any]) -> Again | None:
        def report(seconds: float) -> None:
            context.log.warning(
                "blocked everything in this process for %.1f s; "
                "await what waits, and put what blocks into asyncio.to_thread",
                seconds,
            )

        limit = asyncio.timeout(self.plan.timeout_seconds or None)
        try:
            async with limit:
                running = function(context.object, context)
                return _checked(await watched(running, report), function)
        except TimeoutError as failure:
            if not limit.expired():
                raise
            text = f"the run took longer than {self.plan.timeout_seconds:g} s"
            raise TimedOut(text) from failure

    # Going away.

    async def _clean(self, entry: Entry[Any], session: Session) -> Again | None:
        assert self.plan.cleanup is not None
        context: Context[Any] = Context(session, self.plan, entry.object)
        result = await self._run(self.plan.cleanup, context, entry.key, is_cleanup=True)
        if result is not None:
            return result
        live = self._informer(session.env).cache.get(entry.key)
        if live is None or live.uid != entry.uid:
            return None
        left = [one for one in finalizers_of(live.object) if one != self.plan.finalizer]
        await self._set_finalizers(live, left, session)
        return None

    async def _set_finalizers(
        self, entry: Entry[Any], finalizers: Sequence[str], session: Session
    ) -> None:
        # Conditional on the revision read, and never an apply: an apply would make the object anew
        # if it went in the meantime.
        patch = {
            "metadata": {
                "finalizers": list(finalizers),
                "resourceVersion": revision_text_of(entry.object),
            }
        }
        try:
            answer = await session.patch(
                self.plan.kind, entry.key.name, entry.key.namespace, patch=patch, type="merge"
            )
        except NotFound:
            session.log.debug("gone before its finalizers were set")
            return
        session.quiet.add(revision_of(revision_text_of(answer)))

    # The end of a run.

    async def _write_status(self, context: Context[Any], key: Key, *, is_whole: bool) -> None:
        env = context.env
        live = self._informer(env).cache.get(key)
        if live is None or live.uid != uid_of(context.object):
            return
        target = Target(self.kind.group, self.kind.kind, key, "status")
        before = await self._last_status(context, target, live)
        if not context.draft and (before is None or not is_whole):
            return
        generation = generation_of(context.object) if self._observes_generation else 0
        status = context.draft.body(live.object, None if is_whole else before, generation)
        flips = context.draft.flips(live.object)
        intent = {
            "apiVersion": self.kind.api_version,
            "kind": self.kind.kind,
            "metadata": {"name": key.name, **({"namespace": key.namespace} if key[0] else {})},
            "status": status,
        }
        await self._apply_status(context, target, intent, is_whole=is_whole)
        for flip in flips:
            context.event(flip.event_type, flip.event_reason, flip.event_message)

    async def _apply_status(
        self, context: Context[Any], target: Target, intent: Mapping[str, Any], *, is_whole: bool
    ) -> None:
        body, before = msgspec.json.encode(intent), context.record.write_count
        try:
            answer = await context.apply_bytes(
                self.plan.kind, target.key, body, subresource="status"
            )
        except NotFound as failure:
            if failure.details.get("name") != target.key.name:
                raise ConfigError(f"{self.kind.plural} have no status subresource") from failure
            context.log.debug("gone before its status was written")
            return
        if not is_whole and context.record.write_count > before:
            context.quiet.add(revision_of(revision_text_of(answer)))
        context.env.statuses[target.key] = cast("dict[str, Any]", intent["status"])

    async def _last_status(
        self, context: Context[Any], target: Target, live: Entry[Any]
    ) -> dict[str, Any] | None:
        """Return what we said last, None when we never did."""
        env = context.env
        if Mark(env.manager, "status") not in live.marks:
            return None
        known = env.statuses.get(target.key)
        if known is None:
            intent = env.intents.last(target, live)
            if intent is None:  # not from the first list: ask, once after a start
                intent = await context.last_intent(target, type(context.object))
            known = env.statuses[target.key] = intent.get("status") or {}
        return known

    async def _prune(self, context: Context[Any]) -> None:
        """Delete the dependents that we applied before and did not want in this run.

        By uid and by our own Apply entry, never by label: a copied label must not cost anyone an
        object.
        """
        mark = Mark(context.env.manager, "")
        for kind in self.plan.owns:
            found = kind_of(kind)
            for entry in context.controlled(kind):
                place = (found.group, found.kind, entry.key)
                if place in context.applied or mark not in entry.marks:
                    continue
                if is_deleting(entry.object):
                    continue
                try:
                    await context.delete(entry.object, propagation="Background")
                except Conflict:
                    context.log.debug("%s %s is another one now", found.kind, entry.key)

    def _informer(self, env: Environment) -> Informer[Any]:
        return env.declared[self.plan.kind]


def _checked(result: Any, function: Any) -> Again | None:
    if result is None or isinstance(result, Again):
        return result
    name = getattr(function, "__name__", function)
    hint = "; raise it" if isinstance(result, BaseException) else ""
    raise TypeError(f"{name} returned {result!r}; expected None or Again(after=seconds){hint}")


def _reason(failure: BaseException) -> str:
    """Return an error's class as a condition's reason, which must begin with a letter."""
    return type(failure).__name__.lstrip("_") or "Error"


def _line(failure: BaseException) -> str:
    lines = str(failure).splitlines()
    return lines[0] if lines else type(failure).__name__
