"""A whole cluster in one process.

The order of the start is that of the ring: storage, server, controllers and scheduler, nodes. Each
part knows only its client; that the client calls the server's handler without a socket is decided
here. The end is the start backwards.

Above both halves.
"""

import asyncio
import errno
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from arubeki import controllers, scheduler
from arubeki.client import kubeconfig
from arubeki.client.client import Client
from arubeki.client.transport import InProcessTransport
from arubeki.cluster import identity, network
from arubeki.cluster.machines import Machines
from arubeki.cluster.options import DEFAULT_PORT, PORT_TRIES, Options
from arubeki.controllers.serviceaccount import DEFAULT
from arubeki.errors import ConfigError
from arubeki.kinds import core_v1 as core
from arubeki.net import http1, tls
from arubeki.net.message import User
from arubeki.node.services import Services
from arubeki.runtime.app import App
from arubeki.runtime.manager import Manager
from arubeki.runtime.trace import Trace
from arubeki.server.access import Access
from arubeki.server.app import App as Server
from arubeki.server.bootstrap import NAMESPACES
from arubeki.server.core import Settings
from arubeki.server.wire import stamp
from arubeki.storage.base import Storage

HOST = "127.0.0.1"
STOP_SECONDS = 5.0
"""How long one part of the cluster may take to stop before the next one is stopped."""
GRACE_SECONDS = 2.0
"""How long a user's reconcile may go on when the cluster stops."""
_SCHEDULER = "default-scheduler"

logger = logging.getLogger(__name__)


class Cluster:
    """A cluster that lives in this process. Use it as an async context, or `start` and `stop` it."""

    def __init__(self, options: Options | None = None, **wishes: Any) -> None:
        """Take the options, whole or one by one: `Cluster(nodes=2, runtime="fake")`.

        Raises: ConfigError.
        """
        self.options = options or Options(**wishes)
        self.trace = Trace()
        self.machines = Machines(self.options, self._client)
        self.notices: list[str] = []
        """What the user should know: a port that was taken, a runtime that does not work."""
        self.port = 0
        self._storage: Storage | None = None
        self._server: Server | None = None
        self._listener: http1.Server | None = None
        self._manager: Manager | None = None
        self._services: Services | None = None
        self._network: network.Network | None = None
        self._identity: identity.Identity | None = None
        self._admin: tls.Pair | None = None
        self._managers: list[Manager] = []
        self._clients: list[Client] = []

    async def __aenter__(self) -> "Cluster":
        await self.start()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.stop()

    # Life.

    async def start(self) -> None:
        """Start everything; `wait_ready` tells when it works.

        Raises: StorageError, ConfigError; nothing is left running then.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        storage = self._storage = make_storage(self.options)
        await storage.open()
        access = Access()
        settings = Settings(eviction_seconds=self.options.eviction_seconds)
        if self.options.serve:
            self._identity = await identity.load(storage)
            access.authenticator.add_token(self._identity.token, identity.ADMIN)
            self._network = await network.claim(
                storage, is_shared=self.options.is_etcd, is_real=self.options.runtime != "fake"
            )
            settings.service_network = self._network.cidr or settings.service_network
            if self._network.notice:
                self.notices.append(self._network.notice)
        server = self._server = Server(
            storage, access=access, nodes=self.machines.find, settings=settings
        )
        if self._identity is not None:
            await self._listen(server, self._identity, settings)
        await server.start()
        await self._start_controllers(server)
        server.readiness["nodes"] = self.machines.unready
        await self.machines.start()
        if self.machines.runtime_reason:
            self.notices.append(f"Pods run without a sandbox: {self.machines.runtime_reason}")

    async def _start_controllers(self, server: Server) -> None:
        found = controllers.built_in(
            node_grace_seconds=self.options.node_grace_seconds,
            authority=self._identity.authority if self._identity is not None else None,
            issue_token=server.lasting_token,
        )
        found.append(scheduler.controller())
        if self._network is not None and self._network.is_served:
            self._services = Services(HOST)
            found.append(self._services.controller)
        self._manager = Manager(
            self._client(User("system:kube-controller-manager", ("system:authenticated",))),
            found,
            client_for=self._controller_client,
            trace=self.trace,
        )
        server.readiness["controllers"] = self._manager.unsynced
        server.readiness["default-objects"] = self._missing_defaults
        await self._manager.start()

    async def stop(self) -> None:
        """Stop everything, and end every process of every Pod.

        A part that fails to stop, or takes too long, does not keep the others from it.
        """
        for part, end in self._ends():
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await end()
            except TimeoutError:
                logger.warning("%s did not stop within %g s", part, STOP_SECONDS)
            except Exception:
                logger.exception("%s did not stop in good order", part)
        if self._network is not None:
            self._network.close()
        self._managers.clear()
        self._clients.clear()
        self._listener = self._manager = self._services = self._server = self._storage = None
        self._network = None

    def _ends(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """Yield each part that was started with what ends it, in the order of the end."""
        for manager in reversed(self._managers):
            yield "an app", manager.stop
        yield "a node", self.machines.stop
        if self._listener is not None:
            listener = self._listener
            yield "the port", lambda: listener.close(grace_seconds=0.5)
        if self._manager is not None:
            yield "a controller", self._manager.stop
        if self._services is not None:
            yield "a Service", self._services.close
        if self._server is not None:
            yield "the server", self._server.stop
        for client in self._clients:
            yield "a client", client.close
        if self._storage is not None:
            yield "the storage", self._storage.close

    async def wait_ready(self, timeout_seconds: float = 30.0) -> None:
        """Wait until /readyz would say so.

        Raises: TimeoutError that says what is missing.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                while self.unready():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise TimeoutError(f"the cluster is not ready: {self.unready()}") from None

    def unready(self) -> str:
        """Say what the cluster waits for, "" when it is ready."""
        if self._server is None:
            return "it is not started"
        failed = {name: check() for name, check in self._server.readiness.items()}
        return "; ".join(f"{name}: {why}" for name, why in failed.items() if why)

    # Use.

    @property
    def url(self) -> str:
        """Where the API is: `https://127.0.0.1:6443`."""
        return f"https://{HOST}:{self.port}"

    def client(self, user: User | None = None) -> Client:
        """Return a client in this process, the administrator's unless another user is given."""
        return self._client(user or identity.ADMIN)

    async def run(self, app: App) -> Manager:
        """Run an app's controllers in this process until the cluster stops."""
        user = User(app.name, ("system:masters", "system:authenticated"))
        manager = Manager(
            self._client(user, app.name), [app], trace=self.trace, grace_seconds=GRACE_SECONDS
        )
        self._managers.append(manager)
        await manager.start()
        return manager

    async def settle(self, timeout_seconds: float = 60.0, quiet_seconds: float = 0.05) -> None:
        """Wait until no controller, scheduler or node has anything to do for a little while.

        Raises: TimeoutError.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_seconds
        while True:
            managers = [
                *([self._manager] if self._manager else []),
                *self._managers,
                *(node.manager for node in self.machines.nodes.values()),
            ]
            before = sum(one.trace.count for one in managers)
            for one in managers:
                await one.settle(quiet_seconds, max(0.1, until - loop.time()))
            if sum(one.trace.count for one in managers) == before:
                return
            if loop.time() > until:
                raise TimeoutError("the cluster does not come to rest")

    async def stop_node(self, name: str) -> None:
        """Let a node vanish with all that runs on it, as if its power had failed."""
        await self.machines.stop_node(name)

    async def start_node(self, name: str) -> None:
        """Start a node that was stopped."""
        await self.machines.start_node(name)

    def kubeconfig(self) -> dict[str, Any]:
        """Return a kubeconfig for the administrator, with its certificates in it."""
        cluster, user = self.kubeconfig_entries()
        context = {"cluster": "arubeki", "user": "arubeki"}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "arubeki",
            "clusters": [{"name": "arubeki", "cluster": cluster}],
            "users": [{"name": "arubeki", "user": user}],
            "contexts": [{"name": "arubeki", "context": context}],
        }

    def kubeconfig_entries(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the `cluster` and the `user` of a kubeconfig. Raises: ConfigError without a port."""
        if self._identity is None:
            raise ConfigError("this cluster has no port, so there is no kubeconfig for it")
        if self._admin is None:
            self._admin = self._identity.client(identity.ADMIN)
        cluster = kubeconfig.cluster_entry(self.url, self._identity.authority.certificate)
        return cluster, kubeconfig.user_entry(pair=self._admin)

    @property
    def token(self) -> str:
        """The administrator's bearer token. Raises: ConfigError without a port."""
        if self._identity is None:
            raise ConfigError("this cluster has no port, so there is no token for it")
        return self._identity.token

    def service_address(self, address: str, port: int) -> tuple[str, int] | None:
        """Return where a Service's address and port are really to be reached, None if nowhere."""
        found = self._services.listening.get((address, port)) if self._services else None
        return found.actual if found else None

    # Parts.

    def _client(self, user: User, manager: str = "arubeki") -> Client:
        assert self._server is not None, "the cluster is not started"
        client = Client(InProcessTransport(self._server, user), manager=manager)
        self._clients.append(client)
        return client

    def _controller_client(self, name: str) -> Client:
        user = "system:kube-scheduler" if name == _SCHEDULER else f"system:controller:{name}"
        return self._client(User(user, ("system:authenticated",)), name)

    def _missing_defaults(self) -> str:
        """Say whether what every cluster has is there: a readiness check.

        The server makes namespaces and the Service `kubernetes` before it starts; the accounts come
        from a controller, and no Pod can be made without one.
        """
        assert self._manager is not None
        fields = f"metadata.name={DEFAULT}"
        accounts = self._manager.informers.of(core.ServiceAccount, fields=fields)
        namespaces = self._manager.informers.of(core.Namespace)
        present = [one for one in NAMESPACES if one == DEFAULT or namespaces.get(one) is not None]
        missing = [one for one in present if accounts.get(DEFAULT, one) is None]
        return f"no default ServiceAccount in {', '.join(missing)}" if missing else ""

    async def _listen(self, server: Server, who: identity.Identity, settings: Settings) -> None:
        """Open the port. Raises: ConfigError when the one asked for is taken."""
        first = settings.service_network.rpartition(".")[0] + ".1"
        context = tls.server_context(who.server(first), who.authority.certificate)
        asked = self.options.port
        tries = [asked] if asked is not None else range(DEFAULT_PORT, DEFAULT_PORT + PORT_TRIES)
        for port in tries:
            try:
                self._listener = await http1.serve(server, HOST, port, tls=context)
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise ConfigError(
                        f"cannot listen on {HOST}:{port}: {os.strerror(error.errno or 0)}\n"
                        "help: --port gives another one, 0 any that is free"
                    ) from error
        else:
            raise ConfigError(
                f"port {asked} is taken\nhelp: leave --port out to get the next free one"
                if asked is not None
                else f"no port from {DEFAULT_PORT} to {DEFAULT_PORT + PORT_TRIES - 1} is free"
            )
        self.port = settings.port = self._listener.port
        if asked is None and self.port != DEFAULT_PORT:
            self.notices.append(f"port {DEFAULT_PORT} is taken, so this is {self.port}")


def make_storage(options: Options) -> Storage:
    """Return the storage that the options ask for, not open yet."""
    if options.is_etcd:
        try:
            from arubeki.storage.etcd import EtcdStorage
        except ImportError as error:
            raise ConfigError(
                f"storage in etcd needs more packages ({error.name} is missing)\n"
                "help: pip install 'arubeki[etcd]'"
            ) from error
        return EtcdStorage(str(options.storage), prefix="/", stamp=stamp)
    if options.directory is not None:
        from arubeki.storage.sqlite import SqliteStorage

        return SqliteStorage(options.directory / "state.db", stamp=stamp)
    from arubeki.storage.memory import MemoryStorage

    return MemoryStorage(stamp=stamp)
