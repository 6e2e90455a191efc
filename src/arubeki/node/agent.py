"""The node agent: runs the Pods that are bound to its node, and says that it lives.

Two controllers make it. One has the node's Pods as keys: whatever happened to a Pod, at the API or
on this machine, it is told to its `PodLife`, and what that answers is written as the Pod's status.
The other has the node itself as its only key and comes back every ten seconds: it brings the Node
object and its Lease to what they should be.

Beside the ring, as a user of it: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/kubelet.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from arubeki.client.client import Client
from arubeki.errors import Conflict, NotFound
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds import pods
from arubeki.net.message import Answer, Request
from arubeki.node import expand, heartbeat, serving
from arubeki.node.expand import Surroundings
from arubeki.node.network.addresses import Block, PodAddresses
from arubeki.node.pod import PodLife, Site, Stage
from arubeki.node.runtimes.base import Runtime
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller
from arubeki.runtime.manager import Manager
from arubeki.runtime.session import Session

DEFAULT_GRACE_SECONDS = 30


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
        self._client = client
        self._addresses = PodAddresses(machine.block)
        self._lives: dict[str, PodLife] = {}
        self._uids: dict[Key, str] = {}
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
        await asyncio.gather(*(life.kill() for life in self._lives.values()))
        self._lives.clear()

    async def __call__(self, request: Request) -> Answer:
        """Answer the server. Raises: ApiError."""
        return await serving.answer(request, self._life_of)

    def _life_of(self, namespace: str, name: str) -> PodLife | None:
        return self._lives.get(self._uids.get(Key(namespace, name), ""))

    def _describe(self) -> heartbeat.Description:
        return heartbeat.Description(
            address=self.machine.block.first,
            cidr=self.machine.block.cidr,
            runtime=self.machine.runtime.name,
            capacity=self.machine.capacity,
        )

    # Its Pods.

    def _pod_controller(self) -> Controller[Key]:
        found = Controller[Key](
            f"kubelet-{self.name}", self._reconcile, workers=4, manager="kubelet"
        )
        found.watch(core.Pod, fields=f"spec.nodeName={self.name}")

        def referring(place: str) -> Iterable[Key]:
            """Wake the Pods here that refer to an object of a namespace."""
            for life in tuple(self._lives.values()):
                if life.pod.namespace == place:
                    yield Key(life.pod.namespace, life.pod.name)

        def of_config_map(one: core.ConfigMap) -> Iterable[Key]:
            for key in referring(one.namespace):
                life = self._life_of(*key)
                if life and one.name in expand.references(life.pod).config_maps:
                    yield key

        def of_secret(one: core.Secret) -> Iterable[Key]:
            for key in referring(one.namespace):
                life = self._life_of(*key)
                if life and one.name in expand.references(life.pod).secrets:
                    yield key

        found.watch(core.ConfigMap, of_config_map)
        found.watch(core.Secret, of_secret)
        found.watch(core.Service, None)
        found.source(self._lost)
        return found

    async def _lost(self) -> AsyncIterator[Key]:
        """Wake Pods that were deleted while nobody here watched: none after a fresh start."""
        for life in tuple(self._lives.values()):
            yield Key(life.pod.namespace, life.pod.name)

    async def _reconcile(self, key: Key, session: Session) -> None:
        """Bring one Pod on this machine to what the API says, and the API to what is here."""
        pod = await session.get(core.Pod, key.name, key.namespace)
        former = self._lives.get(self._uids.get(key, ""))
        if former is not None and (pod is None or pod.uid != former.pod.uid):
            await self._drop(key, former)
        if pod is None or pod.spec.nodeName != self.name:
            return
        life = self._lives.get(pod.uid)
        if life is None:
            if pods.is_terminal(pod) and not pod.deleting:
                return  # it has ended, here or before: nothing is left to do
            life = self._begin(key, pod)
        else:
            life.update(pod)
        if pod.deleting:
            grace = pod.metadata.deletionGracePeriodSeconds
            life.stop(grace if isinstance(grace, int) else DEFAULT_GRACE_SECONDS)
        await self._write(life, session)
        if pod.deleting and life.stage is Stage.GONE:
            await self._finish(key, life, session)

    def _begin(self, key: Key, pod: core.Pod) -> PodLife:
        site = Site(
            runtime=self.machine.runtime,
            directory=self.machine.directory / "pods" / pod.uid,
            surroundings=self._surroundings,
            take_address=lambda uid: self._addresses.allocate(uid, pod.status.podIP or ""),
            release_address=self._addresses.release,
            host_address=self.machine.block.first,
        )
        life = PodLife(pod, site, lambda: self._pods.enqueue(key, "its containers changed"))
        self._lives[pod.uid] = life
        self._uids[key] = pod.uid
        if not pod.deleting:
            life.start()
        return life

    async def _write(self, life: PodLife, session: Session) -> None:
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
        await session.delete(life.pod, grace_seconds=0)
        await self._drop(key, life)

    async def _drop(self, key: Key, life: PodLife) -> None:
        self._lives.pop(life.pod.uid, None)
        if self._uids.get(key) == life.pod.uid:
            del self._uids[key]
        await life.kill()
        life.forget()

    def _surroundings(self, pod: core.Pod, address: str) -> Surroundings:
        lookup = self._pods.lookup
        wanted = expand.references(pod)
        services = [*lookup.list(core.Service, pod.namespace)]
        if pod.namespace != "default":
            services += [
                one for one in lookup.list(core.Service, "default") if one.name == "kubernetes"
            ]
        return Surroundings(
            config_maps={
                one.name: one
                for one in lookup.list(core.ConfigMap, pod.namespace)
                if one.name in wanted.config_maps
            },
            secrets={
                one.name: one
                for one in lookup.list(core.Secret, pod.namespace)
                if one.name in wanted.secrets
            },
            services=services,
            pod_ips=(address,) if address else (),
            host_ips=(self.machine.block.first,),
            allocatable=self.machine.capacity.allocatable(),
        )
