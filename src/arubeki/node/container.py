"""One container of a Pod, from its first start to its last end.

It is started, watched by its probes, waited for, and, where its Pod says so, started again, each
time after a longer pause. What it is doing can be read at any time as a ContainerStatus; whoever is
interested is told when that changed.

Below the node agent. Source: kubernetes pkg/kubelet/kuberuntime, pkg/kubelet/pleg.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from arubeki import clock
from arubeki.errors import ArubekiError
from arubeki.kinds import core_v1 as core
from arubeki.kinds.base import UNSET
from arubeki.node import probes
from arubeki.node.probes import Target
from arubeki.node.runtimes.base import Command, Container, Exit, PodSandbox, Runtime, StartError
from arubeki.node.status import waiting

BACKOFF_SECONDS, BACKOFF_LIMIT_SECONDS = 10.0, 300.0
BACKOFF_RESET_SECONDS = 600.0
"""A container that ran so long begins anew. Source: kubelet MaxContainerBackOff, 2 x that."""
RETRY_SECONDS = 2.0
"""How soon a container that cannot be described yet is tried again, unless a change wakes it."""
HOOK_SECONDS = 30.0

Tell = Callable[[str, str, str], None]
"""Reports an Event: its type, reason and message."""


Make = Callable[[core.Container, int], Command]
"""Describes a run of a container; raises an ArubekiError with a `reason` while it cannot be told."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a container runs, and who hears of it."""

    runtime: Runtime
    sandbox: PodSandbox
    make: Make
    changed: Callable[[], None]
    tell: Tell
    retry: asyncio.Event
    """Set when something that a command is made of has changed."""


@dataclass(slots=True)
class Life:
    """The life of one container."""

    spec: core.Container
    place: Place
    policy: str
    run: int = 0
    state: core.ContainerState = field(default_factory=lambda: waiting("ContainerCreating"))
    last_state: core.ContainerState | None = None
    ready: bool = False
    started: bool = False
    handle: Container | None = None
    logs: list[Path] = field(default_factory=list)
    _backoff_seconds: float = 0.0
    _asked_to_stop: bool = False
    _killing: set[asyncio.Task[Exit]] = field(default_factory=set)

    def status(self) -> core.ContainerStatus:
        """Return what it is doing."""
        return core.ContainerStatus(
            name=self.spec.name,
            image=self.spec.image or "",
            imageID="",
            containerID=self.handle.id if self.handle else UNSET,
            ready=self.ready,
            started=self.started,
            restartCount=max(0, self.run - 1) if self.handle or self.run else 0,
            state=self.state,
            lastState=self.last_state or core.ContainerState(),
        )

    def resume(self, known: core.ContainerStatus) -> bool:
        """Go on from what the API says of it, after the agent was away; False when it is over.

        Its process did not survive. A run that had ended well stays ended where its policy lets it;
        any other counts as one that ended unseen.
        """
        self.run = (known.restartCount or 0) + (1 if known.containerID else 0)
        self.last_state = known.lastState or None
        ended = known.state and known.state.terminated
        if ended:
            if self.policy == "Never" or (self.policy == "OnFailure" and not ended.exitCode):
                assert known.state
                self.state = known.state
                return False
            self.last_state = core.ContainerState(terminated=ended)
        elif known.state and known.state.running:
            lost = core.ContainerStateTerminated(
                exitCode=137,
                reason="ContainerStatusUnknown",
                message="The container could not be located when the pod was terminated",
                startedAt=known.state.running.startedAt,
                finishedAt=clock.timestamp(),
                containerID=known.containerID,
            )
            if self.policy == "Never":
                self.state = core.ContainerState(terminated=lost)
                return False
            self.last_state = core.ContainerState(terminated=lost)
        return True

    async def live(self, on_started: asyncio.Event | None = None) -> int:
        """Run it, and again as its policy says; return the exit code of the last run.

        `on_started` is set when it has started for the first time, its startup probe passed.
        Cancelling leaves the process to `stop`.
        """
        while True:
            await self._start()
            assert self.handle is not None
            watchers = self._watch_probes(on_started)
            try:
                exit_ = await self.handle.wait()
            finally:
                for one in watchers:
                    one.cancel()
                await asyncio.gather(*watchers, return_exceptions=True)
            self._ended(exit_)
            if self._asked_to_stop or not self._comes_again(exit_):
                return exit_.code
            await self._pause(exit_)

    async def stop(self, grace_seconds: float) -> None:
        """End it: the preStop hook, SIGTERM, and SIGKILL when the grace is over."""
        self._asked_to_stop = True
        handle = self.handle
        if handle is None or handle.exit is not None:
            return
        until = clock.monotonic() + grace_seconds
        hook = self.spec.lifecycle and self.spec.lifecycle.preStop
        if hook and grace_seconds > 0:
            done = await probes.handle(hook, self._target(handle), grace_seconds)
            if not done.good:
                self.place.tell("Warning", "FailedPreStopHook", done.message)
        left = max(0.0, until - clock.monotonic())
        exit_ = await self.place.runtime.stop(handle, left)
        if not (self.state and self.state.terminated):
            self._ended(exit_)

    # One run.

    async def _start(self) -> None:
        """Start the next run; tries until it can be."""
        name = self.spec.name
        while True:
            place = self.place
            place.retry.clear()
            try:
                command = place.make(self.spec, self.run)
                handle = await place.runtime.start(place.sandbox, command)
            except StartError as error:
                self.run += 1
                self._refused(error)
                place.tell("Warning", "Failed", f"Error: {error}")
                if self.policy == "Never":
                    # Nothing will change that: the run counts as one that failed.
                    self.handle = _Stillborn(name, error)
                    return
                await self._pause(None)
                continue
            except ArubekiError as error:
                reason = getattr(error, "reason", "") or "CreateContainerError"
                new = waiting(reason, str(error))
                if new != self.state:
                    self.state = new
                    place.tell("Warning", "Failed", f"Error: {error}")
                    place.changed()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_SECONDS):
                        await place.retry.wait()
                continue
            break
        self.run += 1
        self.logs = [*self.logs[-1:], command.log]
        self.handle = handle
        self.state = core.ContainerState(
            running=core.ContainerStateRunning(startedAt=clock.timestamp(handle.started_at))
        )
        self.started = not self.spec.startupProbe
        self.ready = self.started and not self.spec.readinessProbe
        place.tell("Normal", "Created", f"Container created: {name}")
        place.tell("Normal", "Started", f"Container started: {name}")
        for notice in handle.notices:
            place.tell("Normal", notice.reason, notice.message)
        place.changed()
        hook = self.spec.lifecycle and self.spec.lifecycle.postStart
        if hook:
            done = await probes.handle(hook, self._target(handle), HOOK_SECONDS)
            if not done.good:
                place.tell("Warning", "FailedPostStartHook", done.message)
                await place.runtime.stop(handle, 0)

    def _target(self, handle: Container) -> Target:
        return Target(self.place.runtime, handle, self.spec, self.place.sandbox.ip)

    def _ended(self, exit_: Exit) -> None:
        handle = self.handle
        assert handle is not None
        self.ready = self.started = False
        self.state = core.ContainerState(
            terminated=core.ContainerStateTerminated(
                exitCode=exit_.code,
                signal=exit_.signal or UNSET,
                reason=exit_.reason,
                message=exit_.message or UNSET,
                startedAt=clock.timestamp(handle.started_at),
                finishedAt=clock.timestamp(exit_.finished_at),
                containerID=handle.id,
            )
        )
        if exit_.finished_at - handle.started_at >= BACKOFF_RESET_SECONDS:
            self._backoff_seconds = 0.0
        self.place.changed()

    def _refused(self, error: StartError) -> None:
        now = clock.timestamp()
        self.state = core.ContainerState(
            terminated=core.ContainerStateTerminated(
                exitCode=error.exit_code,
                reason=error.reason,
                message=str(error),
                startedAt=now,
                finishedAt=now,
            )
        )
        self.ready = self.started = False
        self.place.changed()

    def _comes_again(self, exit_: Exit) -> bool:
        if self.policy == "Always":
            return True
        return self.policy == "OnFailure" and exit_.code != 0

    async def _pause(self, exit_: Exit | None) -> None:
        """Wait before the next run. The first restart comes at once, as in Kubernetes."""
        self.last_state = self.state
        seconds = self._backoff_seconds
        if exit_ is None and not seconds:
            seconds = BACKOFF_SECONDS
        self._backoff_seconds = min(max(BACKOFF_SECONDS, 2 * seconds), BACKOFF_LIMIT_SECONDS)
        if seconds:
            pod = self.place.sandbox
            message = (
                f"back-off {_go_duration(seconds)} restarting failed container={self.spec.name} "
                f"pod={pod.name}_{pod.namespace}({pod.uid})"
            )
            self.state = waiting("CrashLoopBackOff", message)
            self.place.tell(
                "Warning", "BackOff",
                f"Back-off restarting failed container {self.spec.name} in pod "
                f"{pod.name}_{pod.namespace}({pod.uid})",
            )  # fmt: skip
            self.place.changed()
            await asyncio.sleep(seconds)

    # Its probes.

    def _watch_probes(self, on_started: asyncio.Event | None) -> list[asyncio.Task[None]]:
        if isinstance(self.handle, _Stillborn):
            return []
        if self.started and on_started is not None:
            on_started.set()
        return [asyncio.get_running_loop().create_task(self._probe(on_started))]

    async def _probe(self, on_started: asyncio.Event | None) -> None:
        """Run the startup probe, then readiness and liveness side by side."""
        spec, handle = self.spec, self.handle
        assert handle is not None
        target = self._target(handle)
        if spec.startupProbe:
            passed = asyncio.Event()
            startup = asyncio.get_running_loop().create_task(
                self._run_probe("Startup", spec.startupProbe, target, passed)
            )
            try:
                await passed.wait()
            finally:
                startup.cancel()
            self.started = True
            self.ready = not spec.readinessProbe
            self.place.changed()
        if on_started is not None:
            on_started.set()
        async with asyncio.TaskGroup() as group:
            if spec.readinessProbe:
                group.create_task(self._run_probe("Readiness", spec.readinessProbe, target, None))
            if spec.livenessProbe:
                group.create_task(self._run_probe("Liveness", spec.livenessProbe, target, None))

    async def _run_probe(
        self, kind: str, probe: core.Probe, target: Target, passed: asyncio.Event | None
    ) -> None:
        def tell(good: bool, message: str) -> None:
            if not good:
                self.place.tell("Warning", "Unhealthy", f"{kind} probe failed: {message}")
            if kind == "Readiness":
                if self.ready != good:
                    self.ready = good
                    self.place.changed()
            elif good:
                assert passed is not None
                passed.set()
            else:
                self._kill(kind, probe, target)

        async def ask() -> probes.Asked:
            return await probes.once(probe, target)

        await probes.watch(probe, ask, tell, good=kind == "Liveness")

    def _kill(self, kind: str, probe: core.Probe, target: Target) -> None:
        grace = probe.terminationGracePeriodSeconds or 30
        self.place.tell(
            "Normal", "Killing",
            f"Container {self.spec.name} failed {kind.lower()} probe, will be restarted",
        )  # fmt: skip
        stopping = asyncio.get_running_loop().create_task(
            self.place.runtime.stop(target.container, grace)
        )
        self._killing.add(stopping)
        stopping.add_done_callback(self._killing.discard)


class _Stillborn:
    """Stands for a run that could not begin."""

    pid = 0
    notices = ()

    def __init__(self, name: str, error: StartError) -> None:
        self.id = ""
        self.name = name
        self.started_at = clock.now()
        self.exit = Exit(error.exit_code, self.started_at, message=str(error))

    async def wait(self) -> Exit:
        """It has ended already."""
        return self.exit


def _go_duration(seconds: float) -> str:
    """Return a duration as Go prints it: `10s`, `1m20s`, `5m0s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
