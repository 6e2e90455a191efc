"""A cluster for tests, with a face that blocks.

Without a port it lives on a virtual loop, which runs while one of its methods does: hours pass at
once, and nothing happens behind the test's back. With a port (`serve`) or real Pods it lives on an
ordinary loop in a thread of its own, so that any client can talk to it meanwhile.

Beside the ring: for tests.
"""

import asyncio
import builtins
import dataclasses
import importlib
import tempfile
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from arubeki.api import documents
from arubeki.api.objects import Kind
from arubeki.client.client import Client
from arubeki.clock import VirtualLoop
from arubeki.cluster import Cluster, Options
from arubeki.errors import ConfigError, NotFound
from arubeki.kinds.base import Dynamic, Object, to_dict
from arubeki.runtime.app import App
from arubeki.runtime.install import install, kinds_of
from arubeki.runtime.manager import Manager
from arubeki.runtime.shape import kind_of

T = TypeVar("T")
DEFAULT_NAMESPACE = "default"


class LocalCluster:
    """A `Cluster` that is used from ordinary functions: the fixture `cluster`, or a `with` block.

        with LocalCluster(nodes=2) as cluster:
            cluster.run(app)
            cluster.apply("view.yaml")
            cluster.settle()

    Objects are named "kind/name" or by class and name, in the namespace "default" unless said. Every
    method raises the ApiError that the server answers, and ConfigError outside the `with` block.
    """

    def __init__(
        self, *, nodes: int = 1, runtime: str = "fake", serve: bool = False, **options: Any
    ) -> None:
        """Take what `cluster.Options` takes; state is kept in memory unless `storage` says otherwise.

        `nodes`: 0 to 100. `runtime`: "fake" (Pods are status only), "plain", "sandbox" or "auto" (they
        run). `serve`: open a port, for clients of any kind. Time is virtual with neither.
        Raises: ConfigError for options that cannot be.
        """
        known = [one.name for one in dataclasses.fields(Options)]
        if unknown := [one for one in options if one not in known]:
            raise ConfigError(
                f"a cluster has no option {', '.join(unknown)}\nhelp: it has {', '.join(known)}"
            )
        options.setdefault("port", 0)
        self.cluster = Cluster(Options(nodes=nodes, runtime=runtime, serve=serve, **options))
        self._is_virtual = not serve and runtime == "fake"
        self._runner: asyncio.Runner | None = None
        self._thread: threading.Thread | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._classes: dict[Kind, Any] = {}
        self._managers: list[Manager] = []

    def __enter__(self) -> Self:
        if self._is_virtual:
            self._runner = asyncio.Runner(loop_factory=VirtualLoop)
        else:
            self._runner = asyncio.Runner()
            loop = self._runner.get_loop()
            self._thread = threading.Thread(target=loop.run_forever, name="cluster", daemon=True)
            self._thread.start()
        try:
            self._call(self._begin())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        runner = self._runner
        if runner is None:
            return
        self._call(self.cluster.stop())
        if self._thread is not None:
            loop = runner.get_loop()
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
        runner.close()
        self._runner = None
        if self._folder is not None:
            self._folder.cleanup()

    async def _begin(self) -> None:
        await self.cluster.start()
        await self.cluster.wait_ready()

    # What a test does.

    def run(self, *apps: App) -> None:
        """Install the kinds of apps, and run their controllers until the test ends.

        Raises: ConfigError when an app is declared wrongly; TimeoutError when a kind that it
        watches is not served.
        """
        self._classes.update((kind_of(kind), kind) for kind in kinds_of(apps))

        async def start() -> None:
            await install(self.client, apps)
            for app in apps:
                manager = await self.cluster.run(app)
                self._managers.append(manager)
                await manager.wait_synced()

        self._call(start())

    def apply(self, what: Any, *, namespace: str = DEFAULT_NAMESPACE) -> None:
        """Apply objects: a manifest's path or text, a dict, a typed object, or several of these.

        Raises: Invalid and any other ApiError; ConfigError for what is no object.
        """
        self._call(self._apply(what, namespace))

    def get(self, what: Any, name: str = "", namespace: str = DEFAULT_NAMESPACE) -> Any:
        """Return an object: `get("deployment/web")`, or `get(apps.Deployment, "web")`.

        By word, built-in kinds and those of the apps that run come typed, others as `Dynamic`.
        Raises: NotFound.
        """
        return self._call(self._get(what, name, namespace))

    def list(
        self, what: Any, namespace: str = DEFAULT_NAMESPACE, *, labels: str = ""
    ) -> builtins.list[Any]:
        """Return the objects of a kind (`"pods"`, or a class); namespace "" means all."""
        return self._call(self._list(what, namespace, labels))

    def exists(self, what: Any, name: str = "", namespace: str = DEFAULT_NAMESPACE) -> bool:
        """Whether there is an object."""
        try:
            self.get(what, name, namespace)
        except NotFound:
            return False
        return True

    def delete(
        self,
        what: Any,
        name: str = "",
        namespace: str = DEFAULT_NAMESPACE,
        *,
        propagation: str = "Background",
    ) -> None:
        """Delete an object. Raises: NotFound."""
        self._call(self._delete(what, name, namespace, propagation))

    def patch(self, what: Any, patch: Mapping[str, Any], namespace: str = DEFAULT_NAMESPACE) -> Any:
        """Merge a patch into an object (`patch("deployment/web", {"spec": {...}})`)."""

        async def send() -> Any:
            kind, name, place = await self._place(what, "", namespace)
            return await self.client.patch(kind, name, place, patch)

        return self._call(send())

    def settle(self, timeout_seconds: float = 60.0) -> None:
        """Run until no controller, scheduler or node has anything to do.

        What only waits for time to pass (`Again`, `every`, a grace period) counts as nothing to do.
        Raises: TimeoutError that says who is at work after `timeout_seconds` of the cluster's time.
        """
        self._call(self.cluster.settle(timeout_seconds))

    def advance(self, seconds: float) -> None:
        """Let time pass; on a virtual loop at once."""
        self._call(asyncio.sleep(seconds))

    def wait(self, holds: Callable[[], bool], timeout_seconds: float = 30.0) -> None:
        """Let time pass until something holds.

        Raises: TimeoutError that says who is still at work, after `timeout_seconds` of the cluster's
        time.
        """
        loop = self._loop()
        until = loop.time() + timeout_seconds
        while not holds():
            if loop.time() > until:
                busy = "; ".join(filter(None, (one.busy() for one in self._managers)))
                text = f"it did not come true in {timeout_seconds:g} s"
                raise TimeoutError(f"{text}; still at work: {busy}" if busy else text)
            self.advance(0.05)

    def call(self, function: Callable[[Client], Awaitable[T]]) -> T:
        """Run an async function with a client of the cluster, and return its result."""

        async def run() -> T:
            return await function(self.client)

        return self._call(run())

    def stop_node(self, name: str) -> None:
        """Let a node vanish with all that runs on it."""
        self._call(self.cluster.stop_node(name))

    def start_node(self, name: str) -> None:
        """Start a node that was stopped."""
        self._call(self.cluster.start_node(name))

    @property
    def client(self) -> Client:
        """The administrator's client, for use within `call`."""
        return self._client

    @property
    def url(self) -> str:
        """Where the API is, with `serve`."""
        return self.cluster.url

    @property
    def kubeconfig(self) -> str:
        """The path of a kubeconfig, with `serve`; the file goes when the test ends."""
        if self._folder is None:
            from arubeki.net.tls import write_private

            self._folder = tempfile.TemporaryDirectory(prefix="arubeki-")
            content = self._call(self._kubeconfig())
            write_private(Path(self._folder.name) / "config", content)
        return str(Path(self._folder.name) / "config")

    async def _kubeconfig(self) -> bytes:
        return documents.dump(self.cluster.kubeconfig()).encode()

    # How.

    def _loop(self) -> asyncio.AbstractEventLoop:
        if self._runner is None:
            raise ConfigError("the cluster is used outside its `with` block")
        return self._runner.get_loop()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            loop = self._loop()
        except ConfigError:
            work.close()
            raise
        if self._thread is None:
            assert self._runner is not None
            return self._runner.run(work)
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    @property
    def _client(self) -> Client:
        if not hasattr(self, "_made_client"):
            self._made_client = self.cluster.client()
        return self._made_client

    async def _apply(self, what: Any, namespace: str) -> None:
        for obj in _objects(what):
            plain = to_dict(obj) if isinstance(obj, Object) else obj
            if not isinstance(plain, Mapping) or not {"apiVersion", "kind"} <= plain.keys():
                raise ConfigError(
                    f"this is no object: {_shown(plain)}\n"
                    "help: give a manifest's path or text, a dict with apiVersion and kind, "
                    "or a typed object"
                )
            plain = {"metadata": {}, **plain}
            kind = await self.client.kind_of(plain["apiVersion"], plain["kind"])
            if kind.namespaced:
                plain["metadata"] = {"namespace": namespace, **plain["metadata"]}
            await self.client.apply(plain, kind=kind)

    async def _get(self, what: Any, name: str, namespace: str) -> Any:
        kind, name, place = await self._place(what, name, namespace)
        return await self.client.get(kind, name, place)

    async def _list(self, what: Any, namespace: str, labels: str) -> Any:
        kind = await self._kind(what)
        return await self.client.list(
            kind, namespace if kind.KIND.namespaced else "", labels=labels
        )

    async def _delete(self, what: Any, name: str, namespace: str, propagation: str) -> None:
        kind, name, place = await self._place(what, name, namespace)
        await self.client.delete(kind, name, place, propagation=propagation)

    async def _place(self, what: Any, name: str, namespace: str) -> tuple[Any, str, str]:
        if isinstance(what, str) and not name:
            what, _, name = what.partition("/")
        if not name:
            raise ConfigError("say which: `kind/name`, or a kind and a name")
        kind = await self._kind(what)
        return kind, name, namespace if kind.KIND.namespaced else ""

    async def _kind(self, what: Any) -> Any:
        if not isinstance(what, str):
            return what
        word = what.lower()
        for again in (False, True):
            for one in await self.client.discovery.served(refresh=again):
                if one.answers_to(word):
                    return self._classes.get(one.kind) or class_of(one.kind)
        raise NotFound(f'the server doesn\'t have a resource type "{what}"')


def class_of(kind: Kind) -> Any:
    """Return the typed class of a built-in kind, else a class of dynamic objects."""
    module = f"{kind.group.partition('.')[0] or 'core'}_{kind.version}"
    try:
        found = getattr(importlib.import_module(f"arubeki.kinds.{module}"), kind.kind)
    except (ImportError, AttributeError):
        return Dynamic.of(kind)
    return found if found.KIND.group == kind.group else Dynamic.of(kind)


def _shown(what: Any) -> str:
    text = repr(what)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _objects(what: Any) -> list[Any]:
    if isinstance(what, Object | Mapping):
        return [what]
    if isinstance(what, Path):
        return documents.load_all(what.read_text(encoding="utf-8"))
    if isinstance(what, str):
        text = what
        if "\n" not in what and what.endswith((".yaml", ".yml", ".json")):
            if not Path(what).is_file():
                raise ConfigError(f"there is no file {what} in {Path.cwd()}")
            text = Path(what).read_text(encoding="utf-8")
        return documents.load_all(text)
    return [obj for one in what for obj in _objects(one)]
