"""The node agent: runs the Pods that are bound to its node, and says that it lives.

Two controllers make it. One has the node's Pods as keys: whatever happened to a Pod, at the API or
on this machine, it is told to its `PodLife`, and what that answers is written as the Pod's status.
The other has the node itself as its only key and comes back every ten seconds: it brings the Node
object and its Lease to what they should be.

Processes do not outlive the agent, and Pods are not lost with them: whoever starts again on the same
directory and API runs what should run anew, and clears away what belongs to Pods that are no more.

Beside the ring, as a user of it: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/kubelet.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from arubeki.client.client import Client
from arubeki.errors import Conflict, NotFound
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.net.message import Answer, Request
from arubeki.node import accounts, heartbeat, serving
from arubeki.node.expand import References
from arubeki.node.network.addresses import Block, PodAddresses
from arubeki.node.pod import PodLife, Stage
from arubeki.node.runtimes.base import Runtime
from arubeki.node.site import Objects, Site
from arubeki.node.volumes import remove_tree
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller
from arubeki.runtime.manager import Manager
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session

WORKERS = 8
SETTLE_TURNS = 8
"""How many turns of the loop a fresh Pod gets before its Pending is told. What starts at once, as in
the fake runtime, costs one write then; what takes time tells that it is on its way."""
RETRY_SECONDS = 2.0
"""How soon files that could not be brought up to date are tried again."""
RETRY_LIMIT_SECONDS = 10.0
"""The longest pause before a status that could not be written is tried again."""
FORCED_GRACE_SECONDS = 1.0
"""What a Pod gets whose object is gone already. Source: kubelet, SyncTerminatingRuntimePod."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a node has to give."""

    name: str
    runtime: Runtime
    block: Block
    directory: Path
    capacity: heartbeat.Capacity
    heartbeat_seconds: float = heartbeat.PERIOD_SECONDS


class Node:
    """One node. It is a handler too: the server asks it for logs."""

    def __init__(self, client: Client, machine: Machine) -> None:
        self.name = machine.name
        self.machine = machine
        self._addresses = PodAddresses(machine.block)
        self._lives: dict[Key, PodLife] = {}
        self._tokens = accounts.Tokens()
        self._leaving: dict[PodLife, asyncio.Task[None]] = {}
        self._pods = self._pod_controller()
        self.manager = Manager(
            client,
            [
                self._pods,
                heartbeat.controller(machine.name, self._describe, machine.heartbeat_seconds),
            ],
        )

    @property
    def is_ready(self) -> bool:
        """Whether the API says that this node is Ready, and its Pods are known."""
        if not self.manager.synced():
            return False
        fields = f"metadata.name={self.name}"
        node = self.manager.informers.of(core.Node, fields=fields).get(self.name)
        return node is not None and any(
            one.type == "Ready" and one.status == "True" for one in node.status.conditions or ()
        )

    async def start(self) -> None:
        """Register the node and run what is bound to it."""
        self.machine.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        await self.manager.start()

    async def stop(self) -> None:
        """Stop watching, and end every process; the objects stay as they are."""
        await self.manager.stop()
        await self._kill_all()

    async def kill(self) -> None:
        """Vanish, as a machine does that loses its power."""
        await self.manager.kill()
        await self._kill_all()

    async def _kill_all(self) -> None:
        for task in self._leaving.values():
            task.cancel()
        await asyncio.gather(*self._leaving.values(), return_exceptions=True)
        await asyncio.gather(*(life.kill() for life in (*self._lives.values(), *self._leaving)))
        self._lives.clear()
        self._leaving.clear()

    async def __call__(self, request: Request) -> Answer:
        """Answer the server. Raises: ApiError."""
        return await serving.answer(request, self._life_of)

    def _life_of(self, namespace: str, name: str) -> PodLife | None:
        return self._lives.get(Key(namespace, name))

    def _describe(self) -> heartbeat.Description:
        return heartbeat.Description(
            address=self.machine.block.first,
            pod_addresses=self.machine.block.cidr,
            runtime=self.machine.runtime.name,
            capacity=self.machine.capacity,
        )

    # Its Pods.

    def _pod_controller(self) -> Controller[Key]:
        found = Controller[Key](
            f"kubelet-{self.name}",
            self._reconcile,
            workers=WORKERS,
            manager="kubelet",
            retry_limit_seconds=RETRY_LIMIT_SECONDS,
        )
        found.watch(core.Pod, fields=f"spec.nodeName={self.name}")
        found.watch(core.ConfigMap, self._referring(lambda names: names.config_maps))
        found.watch(core.Secret, self._referring(lambda names: names.secrets))
        found.watch(core.Service, None)
        if self.machine.runtime.mounts_volumes:
            found.watch(core.ServiceAccount, None)
        found.source(self._sweep)
        return found

    def _referring(
        self, names: Callable[[References], frozenset[str]]
    ) -> Callable[[core.ConfigMap | core.Secret], Iterable[Key]]:
        """Return the mapper from an object to the Pods here that refer to it."""

        def mapper(one: core.ConfigMap | core.Secret) -> Iterable[Key]:
            for key, life in self._lives.items():
                if key.namespace == one.namespace and one.name in names(life.references):
                    yield key

        return mapper

    async def _sweep(self) -> AsyncIterator[Key]:
        """Remove what an earlier agent left of Pods that are gone since; wakes nobody."""
        try:
            places = list((self.machine.directory / "pods").iterdir())
        except FileNotFoundError:
            places = []
        known = {pod.uid for pod in self._pods.lookup.list(core.Pod)}
        for place in places:
            if place.name not in known:
                _remove(place)
                await asyncio.sleep(0)
        nobody: tuple[Key, ...] = ()
        for key in nobody:
            yield key

    async def _reconcile(self, key: Key, session: Session) -> Again | None:
        """Bring one Pod on this machine to what the API says, and the API to what is here."""
        pod = await session.get(core.Pod, key.name, key.namespace)
        life = self._lives.get(key)
        if life is not None and (pod is None or pod.uid != life.pod.uid):
            self._see_off(key, life)
            life = None
        if pod is None or pod.spec.nodeName != self.name:
            session.forget()
            return None
        pod = self._with_account(pod)
        next_seconds = await self._tokens.renew(pod, session)
        is_current = True
        if life is not None:
            is_current = life.update(pod)
        else:
            life = await self._begin(key, pod)
        if pod.deleting:
            life.stop(float(pod.metadata.deletionGracePeriodSeconds or 0))
        await self._write(life, session)
        if pod.deleting and life.stage is Stage.GONE:
            await self._finish(key, life, session)
        if not is_current:
            next_seconds = min(next_seconds, RETRY_SECONDS)
        return Again(next_seconds) if math.isfinite(next_seconds) else None

    def _with_account(self, pod: core.Pod) -> core.Pod:
        """Return the Pod as it is run: with what its programs need to ask the API."""
        if not self.machine.runtime.mounts_volumes:
            return pod  # nobody would find it
        name = pod.spec.serviceAccountName or "default"
        return accounts.with_account(
            pod, self._pods.lookup.get(core.ServiceAccount, name, pod.namespace)
        )

    async def _begin(self, key: Key, pod: core.Pod) -> PodLife:
        life = PodLife(pod, self._site(pod), lambda: self._pods.enqueue(key, "its life goes on"))
        self._lives[key] = life
        if not pod.deleting:
            life.start()
            for _ in range(SETTLE_TURNS):
                if life.settled.is_set():
                    break
                await asyncio.sleep(0)
        return life

    async def _write(self, life: PodLife, session: Session) -> None:
        """Write what the life has to say, if that is new."""
        while life.events:
            told = life.events.popleft()
            session.event_about(life.pod, told.type, told.reason, told.message)
        pod = life.pod
        try:
            await session.apply(
                core.Pod(
                    metadata=meta.ObjectMeta(name=pod.name, namespace=pod.namespace, uid=pod.uid),
                    status=life.status(),
                ),
                subresource="status",
            )
        except (NotFound, Conflict):
            return  # another Pod has the name by now, or none: the watch tells

    async def _finish(self, key: Key, life: PodLife, session: Session) -> None:
        """Tell the server that nothing is left, upon which it removes the object."""
        try:
            await session.delete(life.pod, grace_seconds=0)
        except Conflict:
            return  # it is gone, and another one has its name: the watch tells
        if self._lives.get(key) is life and not life.pod.metadata.finalizers:
            del self._lives[key]
            self._tokens.forget(life.pod.uid)
            _remove(life.site.directory)

    def _see_off(self, key: Key, life: PodLife) -> None:
        """End what is left of a Pod whose object is gone. Its successor need not wait for that."""
        del self._lives[key]
        self._tokens.forget(life.pod.uid)

        async def leave() -> None:
            life.stop(FORCED_GRACE_SECONDS)
            await life.gone.wait()
            del self._leaving[life]
            _remove(life.site.directory)

        task = asyncio.get_running_loop().create_task(leave(), name=f"the rest of {key}")
        self._leaving[life] = task

    def _site(self, pod: core.Pod) -> Site:
        return Site(
            runtime=self.machine.runtime,
            directory=self.machine.directory / "pods" / pod.uid,
            objects=self._objects,
            services=self._services,
            allocatable=self.machine.capacity.allocatable(),
            take_address=lambda uid: self._addresses.allocate(uid, pod.status.podIP or ""),
            release_address=self._addresses.release,
            host_address=self.machine.block.first,
            tokens=self._tokens.of,
            token_fault=lambda uid: self._tokens.faults.get(uid, ""),
        )

    def _objects(self, namespace: str, names: References) -> Objects:
        lookup = self._pods.lookup
        config_maps = {
            name: lookup.get(core.ConfigMap, name, namespace) for name in names.config_maps
        }
        secrets = {name: lookup.get(core.Secret, name, namespace) for name in names.secrets}
        return (
            {name: one for name, one in config_maps.items() if one is not None},
            {name: one for name, one in secrets.items() if one is not None},
        )

    def _services(self, namespace: str) -> Sequence[core.Service]:
        lookup = self._pods.lookup
        found = list(lookup.list(core.Service, namespace))
        if namespace != "default":
            api = lookup.get(core.Service, "kubernetes", "default")
            found += [api] if api is not None else []
        return found


def _remove(directory: Path) -> None:
    """Remove a Pod's directory; one that cannot be removed is left to the next start."""
    try:
        remove_tree(directory)
    except OSError as error:
        logger.warning("%s cannot be removed: %s", directory, error)
