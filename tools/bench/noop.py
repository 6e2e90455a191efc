"""Runs the MarkdownView example until it is content, then wakes it again and again.

Prints as JSON how many requests those runs sent and what one of them took.
"""

import asyncio
import json
import statistics
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import machine

from arubeki import Cluster
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.cache import Key
from arubeki.runtime.install import install
from arubeki.runtime.trace import Record

EXAMPLE = Path(__file__).parents[2] / "examples" / "markdown_view"
RUNS = 2000


async def _main() -> int:
    sys.path.insert(0, str(EXAMPLE))
    import controller

    wakes: asyncio.Queue[Key] = asyncio.Queue()

    @controller.views.source
    async def woken() -> AsyncIterator[Key]:
        while True:
            yield await wakes.get()

    async with Cluster(runtime="fake", serve=False) as cluster:
        await cluster.wait_ready()
        client = cluster.client()
        await install(client, [controller.app])
        await cluster.run(controller.app)
        view = controller.MarkdownView(
            metadata=meta.ObjectMeta(name="hello", namespace="default"),
            spec=controller.Spec(markdowns={"a.md": "# Hello"}, replicas=2),
        )
        await client.create(view)
        await cluster.settle()
        records = await _wake(cluster, wakes)
    seconds = statistics.median(one.duration_seconds for one in records)
    sent = sum(one.requests for one in records)
    print(json.dumps({"requests": sent, "microseconds": seconds * 1e6}))
    return 0


async def _wake(cluster: Cluster, wakes: "asyncio.Queue[Key]") -> list[Record]:
    """Wake the view's controller, each time when it has run; return the records of the runs."""
    records: list[Record] = []
    ended = asyncio.Event()

    def note(record: Record) -> None:
        if record.controller == "markdown-view":
            records.append(record)
            ended.set()

    remove = cluster.trace.subscribe(note)
    for _ in range(RUNS):
        ended.clear()
        wakes.put_nowait(Key("default", "hello"))
        await ended.wait()
    remove()
    return records


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=machine.new_loop) as runner:
        sys.exit(runner.run(_main()))
