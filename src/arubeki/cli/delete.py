"""`delete`: ask for objects to be deleted, and wait until they are gone.

Outside the ring: [you > **cli** > client].
"""

import asyncio
import contextlib
import sys
from typing import Any

import msgspec

from arubeki.cli import durations, failures
from arubeki.cli.failures import Misuse
from arubeki.cli.session import Session, run
from arubeki.cli.targets import Target, said, targets
from arubeki.client.options import delete_options
from arubeki.errors import ApiError, Expired, NotFound, TimedOut

_LONG_SECONDS = 7 * 86_400.0
"""How long to wait when nothing is said. Source: kubectl pkg/cmd/delete (168h)."""
_FORCED = "what is deleted by force may go on running for a while; nobody waits for its end"


def delete(options: Any) -> int:
    """Delete objects."""
    if not all(name for _, name in said(options)) and not (
        options.all or options.selector or options.field_selector
    ):
        raise Misuse("say which: a name, a selector with -l, or --all")
    grace = _grace(options)
    wait_seconds = durations.seconds(options.timeout) or _LONG_SECONDS
    if grace == 0:
        print(f"warning: {_FORCED}", file=sys.stderr)
    return run(lambda session, options: _delete(session, options, grace, wait_seconds), options)


async def _delete(session: Session, options: Any, grace: int | None, wait_seconds: float) -> int:
    asked = await targets(session, options)
    status = 0
    gone: list[tuple[Target, str, str]] = []
    for listed in asked:
        for target in await _named(session, options, listed):
            for name in target.names:
                try:
                    uid = await _delete_one(session, options, target, name, grace)
                except ApiError as error:
                    if not (isinstance(error, NotFound) and _is_forgiven(options, listed)):
                        print(failures.told(error), file=sys.stderr)
                        status = 1
                else:
                    gone.append((target, name, uid))
    if not gone and not any(listed.names for listed in asked):
        print("No resources found")
    if options.wait and not options.force:
        await _wait(session, gone, wait_seconds)
    return status


def _grace(options: Any) -> int | None:
    """Return the seconds of grace that are asked for, None when the object's own are.

    Source: kubectl pkg/cmd/delete: 0 becomes 1 unless forced, so that no data are lost by a slip.
    """
    seconds: int | None = options.grace_period
    if options.now:
        if seconds is not None:
            raise Misuse("--now and --grace-period cannot be said together")
        seconds = 1
    if options.force:
        if seconds:
            raise Misuse("--force and --grace-period greater than 0 cannot be said together")
        return 0
    if seconds is not None and seconds < 0:
        return None
    return 1 if seconds == 0 else seconds


def _is_forgiven(options: Any, listed: Target) -> bool:
    """Whether it is no failure that an object is not there: it was asked for by what it is like."""
    return bool(options.ignore_not_found) or not listed.names


async def _named(session: Session, options: Any, target: Target) -> list[Target]:
    """Return the target with its names: one for each namespace that has some."""
    if target.names:
        return [target]
    kind = target.served.kind
    found = await session.pages(
        kind, target.namespace, labels=options.selector, fields=options.field_selector
    )
    by_namespace: dict[str, list[str]] = {}
    for one in found["items"]:
        metadata = one["metadata"]
        by_namespace.setdefault(metadata.get("namespace") or "", []).append(metadata["name"])
    return [Target(target.served, space, names) for space, names in by_namespace.items()]


async def _delete_one(
    session: Session, options: Any, target: Target, name: str, grace: int | None
) -> str:
    """Delete an object, say so, and return its uid if the server tells it."""
    body = delete_options(grace_seconds=grace, propagation=options.cascade.capitalize())
    path = target.served.kind.path(target.namespace, name)
    found = await session.json("DELETE", path, body=msgspec.json.encode(body))
    if options.output == "name":
        print(f"{target.served.label}/{name}", flush=True)
    else:
        how = "force deleted" if options.force else "deleted"
        print(f'{target.served.label} "{name}" {how}', flush=True)
    place = "details" if found.get("kind") == "Status" else "metadata"
    return str((found.get(place) or {}).get("uid") or "")


async def _wait(
    session: Session, gone: list[tuple[Target, str, str]], timeout_seconds: float
) -> None:
    """Wait until all of them are no more. Raises: TimedOut."""
    name = ""
    try:
        async with asyncio.timeout(timeout_seconds):
            for target, name, uid in gone:
                await _until_gone(session, target, name, uid)
    except TimeoutError:
        raise TimedOut(
            f"timed out waiting until {target.served.qualified}/{name} is gone\n"
            "help: a finalizer may hold it: get it with -o yaml and see metadata.finalizers"
        ) from None


async def _until_gone(session: Session, target: Target, name: str, uid: str) -> None:
    """Wait until the object of that uid is no more; another of the same name does not count."""
    kind = target.served.kind
    while True:
        live = await session.object(kind, target.namespace, name)
        if live is None or (uid and live["metadata"].get("uid") != uid):
            return
        query = {
            "fieldSelector": f"metadata.name={name}",
            "resourceVersion": live["metadata"]["resourceVersion"],
        }
        try:
            changes = session.watch(kind.path(target.namespace), query)
            async with contextlib.aclosing(changes):
                async for change, _ in changes:
                    if change == "DELETED":
                        return
        except Expired:
            continue  # much has happened since: look again
