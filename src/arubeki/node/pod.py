"""One Pod's life on its node: surroundings, init containers, containers, the end.

A task walks through that life once, from the front: volumes and address, init containers one after
the other, then all containers beside each other, until they have ended for good or the Pod is told
to stop; then another task ends what is left. Neither writes to the API: what happens can be read as
a status, and the agent, told that something changed, writes that. Whatever goes wrong in a task is
logged and tried again.

Below the node agent. Source: kubernetes pkg/kubelet/{kubelet,pod_workers,active_deadline}.go.
"""

import asyncio
import contextlib
import enum
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace

from arubeki import clock
from arubeki.errors import ArubekiError
from arubeki.kinds import core_v1 as core
from arubeki.kinds import pods
from arubeki.kinds.base import UNSET
from arubeki.node import expand, recipe, status, volumes
from arubeki.node.container import Life, Place
from arubeki.node.ephemeral import Ephemerals
from arubeki.node.expand import Surroundings
from arubeki.node.runtimes.base import Command, PodSandbox
from arubeki.node.site import Site, Told

logger = logging.getLogger(__name__)

EVENTS_LIMIT = 100
DEFAULT_GRACE_SECONDS = 30.0
HOSTNAME_LIMIT = 63
RETRY_SECONDS, RETRY_LIMIT_SECONDS = 0.5, 120.0
"""How soon what could not be made is tried again, unless a change wakes it. Source: kubelet,
nestedpendingoperations.go."""
_DEADLINE = "Pod was active on the node longer than the specified deadline"


class Stage(enum.Enum):
    """How far a Pod has come."""

    STARTING = "its surroundings are being made"
    RUNNING = "its containers run, or wait to"
    ENDED = "its containers have ended for good"
    STOPPING = "its containers are being ended"
    GONE = "nothing of it is left but its logs"


class PodLife:
    """A Pod on this node. Made by the agent, which tells it of changes and asks for its status.

    What the API says of an earlier life, before the agent was away, is taken into account.
    """

    def __init__(self, pod: core.Pod, site: Site, changed: Callable[[], None]) -> None:
        self.pod = pod
        self.site = site
        self.references = expand.references(pod)
        self.stage = Stage.STARTING
        self.events: deque[Told] = deque(maxlen=EVENTS_LIMIT)
        self.settled = asyncio.Event()
        """Set when there is something to tell: all containers run, or something is in the way."""
        self.gone = asyncio.Event()
        self.started_at = pod.status.startTime or clock.timestamp()
        self._changed = changed
        self._is_cut = False  # by the active deadline
        self._has_sandbox = False
        self._address = ""
        self._told_address = ""  # the same, once it answers there
        self._volumes = volumes.Volumes(site.directory)
        self._mark = self._marked()  # of what its files and environment are made of
        self._shown: object = None  # that mark, once the files are so
        self._complaint = ""
        self._task: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._grace_seconds = 0.0
        self._deadline: asyncio.Timeout | None = None
        self._place = self._make_place()
        self._inits = {one.name: self._life(one) for one in pod.spec.initContainers or ()}
        self._mains = {one.name: self._life(one) for one in pod.spec.containers or ()}
        self._lives = self._inits | self._mains
        self._extras = Ephemerals(pod, lambda: self._place)
        if pods.is_terminal(pod) or all(one.over is not None for one in self._mains.values()):
            self.stage = Stage.ENDED
            self._told_address = pod.status.podIP or ""

    # What the agent asks and tells.

    def start(self) -> None:
        """Begin its life, if that was not over before."""
        if self.stage is Stage.STARTING:
            self._task = self._spawn(self._live, "life")
        else:
            self._change()

    def update(self, pod: core.Pod) -> bool:
        """Take a newer state of the object, or of what it refers to; files change at once.

        Returns False where that did not succeed and should be tried again.
        """
        former, self.pod = self.pod, pod
        if pod.generation != former.generation or pod.spec.volumes != former.spec.volumes:
            self.references = expand.references(pod)
            for spec in (*(pod.spec.initContainers or ()), *(pod.spec.containers or ())):
                if spec.name in self._lives:
                    self._lives[spec.name].redefine(spec)
            self._set_deadline()
        # Only when it can help: the agent comes here also to hear what did not succeed.
        mark, self._mark = self._mark, self._marked()
        if mark != self._mark:
            self._place.retry.set()
        if pods.is_terminal(pod) and self.stage in (Stage.STARTING, Stage.RUNNING):
            self.stop(self._own_grace())  # somebody else has declared its end
        if self.stage is not Stage.RUNNING:
            return True
        self._extras.start(pod)
        try:
            self._show()
        except volumes.MountError as error:
            # The files stay as they were, which is what a running program can live with.
            if str(error) != self._complaint:
                self._complaint = str(error)
                self.tell("Warning", "FailedMount", self._complaint)
            return False
        return True

    def tell(self, type: str, reason: str, message: str) -> None:
        """Note an Event; the agent writes it."""
        self.events.append(Told(type, reason, message))

    def stop(self, grace_seconds: float) -> None:
        """End it. Asked again with a shorter grace, it ends sooner."""
        if self.stage is Stage.GONE:
            return
        if self._stopping is not None:
            if grace_seconds >= self._grace_seconds:
                return
            self._stopping.cancel()
        self._grace_seconds = grace_seconds
        self._stopping = self._spawn(self._stop, "end")

    async def kill(self) -> None:
        """End it at once, as when the machine goes; nothing is told."""
        self._changed = lambda: None
        for task in (self._stopping, self._task):
            await _cancelled(task)
        await self._drop_all()
        await self.site.runtime.remove(self._place.sandbox)
        self.site.release_address(self.pod.uid)

    def status(self) -> core.PodStatus:
        """Return what the node says of the Pod."""
        inits = tuple(one.status() for one in self._inits.values())
        mains = tuple(one.status() for one in self._mains.values())
        is_over = self.stage in (Stage.ENDED, Stage.GONE)
        phase = status.phase(
            self.pod, inits, mains, is_over=is_over, is_initialized=self._is_initialized
        )
        reason = message = ""
        if self._is_cut and is_over:
            phase, reason, message = "Failed", "DeadlineExceeded", _DEADLINE
        elif self.stage is Stage.GONE and phase in ("Pending", "Running"):
            phase = "Failed"
        if pods.is_terminal(self.pod):
            phase = self.pod.status.phase or phase  # there is no way back
            reason, message = self.pod.status.reason or "", self.pod.status.message or ""
        if self.stage is Stage.GONE:
            inits, mains = status.finished(inits, mains)
        conditions = status.conditions(self.pod, phase, inits, mains, has_sandbox=self._has_sandbox)
        address = self._told_address
        return core.PodStatus(
            phase=phase,
            reason=reason or UNSET,
            message=message or UNSET,
            observedGeneration=self.pod.generation or UNSET,
            conditions=conditions,
            hostIP=self.site.host_address,
            hostIPs=(core.HostIP(ip=self.site.host_address),),
            podIP=address or UNSET,
            podIPs=(core.PodIP(ip=address),) if address else UNSET,
            startTime=self.started_at,
            initContainerStatuses=inits or UNSET,
            containerStatuses=mains,
            ephemeralContainerStatuses=self._extras.status() or UNSET,
        )

    def life(self, container: str) -> Life | None:
        """Return a container's life, for its log."""
        return self._lives.get(container) or self._extras.lives.get(container)

    # Its life.

    async def _live(self) -> None:
        if self._inits:
            for one in self._mains.values():
                if one.over is None and not one.last_state:
                    one.state = status.waiting("PodInitializing")
        deadline = self._deadline = asyncio.timeout(None)
        try:
            async with deadline:
                self._set_deadline()
                await self._make_surroundings()
                self._move(Stage.RUNNING)
                self._extras.start(self.pod)
                await self._run_containers()
        except TimeoutError:
            if not deadline.expired():
                raise
            self._is_cut = True
            self.tell("Normal", "DeadlineExceeded", _DEADLINE)
        finally:
            self._deadline = None
        await self._end_all(self._own_grace())
        await self.site.runtime.remove(self._place.sandbox)
        self._has_sandbox = False
        self._move(Stage.ENDED)

    async def _make_surroundings(self) -> None:
        """Make address, volumes and sandbox; tried until it can be done."""
        delay = RETRY_SECONDS
        while True:
            self._place.retry.clear()
            try:
                self._take_address()
                self._show()
                await self.site.runtime.create(self._place.sandbox)
                self._has_sandbox = True
                self._told_address = self._address
                return
            except volumes.MountError as error:
                self.tell("Warning", "FailedMount", str(error))
            except (OSError, ArubekiError) as error:
                message = f"Failed to create pod sandbox: {error}"
                self.tell("Warning", "FailedCreatePodSandBox", message)
            self.settled.set()
            self._changed()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._place.retry.wait()
            delay = min(2 * delay, RETRY_LIMIT_SECONDS)

    def _take_address(self) -> None:
        if self.pod.spec.hostNetwork:
            self._address = self.site.host_address
        else:
            self._address = self.site.take_address(self.pod.uid)
        self._place.sandbox = replace(self._place.sandbox, ip=self._address)

    def _show(self) -> None:
        """Bring the volumes' files to what the objects say, if any of these has changed.

        Raises: MountError.
        """
        if not self.pod.spec.volumes:
            return
        mark = self._marked()
        if mark == self._shown:
            return
        self.site.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._volumes.prepare(self.pod, self._surroundings())
        self._shown, self._complaint = mark, ""

    def _marked(self) -> object:
        """Return what tells whether files or environment may have changed."""
        pod = self.pod
        # The caches share their objects, so that comparing these mostly ends at their identity.
        objects = self.site.objects(pod.namespace, self.references)
        tokens = self.site.tokens(pod.uid), self.site.token_fault(pod.uid)
        return pod.generation, pod.labels, pod.annotations, objects, tokens

    async def _run_containers(self) -> None:
        """Run all of them to their ends for good."""
        async with asyncio.TaskGroup() as group:
            sidecars: list[asyncio.Task[int]] = []
            try:
                if await self._run_inits(group, sidecars):
                    async with asyncio.TaskGroup() as mains:
                        for one in self._mains.values():
                            if one.over is None:
                                mains.create_task(one.live())
            finally:
                for task in sidecars:
                    task.cancel()

    async def _run_inits(self, group: asyncio.TaskGroup, sidecars: list[asyncio.Task[int]]) -> bool:
        """Run the init containers, one after the other; False when one has failed for good.

        Those that were done before the agent came again run again: what they made may be gone.
        """
        for life in self._inits.values():
            if life.over:
                return False
            if not status.is_sidecar(life.spec):
                if await life.live():
                    return False
                continue
            started = asyncio.Event()
            task = group.create_task(life.live(started))
            sidecars.append(task)
            waiting = asyncio.ensure_future(started.wait())
            try:
                await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
        return True

    async def _stop(self) -> None:
        """End all containers, and clean up."""
        self.stage = Stage.STOPPING
        await _cancelled(self._task)
        await self._end_all(self._grace_seconds)
        await self.site.runtime.remove(self._place.sandbox)
        self._has_sandbox = False
        self._volumes.remove()
        self.site.release_address(self.pod.uid)
        self._move(Stage.GONE)
        self.gone.set()

    async def _end_all(self, grace_seconds: float) -> None:
        """End all containers: a sidecar after all others and after the sidecars that follow it.

        Source: kuberuntime_termination_order.go.
        """
        done = {name: asyncio.Event() for name in self._lives}

        async def end(name: str, after: list[asyncio.Event]) -> None:
            try:
                await self._lives[name].stop(grace_seconds, after)
            finally:
                done[name].set()

        before = [done[name] for name in self._mains]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._extras.stop(grace_seconds))
            for name in self._mains:
                group.create_task(end(name, []))
            for name, life in reversed(self._inits.items()):
                if status.is_sidecar(life.spec):
                    group.create_task(end(name, list(before)))
                    before.append(done[name])
                else:
                    group.create_task(end(name, []))
        await self._drop_all()

    async def _drop_all(self) -> None:
        """Wait until nothing asks or calls a container any more."""
        await asyncio.gather(self._extras.drop(), *(one.drop() for one in self._lives.values()))

    def _set_deadline(self) -> None:
        seconds = self.pod.spec.activeDeadlineSeconds
        if self._deadline is None or not isinstance(seconds, int):
            return
        left = clock.parse_timestamp(self.started_at) + seconds - clock.now()
        self._deadline.reschedule(asyncio.get_running_loop().time() + max(0.0, left))

    def _own_grace(self) -> float:
        said = self.pod.spec.terminationGracePeriodSeconds
        return float(said) if isinstance(said, int) else DEFAULT_GRACE_SECONDS

    @property
    def _is_initialized(self) -> bool:
        return any(one.handle is not None for one in self._mains.values())

    # Telling, and going on.

    def _move(self, stage: Stage) -> None:
        self.stage = stage
        if stage is not Stage.RUNNING:
            self.settled.set()
            self._changed()

    def _change(self) -> None:
        """Something about a container changed."""
        waits = [one.state.waiting for one in self._mains.values()]
        if self._inits or not any(one and one.reason == "ContainerCreating" for one in waits):
            self.settled.set()
        self._changed()

    def _spawn(self, work: Callable[[], Awaitable[None]], name: str) -> "asyncio.Task[None]":
        """Let a task do `work` to its end; whatever it raises is logged, and it begins again."""
        pod = self.pod
        full = f"{name} of pod {pod.namespace}/{pod.name}"

        async def persist() -> None:
            delay = 0.0
            while True:
                try:
                    if delay:  # something has failed: nothing of it may be left
                        await self._drop_all()
                        await self.site.runtime.remove(self._place.sandbox)
                    await work()
                    return
                except Exception as error:
                    delay = min(max(RETRY_SECONDS, 2 * delay), RETRY_LIMIT_SECONDS)
                    logger.exception("%s failed, again in %.1f s", full, delay)
                    self.tell("Warning", "FailedSync", f"error syncing pod: {_first(error)}")
                    self.settled.set()
                    self._changed()
                await asyncio.sleep(delay)

        return asyncio.get_running_loop().create_task(persist(), name=full)

    # What its containers are made of.

    def _make_place(self) -> Place:
        pod = self.pod
        sandbox = PodSandbox(
            uid=pod.uid,
            namespace=pod.namespace,
            name=pod.name,
            directory=self.site.directory,
            hostname=(pod.spec.hostname or pod.name)[:HOSTNAME_LIMIT].rstrip("-."),
            host_aliases=tuple(
                (one.ip, tuple(one.hostnames or ())) for one in pod.spec.hostAliases or ()
            ),
            annotations=dict(pod.annotations),
        )
        return Place(
            runtime=self.site.runtime,
            sandbox=sandbox,
            make=self._command,
            changed=self._change,
            tell=self.tell,
            comes_again=lambda spec, code: status.comes_again(self.pod, spec, code),
            grace_seconds=self._own_grace,
            retry=asyncio.Event(),
        )

    def _life(self, spec: core.Container) -> Life:
        said = self.pod.status
        is_init = any(one is spec for one in self.pod.spec.initContainers or ())
        life = Life(spec, self._place, is_init=is_init and not status.is_sidecar(spec))
        known = status.known(
            said.initContainerStatuses if is_init else said.containerStatuses, spec.name
        )
        if known is not None:
            life.resume(known)
        return life

    def _surroundings(self) -> Surroundings:
        namespace = self.pod.namespace
        config_maps, secrets = self.site.objects(namespace, self.references)
        return Surroundings(
            config_maps=config_maps,
            secrets=secrets,
            services=self.site.services(namespace),
            pod_ips=(self._address,) if self._address else (),
            host_ips=(self.site.host_address,),
            allocatable=self.site.allocatable,
            tokens=self.site.tokens(self.pod.uid),
            token_fault=self.site.token_fault(self.pod.uid),
        )

    def _command(self, spec: core.Container, run: int) -> Command:
        return recipe.command(
            self.pod,
            spec,
            run,
            runtime=self.site.runtime,
            directory=self.site.directory,
            volumes=self._volumes,
            around=self._surroundings(),
        )


async def _cancelled(task: "asyncio.Task[None] | None") -> None:
    """Cancel a task and wait for its end."""
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _first(error: BaseException) -> BaseException:
    """Return what went wrong, out of a group of tasks."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
