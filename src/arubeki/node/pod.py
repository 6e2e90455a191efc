"""One Pod's life on its node: surroundings, init containers, containers, the end.

A task walks through that life once, from the front: volumes and address, init containers one after
the other, then all containers beside each other, until they have ended for good or the Pod is told
to stop. It writes nothing to the API: what it does can be read as a status, and the agent, told that
something changed, writes that.

Below the node agent. Source: kubernetes pkg/kubelet/kubelet.go SyncPod, pod_workers.go.
"""

import asyncio
import contextlib
import enum
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from arubeki import clock
from arubeki.kinds import core_v1 as core
from arubeki.kinds.base import UNSET
from arubeki.node import expand, status, volumes
from arubeki.node.container import RETRY_SECONDS, Life, Place
from arubeki.node.expand import ContainerConfigError, Surroundings
from arubeki.node.runtimes.base import Command, PodSandbox, Runtime

EVENTS_LIMIT = 100
DEFAULT_GRACE_SECONDS = 30


class Stage(enum.Enum):
    """How far a Pod has come."""

    STARTING = "its surroundings are being made"
    RUNNING = "its containers run, or wait to"
    ENDED = "its containers have ended for good"
    STOPPING = "its containers are being ended"
    GONE = "nothing of it is left but its logs"


@dataclass(frozen=True, slots=True)
class Told:
    """An Event to be written about a Pod."""

    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Site:
    """What a node gives to its Pods."""

    runtime: Runtime
    directory: Path
    surroundings: Callable[[core.Pod, str], Surroundings]
    take_address: Callable[[str], str]
    release_address: Callable[[str], None]
    host_address: str


class PodLife:
    """A Pod on this node. Made by the agent, which tells it of changes and asks for its status."""

    def __init__(self, pod: core.Pod, site: Site, changed: Callable[[], None]) -> None:
        self.pod = pod
        self.site = site
        self.stage = Stage.STARTING
        self.events: deque[Told] = deque(maxlen=EVENTS_LIMIT)
        self.address = ""
        self.started_at = pod.status.startTime or clock.timestamp()
        self._changed = changed
        self._retry = asyncio.Event()
        self._volumes = volumes.Volumes(site.directory)
        self._lives: dict[str, Life] = {}
        self._task: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._is_failed = False
        self._has_sandbox = False
        host = bool(pod.spec.hostNetwork)
        self.address = site.host_address if host else site.take_address(pod.uid)
        self._sandbox = PodSandbox(
            uid=pod.uid,
            namespace=pod.namespace,
            name=pod.name,
            directory=site.directory,
            hostname=(pod.spec.hostname or pod.name)[:63],
            ip=self.address,
            host_aliases=tuple(
                (one.ip, tuple(one.hostnames or ())) for one in pod.spec.hostAliases or ()
            ),
            annotations=dict(pod.annotations),
        )
        for spec in (*(pod.spec.initContainers or ()), *(pod.spec.containers or ())):
            self._lives[spec.name] = self._life(spec)

    # What the agent asks and tells.

    def start(self) -> None:
        """Begin its life; what the API says of an earlier one is taken into account."""
        self._task = asyncio.get_running_loop().create_task(
            self._live(), name=f"pod {self.pod.namespace}/{self.pod.name}"
        )

    def update(self, pod: core.Pod) -> None:
        """Take a newer state of the object, or of what it refers to; files change at once."""
        self.pod = pod
        self._retry.set()
        if self.stage is Stage.RUNNING:
            try:
                self._volumes.prepare(pod, self._surroundings())
            except (volumes.MountError, OSError) as error:
                # The files stay as they were, which is what a running program can live with.
                self.tell("Warning", "FailedMount", str(error))

    def tell(self, type: str, reason: str, message: str) -> None:
        """Note an Event; the agent writes it."""
        self.events.append(Told(type, reason, message))

    def stop(self, grace_seconds: float) -> None:
        """End it. Asked again with a shorter grace, it ends sooner."""
        if self.stage is Stage.GONE:
            return
        loop = asyncio.get_running_loop()
        if self._stopping is None or self._stopping.done():
            self._stopping = loop.create_task(self._stop(grace_seconds))
        elif grace_seconds <= 0:
            for life in self._lives.values():
                if life.handle is not None and life.handle.exit is None:
                    task = loop.create_task(life.stop(0))
                    task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def kill(self) -> None:
        """End it at once, as when the machine goes; nothing is told."""
        self._changed = lambda: None
        for task in (self._task, self._stopping):
            if task is not None:
                task.cancel()
        await asyncio.gather(
            *(one for one in (self._task, self._stopping) if one is not None),
            return_exceptions=True,
        )
        await self.site.runtime.remove(self._sandbox)
        self.site.release_address(self.pod.uid)

    def status(self) -> core.PodStatus:
        """Return what the node says of the Pod."""
        inits = self._statuses(self.pod.spec.initContainers or ())
        mains = self._statuses(self.pod.spec.containers or ())
        phase = status.phase(self.pod, inits, mains)
        if self._is_failed:
            phase = "Failed"
        elif self.stage is Stage.GONE and phase in ("Pending", "Running"):
            # Told to stop: the containers are no more, whatever their policy would have wished.
            good = all(
                one.state and one.state.terminated and not one.state.terminated.exitCode
                for one in mains
            )
            phase = "Succeeded" if good else "Failed"
        conditions = status.conditions(self.pod, phase, inits, mains, has_sandbox=self._has_sandbox)
        address = self.address if self._has_sandbox or self._statuses_say_started() else ""
        return core.PodStatus(
            phase=phase,
            observedGeneration=self.pod.generation or UNSET,
            conditions=conditions,
            hostIP=self.site.host_address,
            hostIPs=(core.HostIP(ip=self.site.host_address),),
            podIP=address or UNSET,
            podIPs=(core.PodIP(ip=address),) if address else UNSET,
            startTime=self.started_at,
            initContainerStatuses=tuple(inits) or UNSET,
            containerStatuses=tuple(mains),
        )

    def life(self, container: str) -> Life | None:
        """Return a container's life, for its log."""
        return self._lives.get(container)

    def forget(self) -> None:
        """Remove its directory, logs included: the object is gone."""
        volumes.remove_tree(self.site.directory)

    # Its life.

    async def _live(self) -> None:
        runs = self._resumed()
        if not runs:
            self.stage = Stage.ENDED
            self._changed()
            return
        await self._make_surroundings()
        self.stage = Stage.RUNNING
        self._changed()
        sidecars: list[asyncio.Task[int]] = []
        try:
            good = await self._run_inits(sidecars)
            if not good:
                self._is_failed = True
            else:
                mains = [self._lives[one.name] for one in self.pod.spec.containers or ()]
                await asyncio.gather(*(one.live() for one in mains if one.spec.name in runs))
        finally:
            for task in sidecars:
                task.cancel()
            await asyncio.gather(*sidecars, return_exceptions=True)
        if self._stopping is None:
            await self._end_all(DEFAULT_GRACE_SECONDS)
            await self.site.runtime.remove(self._sandbox)
            self._has_sandbox = False
            self.stage = Stage.ENDED
            self._changed()

    def _resumed(self) -> set[str]:
        """Return the containers that have to run, by what the API says of a life before this."""
        runs = set()
        for name, life in self._lives.items():
            known = status.known(self.pod.status.initContainerStatuses, name) or status.known(
                self.pod.status.containerStatuses, name
            )
            if known is None or life.resume(known):
                runs.add(name)
        mains = {one.name for one in self.pod.spec.containers or ()}
        return runs if runs & mains else set()

    async def _make_surroundings(self) -> None:
        """Make volumes and sandbox; tried until it can be done."""
        while True:
            self._retry.clear()
            try:
                self.site.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._volumes.prepare(self.pod, self._surroundings())
                await self.site.runtime.create(self._sandbox)
                self._has_sandbox = True
                return
            except volumes.MountError as error:
                self.tell("Warning", "FailedMount", str(error))
            except OSError as error:
                self.tell("Warning", "FailedCreatePodSandBox", str(error))
            self._changed()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._retry.wait()

    async def _run_inits(self, sidecars: list[asyncio.Task[int]]) -> bool:
        """Run the init containers, one after the other; False when one has failed for good."""
        loop = asyncio.get_running_loop()
        for spec in self.pod.spec.initContainers or ():
            life = self._lives[spec.name]
            if status.is_sidecar(spec):
                started = asyncio.Event()
                task = loop.create_task(life.live(started))
                sidecars.append(task)
                waiting = loop.create_task(started.wait())
                await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
            elif life.state.terminated and not life.state.terminated.exitCode:
                continue  # done in an earlier life
            elif await life.live():
                return False
        return True

    async def _stop(self, grace_seconds: float) -> None:
        """End all containers, the sidecars last, and clean up."""
        self.stage = Stage.STOPPING
        for life in self._lives.values():
            if life.handle is not None and life.handle.exit is None:
                self.tell("Normal", "Killing", f"Stopping container {life.spec.name}")
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._end_all(grace_seconds)
        await self.site.runtime.remove(self._sandbox)
        self._has_sandbox = False
        self._volumes.remove()
        self.site.release_address(self.pod.uid)
        self.stage = Stage.GONE
        self._changed()

    async def _end_all(self, grace_seconds: float) -> None:
        until = clock.monotonic() + grace_seconds
        mains = {one.name for one in self.pod.spec.containers or ()}
        for group in (True, False):
            left = max(0.0, until - clock.monotonic()) if grace_seconds else 0.0
            lives = [one for name, one in self._lives.items() if (name in mains) is group]
            await asyncio.gather(*(one.stop(left) for one in lives))

    # What its containers are made of.

    def _life(self, spec: core.Container) -> Life:
        policy = self.pod.spec.restartPolicy or "Always"
        inits = {one.name for one in self.pod.spec.initContainers or ()}
        if spec.name in inits:
            policy = "Always" if status.is_sidecar(spec) else policy
            if policy == "Always" and not status.is_sidecar(spec):
                policy = "OnFailure"  # an init container that has done its work is not run again
        place = Place(
            self.site.runtime,
            self._sandbox,
            self._command,
            self._note_change,
            self.tell,
            self._retry,
        )
        life = Life(spec, place, policy)
        if spec.name not in inits and inits:
            life.state = status.waiting("PodInitializing")
        return life

    def _note_change(self) -> None:
        self._changed()

    def _surroundings(self) -> Surroundings:
        return self.site.surroundings(self.pod, self.address)

    def _command(self, spec: core.Container, run: int) -> Command:
        around = self._surroundings()
        if self.site.runtime.needs_command and not spec.command:
            raise ContainerConfigError(
                f"the {self.site.runtime.name} runtime has no images: container "
                f'"{spec.name}" needs a command'
            )
        environment = expand.environment(self.pod, spec, around)
        security = spec.securityContext or self.pod.spec.securityContext
        user = security.runAsUser if security else UNSET
        group = security.runAsGroup if security else UNSET
        return Command(
            container=spec.name,
            argv=expand.command(spec, environment),
            environment=environment,
            log=self.site.directory / "logs" / spec.name / f"{run}.log",
            working_directory=spec.workingDir or "/",
            mounts=self._volumes.mounts(self.pod, spec, environment),
            user=user if isinstance(user, int) else None,
            group=group if isinstance(group, int) else None,
        )

    def _statuses(self, specs: tuple[core.Container, ...]) -> list[core.ContainerStatus]:
        return [self._lives[one.name].status() for one in specs]

    def _statuses_say_started(self) -> bool:
        return any(life.run for life in self._lives.values())
