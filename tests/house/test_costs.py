"""What must not creep in: imports that nobody needs, tasks and requests that nobody sees.

`make bench` measures times; here is counted what they come from.
"""

import asyncio
import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from arubeki import Cluster, clock
from arubeki.kinds import meta_v1 as meta
from arubeki.net import http1
from arubeki.runtime.install import install
from arubeki.runtime.trace import Record
from arubeki.server.access import Access
from tests.server.support import ADMIN, CONFIG_MAPS, World, config_map

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "markdown_view" / "controller.py"

# What takes milliseconds to import.
HEAVY = {
    "aiohttp",
    "arubeki.cluster",
    "arubeki.kinds.core_v1",
    "arubeki.server",
    "asyncio",
    "cryptography",
    "grpc",
    "httptools",
    "msgspec",
    "prometheus_client",
    "re2",
    "sqlite3",
    "ssl",
    "uvloop",
    "wsproto",
    "yaml",
}
# What a cluster in memory never needs.
UNUSED = {"aiohttp", "arubeki.client.https", "arubeki.storage.etcd", "arubeki.storage.sqlite",
          "arubeki.server.openapi", "google.protobuf", "grpc", "prometheus_client", "pytest",
          "sqlite3", "wsproto"}  # fmt: skip


def modules_after(program: str) -> set[str]:
    """Run a program in an interpreter of its own and return what it had imported in the end."""
    program += "\nimport sys, json; print(); print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not HEAVY & modules_after("import arubeki")


def test_the_help_loads_nothing_heavy() -> None:
    program = (
        "import contextlib\nfrom arubeki.cli import main\n"
        "with contextlib.suppress(SystemExit):\n    main(['--help'])"
    )
    assert not HEAVY & modules_after(program)


def test_the_plugin_loads_nothing_heavy_beyond_pytest() -> None:
    before = modules_after("import pytest, _pytest.config")
    assert not HEAVY & (modules_after("import pytest, arubeki.check.plugin") - before)


def test_a_heavy_import_would_be_seen() -> None:
    assert {"arubeki.cluster", "msgspec", "ssl"} <= HEAVY & modules_after("import arubeki.cluster")


def test_a_cluster_in_memory_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    program = (
        "import json, sys\nfrom arubeki.cli import main, up\n"
        "up.ready_block = lambda *_: json.dumps(sorted(sys.modules))\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    options = ["up", "--memory", "--runtime", "fake", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *options, "--kubeconfig", str(tmp_path / "config")],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        loaded = set(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert "arubeki.storage.memory" in loaded
    assert not UNUSED & loaded


class Tasks:
    """Counts the tasks that a loop makes."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, loop: asyncio.AbstractEventLoop, coro: Any, **more: Any) -> Any:
        self.count += 1
        return asyncio.Task(coro, loop=loop, **more)


async def asked(peer: Any, method: str, path: str, body: bytes = b"") -> bytes:
    """Send a request over a connection and return the answer's body."""
    reader, writer = peer
    head = f"{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer t\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    assert lines[0].split()[1] in (b"200", b"201"), lines
    lengths = [line.split(b":")[1] for line in lines if line.startswith(b"content-length")]
    return await reader.readexactly(int(lengths[0]))


def test_neither_a_read_nor_a_write_makes_a_task() -> None:
    async def main() -> None:
        access = Access()
        access.authenticator.add_token("t", ADMIN)
        world = World(access=access)
        await world.app.start()
        server = await http1.serve(world.app, "127.0.0.1", 0)
        peer = await asyncio.open_connection("127.0.0.1", server.port)
        await asked(peer, "GET", CONFIG_MAPS)
        tasks = Tasks()
        asyncio.get_running_loop().set_task_factory(tasks)
        await asked(peer, "POST", CONFIG_MAPS, json.dumps(config_map("one")).encode())
        await asked(peer, "GET", f"{CONFIG_MAPS}/one")
        await asked(peer, "GET", CONFIG_MAPS)
        assert tasks.count == 0
        asyncio.get_running_loop().create_task(asyncio.sleep(0))
        assert tasks.count == 1, "tasks are not counted at all"
        asyncio.get_running_loop().set_task_factory(None)
        peer[1].close()
        await server.close(0)
        await world.app.stop()

    asyncio.run(main())


def test_a_reconciler_that_has_nothing_to_do_sends_nothing() -> None:
    spec = importlib.util.spec_from_file_location("markdown_view_controller", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    controller = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(controller)
    wakes: asyncio.Queue[Any] = asyncio.Queue()

    @controller.views.source
    async def woken() -> Any:
        while True:
            yield await wakes.get()

    async def main() -> list[Record]:
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
            records: list[Record] = []
            cluster.trace.subscribe(records.append)
            wakes.put_nowait(view)
            await cluster.settle()
        return [one for one in records if one.controller == "markdown-view"]

    (record,) = clock.run_virtual(main())
    assert (record.result, record.requests) == ("success", 0)
    assert record.skipped >= 3
