"""The main job, shown step by step: `make demo`.

Two nodes start in this process, with the MarkdownView controller. A manifest is applied with kubectl
(with `arubeki apply` where there is none), its page is fetched through the Service, and then things
are broken and changed one after the other. After each step it is printed what was done, what
reconciled and why, and how long it took. On a terminal it stays until Ctrl-C; otherwise it ends with
status 0 if every step came true, 1 if one did not.

    python demo.py [--runtime auto|sandbox|plain]
"""

import argparse
import asyncio
import contextlib
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# Pods are processes here, so the viewer is this interpreter and the file beside this one.
os.environ["MARKDOWN_VIEWER"] = shlex.join([sys.executable, str(HERE / "viewer.py")])
sys.path.insert(0, str(HERE))

import controller  # noqa: E402

from arubeki import Client, Cluster, NotFound  # noqa: E402
from arubeki.api import documents  # noqa: E402
from arubeki.cli.lines import causes, describe  # noqa: E402
from arubeki.kinds import apps_v1 as apps  # noqa: E402
from arubeki.kinds import core_v1 as core  # noqa: E402
from arubeki.kinds import pods  # noqa: E402
from arubeki.net.tls import write_private  # noqa: E402
from arubeki.runtime.install import install  # noqa: E402
from arubeki.runtime.trace import Record  # noqa: E402

NAME, NAMESPACE = "hello", "default"
VIEWER = f"viewer-{NAME}"
DEADLINE_SECONDS = 60.0
LINES_SHOWN = 9


class Failed(Exception):
    """A step did not come true."""


class Demo:
    """The cluster, and what the steps need of it."""

    def __init__(self, cluster: Cluster, kubeconfig: Path) -> None:
        self.cluster = cluster
        self.client: Client = cluster.client()
        self.kubeconfig = kubeconfig
        self.records: list[Record] = []
        cluster.trace.subscribe(self.records.append)

    # What a step may ask.

    async def pods(self) -> list[core.Pod]:
        """Return the viewer's Pods that count and are ready."""
        found = await self.client.list(
            core.Pod, NAMESPACE, labels=f"app.kubernetes.io/instance={NAME}"
        )
        return [pod for pod in found if pods.is_active(pod) and pods.is_ready(pod)]

    async def page(self) -> str:
        """Return the page as the Service answers it; "" while it does not."""
        host, port = await self.address()
        try:
            async with asyncio.timeout(2):
                reader, writer = await asyncio.open_connection(host, port)
                writer.write(b"GET / HTTP/1.0\r\nHost: viewer\r\n\r\n")
                answer = (await reader.read()).decode()
                writer.close()
        except (OSError, TimeoutError):
            return ""
        head, _, body = answer.partition("\r\n\r\n")
        return body if " 200 " in head.partition("\r\n")[0] else ""

    async def address(self) -> tuple[str, int]:
        """Return where the Service is to be reached on this machine."""
        try:
            service = await self.client.get(core.Service, VIEWER, NAMESPACE)
        except NotFound:
            return "127.0.0.1", 9
        address = service.spec.clusterIP or ""
        return self.cluster.service_address(address, 80) or (address, 80)

    async def until(self, what: str, holds: Callable[[], Awaitable[Any]]) -> Any:
        """Wait until something holds, and return it. Raises: Failed."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not (found := await holds()):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise Failed(f"{what} did not come true in {DEADLINE_SECONDS:.0f} s") from None
        return found

    async def command(self, *words: str) -> str:
        """Run a command against the cluster and return its output. Raises: Failed."""
        process = await asyncio.create_subprocess_exec(
            *words,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise Failed(f"{shlex.join(words)}: {output.decode().strip()}")
        return output.decode()

    async def change(self, patch: dict[str, Any]) -> None:
        """Change the MarkdownView."""
        await self.client.patch(controller.MarkdownView, NAME, NAMESPACE, patch)

    @asynccontextmanager
    async def step(self, title: str) -> AsyncIterator[None]:
        """Print what a step did, what reconciled and why, and how long it took."""
        print(f"\n== {title}", flush=True)
        first, begun = len(self.records), time.monotonic()
        yield
        seconds = time.monotonic() - begun
        lines = [line for record in self.records[first:] if (line := _line(record))]
        for line in lines[:LINES_SHOWN]:
            print(f"   {line}")
        if len(lines) > LINES_SHOWN:
            print(f"   … and {len(lines) - LINES_SHOWN} more")
        print(f"   came true in {seconds:.2f} s", flush=True)


def _line(record: Record) -> str:
    did = describe(record)
    if did == "nothing to do":
        return ""
    why = causes(record)
    return f"{record.controller}: {did}" + (f"  because {why}" if why else "")


# The steps, in their order.


async def applied(demo: Demo) -> None:
    """Apply the manifest, and read the page through the Service."""
    kubectl = shutil.which("kubectl")
    tool = [kubectl] if kubectl else [sys.executable, "-m", "arubeki"]
    words = [*tool, "apply", "-f", str(HERE / "app.yaml")]
    async with demo.step(f"{'kubectl' if kubectl else 'arubeki'} apply -f app.yaml"):
        await demo.command(*words)
        await demo.until("the page", demo.page)
    host, port = await demo.address()
    print(f"\n   http://{host}:{port}/ answers through the Service {VIEWER}:\n")
    print("".join(f"   | {line}\n" for line in (await demo.page()).splitlines()))


async def shown(demo: Demo) -> None:
    """Show what belongs to the MarkdownView."""
    print("== what belongs to it: arubeki tree markdownview/hello\n", flush=True)
    tree = await demo.command(sys.executable, "-m", "arubeki", "tree", f"markdownview/{NAME}")
    print("".join(f"   {line}\n" for line in tree.splitlines()), end="", flush=True)


async def pod_killed(demo: Demo) -> None:
    """Delete the Pod; another takes its place."""
    (old,) = await demo.pods()

    async def another() -> bool:
        return any(pod.uid != old.uid for pod in await demo.pods()) and bool(await demo.page())

    async with demo.step(f"a Pod is killed ({old.name}), and comes back"):
        await demo.client.delete(core.Pod, old.name, NAMESPACE, grace_seconds=1)
        await demo.until("another Pod", another)


async def files_deleted(demo: Demo) -> None:
    """Delete the ConfigMap; it comes back as it was."""
    name = f"markdowns-{NAME}"
    old = await demo.client.get(core.ConfigMap, name, NAMESPACE)

    async def back() -> bool:
        found = await demo.client.list(core.ConfigMap, NAMESPACE)
        return any(
            one.name == name and one.uid != old.uid and one.data == old.data for one in found
        )

    async with demo.step("the ConfigMap is deleted, and comes back"):
        await demo.client.delete(core.ConfigMap, name, NAMESPACE)
        await demo.until("the ConfigMap", back)


async def scaled(demo: Demo) -> None:
    """Ask for two viewers; each node gets one."""

    async def on_both() -> bool:
        return len({pod.spec.nodeName for pod in await demo.pods()}) == 2

    async with demo.step("replicas 1 → 2, one on each node"):
        await demo.change({"spec": {"replicas": 2}})
        await demo.until("two Pods on two nodes", on_both)


async def edited(demo: Demo) -> None:
    """Change the text; the mounted file changes, and the page with it."""

    async def changed() -> bool:
        return "New words" in await demo.page()

    async with demo.step("the text is edited, and the page changes"):
        await demo.change({"spec": {"markdowns": {"SUMMARY.md": "# New words\n"}}})
        await demo.until("the new page", changed)


async def node_stopped(demo: Demo) -> None:
    """Let a node vanish; what ran there runs elsewhere."""
    name = (await demo.pods())[0].spec.nodeName or ""

    async def elsewhere() -> bool:
        found = await demo.pods()
        return len(found) == 2 and all(pod.spec.nodeName != name for pod in found)

    async with demo.step(f"{name} stops, and its Pod goes elsewhere"):
        await demo.cluster.stop_node(name)
        await demo.until("two Pods on the other node", elsewhere)
    await demo.cluster.start_node(name)


async def deleted(demo: Demo) -> None:
    """Delete the MarkdownView; everything that belonged to it goes."""

    async def gone() -> bool:
        for kind in (core.Pod, core.ConfigMap, apps.Deployment, apps.ReplicaSet, core.Service):
            found = await demo.client.list(kind, NAMESPACE)
            if any(one.name.endswith(NAME) or VIEWER in one.name for one in found):
                return False
        return True

    async with demo.step("the MarkdownView is deleted, and everything is gone"):
        await demo.client.delete(controller.MarkdownView, NAME, NAMESPACE)
        await demo.until("an empty namespace", gone)


STEPS = (
    applied, shown, pod_killed, files_deleted, scaled, edited, node_stopped, deleted,
)  # fmt: skip


async def main(runtime: str) -> int:
    """Run the demo and return its exit status."""
    begun = time.monotonic()
    # A node that is silent counts as lost after 3 s here, and its Pods go a second later: in a
    # cluster of machines these are 50 s and 5 minutes.
    async with Cluster(
        nodes=2, runtime=runtime, node_grace_seconds=3, eviction_seconds=1
    ) as cluster:
        await cluster.wait_ready()
        print(f"cluster ready at {cluster.url} in {time.monotonic() - begun:.2f} s: two nodes")
        for notice in cluster.notices:
            print(f"note: {notice}")
        with tempfile.TemporaryDirectory() as folder:
            kubeconfig = Path(folder) / "config"
            write_private(kubeconfig, documents.dump(cluster.kubeconfig()).encode())
            demo = Demo(cluster, kubeconfig)
            await install(demo.client, [controller.app])
            await cluster.run(controller.app)
            try:
                for step in STEPS:
                    await step(demo)
            except Failed as failure:
                print(f"\nFAILED: {failure}", file=sys.stderr)
                return 1
            print(f"\nevery step came true, in {time.monotonic() - begun:.1f} s")
            if sys.stdout.isatty():
                await applied(demo)
                print("Ctrl-C ends it.")
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
    return 0


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Show the MarkdownView example, step by step.")
    parser.add_argument(
        "--runtime",
        choices=("auto", "sandbox", "plain"),
        default="auto",
        help="what runs the Pods; auto is a sandbox where there can be one",
    )
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(options().runtime)))
    except KeyboardInterrupt:
        sys.exit(130)  # before its end, so not every step came true
