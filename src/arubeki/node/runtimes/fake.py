"""Containers that are status only: nothing runs, and a thousand Pods cost next to nothing.

What a real container would do is played after annotations of its Pod, on the loop's timers, so that
it holds in virtual time too:

    fake.arubeki.dev/start-seconds: "2"     how long a container takes to start
    fake.arubeki.dev/run-seconds: "30"      when it ends by itself; absent: never
    fake.arubeki.dev/exit-code: "1"         with which code it does
    fake.arubeki.dev/exec-code: "1"         what every command run inside answers (exec probes)

Appending `.<container>` to such a name makes it hold for that container alone.

Below the node agent: one of the runtimes.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from arubeki import clock
from arubeki.node.runtimes.base import (
    TERMINATE,
    Command,
    Container,
    Executed,
    Exit,
    Notice,
    PodSandbox,
    StartError,
)

PREFIX = "fake.arubeki.dev/"


@dataclass(slots=True, eq=False)
class FakeContainer:
    """A container that only says that it runs."""

    id: str
    name: str
    started_at: float
    exec_code: int = 0
    pid: int = 0
    notices: tuple[Notice, ...] = ()
    exit: Exit | None = None
    _timer: asyncio.TimerHandle | None = None
    _waiters: list[asyncio.Future[None]] = field(default_factory=list)

    async def wait(self) -> Exit:
        """Wait until it has ended."""
        while self.exit is None:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        return self.exit

    def end(self, code: int, signal: int = 0) -> None:
        """Let it have ended now; a second end changes nothing."""
        if self.exit is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self.exit = Exit(code, clock.now(), signal)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def end_after(self, seconds: float, code: int) -> None:
        """Let it end by itself with `code`."""
        self._timer = asyncio.get_running_loop().call_later(seconds, self.end, code)


class FakeRuntime:
    """Runs nothing and says that it does. `start_seconds` holds where no annotation says otherwise."""

    name = "fake"
    needs_command = False
    mounts_volumes = False

    def __init__(self, start_seconds: float = 0.0) -> None:
        self._start_seconds = start_seconds
        self._containers: dict[str, dict[str, FakeContainer]] = {}
        self._started = 0

    async def probe(self) -> str:
        """Possible everywhere."""
        return ""

    async def create(self, sandbox: PodSandbox) -> None:
        """Remember the Pod."""
        self._containers.setdefault(sandbox.uid, {})

    async def start(self, sandbox: PodSandbox, command: Command) -> Container:
        """Wait as long as told, then say that the container runs."""
        delay = _number(sandbox, "start-seconds", command.container)
        delay = self._start_seconds if delay is None else delay
        if delay > 0:
            await asyncio.sleep(delay)
        self._started += 1
        container = FakeContainer(
            f"fake://{sandbox.uid}-{command.container}-{self._started}",
            command.container,
            clock.now(),
            exec_code=int(_number(sandbox, "exec-code", command.container) or 0),
        )
        seconds = _number(sandbox, "run-seconds", command.container)
        if seconds is not None:
            code = int(_number(sandbox, "exit-code", command.container) or 0)
            container.end_after(seconds, code)
        self._containers.setdefault(sandbox.uid, {})[command.container] = container
        return container

    async def stop(self, container: Container, grace_seconds: float) -> Exit:
        """End at once, as a program does that obeys SIGTERM."""
        assert isinstance(container, FakeContainer)
        if grace_seconds > 0:
            container.end(0)
        else:
            container.end(128 + 9, 9)
        return await container.wait()

    async def execute(
        self,
        container: Container,
        argv: Sequence[str],  # noqa: ARG002
        timeout_seconds: float,  # noqa: ARG002
    ) -> Executed:
        """Answer what the Pod's annotation says: 0 unless it does."""
        assert isinstance(container, FakeContainer)
        if container.exit is not None:
            raise StartError(f"container {container.name} is not running")
        return Executed(container.exec_code)

    def containers(self, uid: str = "") -> list[Container]:
        """Return what has not ended."""
        pods = [self._containers.get(uid, {})] if uid else self._containers.values()
        return [one for pod in pods for one in pod.values() if one.exit is None]

    async def remove(self, sandbox: PodSandbox) -> None:
        """Forget the Pod."""
        for container in self._containers.pop(sandbox.uid, {}).values():
            container.end(128 + TERMINATE, TERMINATE)

    async def close(self) -> None:
        """Forget all Pods."""
        for pod in self._containers.values():
            for container in pod.values():
                container.end(128 + TERMINATE, TERMINATE)
        self._containers.clear()


def _number(sandbox: PodSandbox, name: str, container: str) -> float | None:
    annotations = sandbox.annotations
    text = annotations.get(f"{PREFIX}{name}.{container}", annotations.get(PREFIX + name))
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise StartError(f"annotation {PREFIX}{name}: {text!r} is not a number") from None
