"""One container of a Pod, from its first start to its last end.

It is started, watched by its probes, waited for, and, where its Pod says so, started again, each
time after a longer pause. What it is doing can be read at any time as a ContainerStatus; whoever is
interested is told when that changed.

Two tasks of the Pod may be at a container: one lives through its runs, and is cancelled when the Pod
is to end; then another stops what still runs. Probes are tasks of the run itself, since readiness
counts until the end.

Below the node agent. Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_{container,manager}.go.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from arubeki import clock
from arubeki.errors import ArubekiError
from arubeki.kinds import core_v1 as core
from arubeki.kinds.base import UNSET
from arubeki.node import ending, hooks, logs, probes, recipe
from arubeki.node.probes import Target, Tell
from arubeki.node.runtimes.base import Command, Container, Exit, PodSandbox, Runtime, StartError
from arubeki.node.status import lost, waiting

BACKOFF_SECONDS, BACKOFF_LIMIT_SECONDS = 10.0, 300.0
"""Pauses between runs. Source: kubelet, initial and maximal CrashLoopBackOff."""
RETRY_SECONDS, RETRY_LIMIT_SECONDS = 1.0, 60.0
"""How soon a container that cannot be described yet is tried again, unless a change wakes it."""
MINIMUM_GRACE_SECONDS = 2.0
"""What every process gets between SIGTERM and SIGKILL. Source: minimumGracePeriodInSeconds."""

Make: TypeAlias = Callable[[core.Container, int], Command]
"""Describes a run of a container; raises an ArubekiError with a `reason` while it cannot be told."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Place:
    """What the containers of one Pod have in common: where they run, and who hears of it."""

    runtime: Runtime
    sandbox: PodSandbox
    make: Make
    changed: Callable[[], None]
    tell: Tell
    comes_again: Callable[[core.Container, int], bool]
    grace_seconds: Callable[[], float]
    retry: asyncio.Event
    """Set when something that a command is made of has changed."""


class Life:
    """The life of one container. `is_init`: it is done once it has ended well."""

    def __init__(self, spec: core.Container, place: Place, *, is_init: bool = False) -> None:
        self.spec = spec
        self.place = place
        self.is_init = is_init
        self.run = 0
        """How many runs have begun."""
        self.state = waiting("ContainerCreating")
        self.last_state: core.ContainerState | None = None
        self.ready = False
        self.started = False
        self.handle: Container | None = None
        self.container_id = ""
        self.over: int | None = None
        """The exit code with which its life is over, perhaps before this agent began."""
        self._backoff_seconds = 0.0
        self._begun_at = 0.0
        self._command: Command | None = None
        self._comes_again_anyway = False
        self._condemned = False
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._fading: set[asyncio.Task[None]] = set()  # cancelled, and not yet ended

    def status(self) -> core.ContainerStatus:
        """Return what it is doing."""
        return core.ContainerStatus(
            name=self.spec.name,
            image=self.spec.image or "",
            imageID="",
            containerID=self.container_id or UNSET,
            ready=self.ready,
            started=self.started,
            restartCount=max(0, self.run - 1),
            state=self.state,
            lastState=self.last_state or core.ContainerState(),
            **self._amounts(),
        )

    def _amounts(self) -> dict[str, Any]:
        """Return what it has been given; a runtime that limits nothing gives what was asked for."""
        if not self.is_running:
            return {}
        given = self.spec.resources or core.ResourceRequirements()
        return {"resources": given, "allocatedResources": given.requests or UNSET}

    @property
    def is_running(self) -> bool:
        """Whether it has a process."""
        return self.handle is not None and self.handle.exit is None

    def comes_again(self, code: int) -> bool:
        """Whether it is started again after a run that ended with `code`."""
        if self.is_init and code == 0:
            return False
        return self.place.comes_again(self.spec, code)

    def resume(self, known: core.ContainerStatus) -> None:
        """Go on from what the API says of it, after the agent was away.

        Its process did not survive. A run that had ended stays ended where its policy lets it; one
        that was running counts as ended unseen.
        """
        state = known.state or core.ContainerState()
        last = known.lastState if known.lastState and known.lastState.terminated else None
        begun = known.containerID or state.running or state.terminated or last
        self.run = (known.restartCount or 0) + (1 if begun else 0)
        self.last_state = last
        self.container_id = known.containerID or ""
        if not (state.terminated or state.running):
            return
        ended = state if state.terminated else lost(known)
        assert ended.terminated
        code = ended.terminated.exitCode
        if self.comes_again(code):
            self.last_state = ended
        else:
            self.state, self.over = ended, code
            self.ready = self.is_init and code == 0

    def log_of(self, run: int) -> Path:
        """Return where the log of a run is; they count from 0."""
        return recipe.log_path(self.place.sandbox.directory, self.spec.name, run)

    async def live(self, on_started: asyncio.Event | None = None) -> int:
        """Run it, and again as its policy says; return the exit code of the last run.

        `on_started` is set when it has started, its startup probe passed. Cancelling leaves a
        process to `stop`.
        """
        while True:
            code = await self._run(on_started)
            again, self._comes_again_anyway = self._comes_again_anyway, False
            if not again and not self.comes_again(code):
                self.over = code
                return code
            await self._pause()

    async def stop(self, grace_seconds: float, after: Sequence[asyncio.Event] = ()) -> None:
        """End it, when `after` has come or the grace is over. May be called again with a shorter one.

        The preStop hook, SIGTERM, and SIGKILL when the grace is over.
        """
        handle = self.handle
        if handle is None:
            return
        exit_ = handle.exit
        if exit_ is None:
            if not self._condemned:
                self._condemned = True
                self.place.tell("Normal", "Killing", f"Stopping container {self.spec.name}")
            exit_ = await self._end(handle, grace_seconds, after)
        self._ended(handle, exit_)

    def redefine(self, spec: core.Container) -> None:
        """Take another definition: another image means another run, whatever the policy.

        Other amounts do where the container says that it must be started again for them.
        """
        former, self.spec = self.spec, spec
        message = ""
        if former.image != spec.image:
            message = f"Container {spec.name} definition changed, will be restarted"
        elif _needs_restart(former, spec):
            message = f"Container {spec.name} resize requires restart"
        if message and self.handle is not None and self.is_running:
            self._comes_again_anyway = True
            self._condemn(self.handle, message, self.place.grace_seconds())

    async def drop(self) -> None:
        """End what is at work beside the process."""
        self._cancel(*self._tasks)
        await asyncio.gather(*self._fading, return_exceptions=True)

    # One run.

    async def _run(self, on_started: asyncio.Event | None) -> int:
        self.over = None
        try:
            handle = await self._start()
        except StartError as error:
            return self._refused(error)
        hook = self.spec.lifecycle and self.spec.lifecycle.postStart
        if hook:
            await self._post_start(hook, handle)
        if handle.exit is None:
            self._is_running(handle, on_started)
        exit_ = await handle.wait()
        self._ended(handle, exit_)
        return exit_.code

    async def _start(self) -> Container:
        """Start the next run; wait until it can be described. Raises: StartError."""
        place, delay = self.place, RETRY_SECONDS
        while True:
            place.retry.clear()
            self._begun_at = clock.monotonic()
            try:
                command = place.make(self.spec, self.run)
                logs.remove(self.log_of(self.run - 2))
                break
            except (ArubekiError, OSError) as error:
                self._not_yet(error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await place.retry.wait()
            delay = min(2 * delay, RETRY_LIMIT_SECONDS)
        self.handle, self._command = None, command
        self._condemned = False
        self.run += 1
        name = self.spec.name
        handle = self.handle = await place.runtime.start(place.sandbox, command)
        self.container_id = handle.id
        place.tell("Normal", "Created", f"Created container: {name}")
        place.tell("Normal", "Started", f"Started container {name}")
        for notice in handle.notices:
            place.tell("Normal", notice.reason, notice.message)
        return handle

    def _not_yet(self, error: Exception) -> None:
        """It cannot be described or prepared: say why, once."""
        new = waiting(getattr(error, "reason", "") or "CreateContainerError", str(error))
        if new != self.state:
            self.state = new
            self.place.tell("Warning", "Failed", f"Error: {error}")
            self.place.changed()

    def _refused(self, error: StartError) -> int:
        """It could not be started."""
        now = clock.timestamp()
        ended = core.ContainerState(
            terminated=core.ContainerStateTerminated(
                exitCode=error.exit_code,
                reason=error.reason,
                message=str(error),
                startedAt=now,
                finishedAt=now,
            )
        )
        self.state = ended
        if self.comes_again(error.exit_code):
            self.last_state = ended
            self.state = waiting("RunContainerError", str(error))
        self.place.tell("Warning", "Failed", f"Error: {error}")
        self.place.changed()
        return error.exit_code

    async def _post_start(self, hook: core.LifecycleHandler, handle: Container) -> None:
        """Carry the hook out, before the container counts as running; if it fails, so do we."""
        loop = asyncio.get_running_loop()
        done = loop.create_task(hooks.run(hook, self._target(handle)))
        ended = loop.create_task(handle.wait())
        try:
            await asyncio.wait((done, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            done.cancel()
            ended.cancel()
            results = await asyncio.gather(done, ended, return_exceptions=True)
        failure = results[0]
        if isinstance(failure, hooks.HookFailed):
            # Its words may hold secrets, which an Event would show to whoever sees the namespace.
            logger.info("postStart hook of %s failed: %s", self._name(), failure)
            self.place.tell("Warning", "FailedPostStartHook", "PostStartHook failed")
            self.place.tell("Normal", "Killing", "FailedPostStartHook")
            self._condemned = True
            await self._end(handle, self.place.grace_seconds())
        elif isinstance(failure, Exception):
            raise failure

    def _is_running(self, handle: Container, on_started: asyncio.Event | None) -> None:
        # An init container that was done before the agent came again stays done while it repeats
        # its work, where the policy is not Always: a status may not go back from there.
        was_done = self.is_init and self.ready
        if not (was_done and not self.place.comes_again(self.spec, 0)):
            self.state = core.ContainerState(
                running=core.ContainerStateRunning(startedAt=clock.timestamp(handle.started_at))
            )
            self.ready = False
        if self.spec.startupProbe:
            self._ask("Startup", self.spec.startupProbe, handle, on_started)
        else:
            self._is_started(handle, on_started)
        self.place.changed()

    def _is_started(self, handle: Container, on_started: asyncio.Event | None) -> None:
        spec = self.spec
        self.started = True
        if not self.is_init:
            self.ready = not spec.readinessProbe
        if on_started is not None:
            on_started.set()
        if spec.readinessProbe:
            self._ask("Readiness", spec.readinessProbe, handle)
        if spec.livenessProbe:
            self._ask("Liveness", spec.livenessProbe, handle)

    def _ended(self, handle: Container, exit_: Exit) -> None:
        """Note how a run ended."""
        self._cancel(*self._tasks)
        self.started = False
        self.ready = self.is_init and exit_.code == 0
        self.state = core.ContainerState(
            terminated=core.ContainerStateTerminated(
                exitCode=exit_.code,
                signal=exit_.signal or UNSET,
                reason=exit_.reason,
                message=ending.message(self.spec, self._command, exit_) or UNSET,
                startedAt=clock.timestamp(handle.started_at),
                finishedAt=clock.timestamp(exit_.finished_at),
                containerID=handle.id,
            )
        )
        self.place.changed()

    async def _pause(self) -> None:
        """Wait before the next run. The first restart comes at once, as in Kubernetes."""
        if self.state.terminated:
            self.last_state = self.state
        if clock.monotonic() - self._begun_at > 2 * BACKOFF_LIMIT_SECONDS:
            self._backoff_seconds = 0.0  # it has run long enough to begin anew
        seconds = self._backoff_seconds
        self._backoff_seconds = min(max(BACKOFF_SECONDS, 2 * seconds), BACKOFF_LIMIT_SECONDS)
        if not seconds:
            return
        name, pod = self.spec.name, self.place.sandbox
        of_pod = f"{pod.name}_{pod.namespace}({pod.uid})"
        self.state = waiting(
            "CrashLoopBackOff",
            f"back-off {go_duration(seconds)} restarting failed container={name} pod={of_pod}",
        )
        self.place.tell(
            "Warning", "BackOff", f"Back-off restarting failed container {name} in pod {of_pod}"
        )
        self.place.changed()
        await asyncio.sleep(seconds)

    # Its end.

    async def _end(
        self, handle: Container, grace_seconds: float, after: Sequence[asyncio.Event] = ()
    ) -> Exit:
        """End a run: its hook, its turn, its signals."""
        until = clock.monotonic() + grace_seconds
        self._cancel("Startup", "Liveness")
        hook = self.spec.lifecycle and self.spec.lifecycle.preStop
        if hook and grace_seconds > 0 and handle.exit is None:
            if "preStop" not in self._tasks:
                self._spawn("preStop", self._pre_stop(hook, handle))
            ended = asyncio.get_running_loop().create_task(handle.wait())
            waited = (self._tasks["preStop"], ended)
            try:
                left = max(0.0, until - clock.monotonic())
                await asyncio.wait(waited, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                ended.cancel()
        for event in after:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, until - clock.monotonic())):
                    await event.wait()
        left = max(MINIMUM_GRACE_SECONDS, until - clock.monotonic())
        return await self.place.runtime.stop(handle, left)

    async def _pre_stop(self, hook: core.LifecycleHandler, handle: Container) -> None:
        try:
            await hooks.run(hook, self._target(handle))
        except hooks.HookFailed as error:
            logger.info("preStop hook of %s failed: %s", self._name(), error)
            self.place.tell("Warning", "FailedPreStopHook", "PreStopHook failed")

    def _condemn(self, handle: Container, message: str, grace_seconds: float) -> None:
        """End a run from within; `live` sees it end. Once is enough."""
        if self._condemned:
            return
        self._condemned = True
        self.place.tell("Normal", "Killing", message)

        async def end() -> None:
            await self._end(handle, grace_seconds)

        self._spawn("end", end())

    # Its probes.

    def _ask(
        self,
        kind: str,
        probe: core.Probe,
        handle: Container,
        on_started: asyncio.Event | None = None,
    ) -> None:
        """Begin to ask a run of the container."""
        target = self._target(handle)

        async def ask() -> probes.Asked:
            try:
                return await probes.once(probe, target)
            except Exception as error:
                logger.exception("%s probe of %s failed", kind, self._name())
                return probes.Asked(None, f"{type(error).__name__}: {error}")

        def hear(asked: probes.Asked) -> None:
            told = probes.event(kind, asked)
            if told is not None:
                self.place.tell(*told)
                self.place.changed()

        def judge(good: bool) -> None:
            if kind == "Readiness":
                if self.ready is not good:
                    self.ready = good
                    self.place.changed()
            elif not good:
                self._fail(kind, probe, handle)
            elif kind == "Startup":
                self._cancel("Startup")
                self._is_started(handle, on_started)
                self.place.changed()

        self._spawn(kind, probes.watch(probe, ask, judge, hear))

    def _fail(self, kind: str, probe: core.Probe, handle: Container) -> None:
        message = f"Container {self.spec.name} failed {kind.lower()} probe"
        if self.place.comes_again(self.spec, 1):
            message += ", will be restarted"
        own = probe.terminationGracePeriodSeconds
        grace = float(own) if isinstance(own, int) else self.place.grace_seconds()
        self._condemn(handle, message, grace)

    def _target(self, handle: Container) -> Target:
        return Target(self.place.runtime, handle, self.spec, self.place.sandbox.ip)

    # Its tasks.

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"{name} of {self._name()}")
        self._tasks[name] = task

        def ended(task: asyncio.Task[None]) -> None:
            self._fading.discard(task)
            if self._tasks.get(name) is task and name != "preStop":
                del self._tasks[name]
            if not task.cancelled() and task.exception() is not None:
                logger.error("%s failed", task.get_name(), exc_info=task.exception())

        task.add_done_callback(ended)

    def _cancel(self, *names: str) -> None:
        for name in names:
            task = self._tasks.pop(name, None)
            if task is not None and task.cancel():
                self._fading.add(task)

    def _name(self) -> str:
        pod = self.place.sandbox
        return f"{self.spec.name} in {pod.namespace}/{pod.name}"


def _needs_restart(former: core.Container, spec: core.Container) -> bool:
    """Tell whether an amount has changed that takes effect with the next run alone."""
    if former.resources == spec.resources:
        return False
    policies = {
        one.resourceName for one in spec.resizePolicy or () if one.restartPolicy != "NotRequired"
    }
    return any(_amount(former, one) != _amount(spec, one) for one in policies)


def _amount(spec: core.Container, name: str) -> tuple[str | None, str | None]:
    resources = spec.resources or core.ResourceRequirements()
    return (resources.requests or {}).get(name), (resources.limits or {}).get(name)


def go_duration(seconds: float) -> str:
    """Return a duration as Go prints it: `10s`, `1m20s`, `5m0s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
