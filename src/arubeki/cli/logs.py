"""`logs`: what a container printed.

Outside the ring: [you > **cli** > client].
"""

import contextlib
import math
import sys
from typing import Any

from arubeki.cli import durations
from arubeki.cli.failures import Misuse
from arubeki.cli.session import Session, run
from arubeki.cli.targets import split
from arubeki.errors import ConfigError, NotFound

_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def logs(options: Any) -> int:
    """Show a container's log."""
    if options.since and options.since_time:
        raise Misuse("--since and --since-time cannot be said together")
    since = math.ceil(durations.seconds(options.since)) if options.since else None
    if since is not None and since <= 0:
        raise Misuse("--since must be above 0")
    if "/" in options.what:
        split([options.what])
    return run(lambda session, options: _logs(session, options, since), options)


async def _logs(session: Session, options: Any, since: int | None) -> int:
    pod = await _pod(session, options.what)
    container = options.container or options.container_name or _container(pod)
    pieces = session.client.logs(
        pod["metadata"]["name"],
        session.namespace,
        container=container,
        follow=options.follow,
        previous=options.previous,
        tail_lines=options.tail if options.tail >= 0 else None,
        since_seconds=since,
        since_time=options.since_time,
        limit_bytes=options.limit_bytes,
        timestamps=options.timestamps,
    )
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
    return 0


def _container(pod: dict[str, Any]) -> str:
    """Return the container to show when none is said: the one the Pod names, else its first.

    Source: kubectl pkg/polymorphichelpers/logsforobject.go.
    """
    names = [one["name"] for one in pod["spec"]["containers"]]
    named: str = (pod["metadata"].get("annotations") or {}).get(_DEFAULT_CONTAINER, "")
    if named in names:
        return named
    if len(names) > 1:
        others = [one["name"] for one in pod["spec"].get("initContainers") or ()]
        known = ", ".join([*names, *(f"{one} (init)" for one in others)])
        print(f'Defaulted container "{names[0]}" out of: {known}', file=sys.stderr)
    return str(names[0])


async def _pod(session: Session, what: str) -> dict[str, Any]:
    """Return the Pod that is meant: itself, or the first of what selects Pods."""
    pods = f"/api/v1/namespaces/{session.namespace}/pods"
    if "/" not in what:
        return await session.json("GET", f"{pods}/{what}")
    ((word, name),) = split([what])
    served = await session.find(word)
    owner = await session.json("GET", served.kind.path(session.namespace, name))
    if served.qualified == "pods":
        return owner
    selector = (owner.get("spec") or {}).get("selector") or {}
    labels = selector.get("matchLabels", selector)
    if not labels or not all(isinstance(value, str) for value in labels.values()):
        raise ConfigError(f"{what} does not select Pods by labels")
    text = ",".join(f"{key}={value}" for key, value in labels.items())
    found = (await session.json("GET", pods, {"labelSelector": text}))["items"]
    if not found:
        raise NotFound(f"no Pods found for {what}")
    first: dict[str, Any] = min(found, key=_rank)
    if len(found) > 1:
        print(f"Found {len(found)} pods, using pod/{first['metadata']['name']}", file=sys.stderr)
    return first


def _rank(pod: dict[str, Any]) -> tuple[bool, str, str]:
    """Running ones first, then the oldest: what has the most to tell."""
    metadata = pod["metadata"]
    runs = (pod.get("status") or {}).get("phase") == "Running"
    return not runs, metadata["creationTimestamp"], metadata["name"]
