"""The server's half of the runtimes that run real processes: plain and sandbox.

The other half is the keeper, a process of its own (see `keeper`). Here a container is a control
connection to its supervisor and two pipes with its output, which go into its log. What differs
between the two runtimes is the job that they give to the supervisor.

Below the node agent, above keeper and logs. Everything happens on the event loop.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import arubeki
from arubeki import clock
from arubeki.node.logs import Log
from arubeki.node.runtimes.base import (
    EXEC_OUTPUT_LIMIT_BYTES,
    KILLED,
    TERMINATE,
    Command,
    Container,
    Executed,
    Exit,
    Notice,
    PodSandbox,
    StartError,
)

_BOOT = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));"
    "from arubeki.node.runtimes.keeper.main import main; main()"
)
_DRAIN_SECONDS = 2.0
_READ_BYTES = 32 * 1024
# A container that prints without end may take a fifth of the loop's time, not more: after each
# piece its pipe rests four times as long as the piece took, and the program waits meanwhile.
_REST_FACTOR = 4
_REST_FROM_SECONDS = 0.001


class Keeper:
    """The keeper process of one runtime, started when first needed and again when it died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    @property
    def pid(self) -> int:
        """The keeper's process number, 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    async def open(self, stdout: int, stderr: int) -> socket.socket:
        """Have a supervisor forked that holds these descriptors; return its control socket."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                await self._send([theirs.fileno(), stdout, stderr])
            except BaseException:
                ours.close()
                raise
        ours.setblocking(False)
        return ours

    async def _send(self, descriptors: list[int]) -> None:
        """Send a request, to a fresh keeper if the one that was has died."""
        for _ in range(2):
            requests = self._requests or await self._start()
            try:
                await _send_descriptors(requests, descriptors)
            except OSError as error:
                reason = error
                await self.close()
            else:
                return
        raise StartError(f"the keeper of this node's processes cannot be reached: {reason}")

    async def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        package = Path(arubeki.__file__).parents[1]
        with theirs:
            # From the loop's own thread: the keeper dies with the thread that started it.
            self._process = subprocess.Popen(  # noqa: ASYNC220  (3 ms, once)
                [
                    sys.executable,
                    "-I",
                    "-S",
                    "-X",
                    "utf8",
                    "-c",
                    _BOOT,
                    str(package),
                    str(os.getpid()),
                ],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        self._requests = ours
        return ours

    async def close(self) -> None:
        """End the keeper; supervisors that are left end with it."""
        process, self._process = self._process, None
        requests, self._requests = self._requests, None
        if requests is not None:
            requests.close()
        if process is None:
            return
        for _ in range(1000):
            if process.poll() is not None:
                return
            await asyncio.sleep(0.002)
        process.kill()
        process.wait()


async def _send_descriptors(requests: socket.socket, descriptors: list[int]) -> None:
    while True:
        try:
            socket.send_fds(requests, [b"+"], descriptors)
        except BlockingIOError:
            await asyncio.sleep(0.001)
        else:
            return


class Supervised(asyncio.Protocol):
    """The connection to a supervisor: what became of its job."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.started: asyncio.Future[tuple[int, int]] = loop.create_future()
        self.ended: asyncio.Future[int] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.started_at = 0.0
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    async def give(self, control: socket.socket, job: dict[str, Any]) -> tuple[int, int]:
        """Give the job; return (number of the main process, of the sandbox' init) once it runs."""
        loop = asyncio.get_running_loop()
        try:
            await loop.create_unix_connection(lambda: self, sock=control)
        except BaseException:
            control.close()
            self.connection_lost(None)
            raise
        assert self._transport is not None
        # Paths and the environment may hold what is no UTF-8; the standard library carries that.
        self._transport.write(json.dumps(job).encode() + b"\n")
        return await asyncio.shield(self.started)

    def signal(self, number: int) -> None:
        """Send a signal to the main process; 9 ends everything that the container started."""
        if self._transport is not None and not self.ended.done():
            self._transport.write(b'{"signal": %d}\n' % number)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has the socket."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """The supervisor tells something."""
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "pid" in message:
                self.started_at = clock.now()
                self.started.set_result((message["pid"], message["init"]))
            elif "error" in message:
                self._finish(StartError(message["error"]), 128 << 8)
            else:
                self._finish(StartError("killed before it could start"), message["status"])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The supervisor has ended."""
        self._finish(StartError("its supervisor died"), KILLED)
        self._transport = None
        if not self.closed.done():
            self.closed.set_result(None)

    def _finish(self, error: StartError, status: int) -> None:
        if not self.started.done():
            self.started.set_exception(error)
            self.started.exception()  # seen, also if the one who waits was cancelled
        if not self.ended.done():
            self.ended.set_result(status)
        if self._transport is not None:
            self._transport.close()


class Pump:
    """Carries what comes out of a pipe to `sink`, at a pace that leaves the loop to others."""

    def __init__(self, fd: int, sink: Callable[[bytes], None]) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.done: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(fd, self._read)

    def _read(self) -> None:
        begun = clock.monotonic()
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._sink(data)
        took = clock.monotonic() - begun
        if took > _REST_FROM_SECONDS:
            self._loop.remove_reader(self._fd)
            self._timer = self._loop.call_later(took * _REST_FACTOR, self._resume)

    def _resume(self) -> None:
        self._timer = None
        self._loop.add_reader(self._fd, self._read)

    def close(self) -> None:
        """Stop reading; what is still in the pipe is lost."""
        if self.done.done():
            return
        if self._timer is not None:
            self._timer.cancel()
        else:
            self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self.done.set_result(None)


class ProcessContainer:
    """One run of a container whose main process is a process of this machine."""

    def __init__(
        self, scheme: str, command: Command, job: dict[str, Any], notices: tuple[Notice, ...]
    ) -> None:
        self.id = f"{scheme}://{clock.random_bytes(32).hex()}"
        self.name = command.container
        self.command = command
        self.job = job
        self.notices = notices
        self.pid = 0
        self.init = 0
        self.exit: Exit | None = None
        self.log = Log(command.log)
        self.supervised = Supervised()
        self._ended: asyncio.Task[None] | None = None

    async def begin(self, keeper: Keeper) -> None:
        """Start it."""
        pumps: list[Pump] = []
        try:
            control = await _open(keeper, (self._log("stdout"), self._log("stderr")), pumps)
            self._ended = asyncio.create_task(self._see_to_the_end(pumps))
            self.pid, self.init = await self.supervised.give(control, self.job)
        except BaseException:
            self.supervised.signal(KILLED)
            if self._ended is None:
                for pump in pumps:
                    pump.close()
                self.log.close()
                self.exit = Exit(128, clock.now())
            else:
                await self._ended
            raise

    @property
    def begun(self) -> bool:
        """Whether there is an end to wait for."""
        return self._ended is not None

    @property
    def started_at(self) -> float:
        """When its program began to run."""
        return self.supervised.started_at

    async def wait(self) -> Exit:
        """Wait until it has ended and its log is complete."""
        assert self._ended is not None
        await asyncio.shield(self._ended)
        assert self.exit is not None
        return self.exit

    def signal(self, number: int) -> None:
        """Send a signal to the main process; 9 ends everything that the container started."""
        self.supervised.signal(number)

    async def _see_to_the_end(self, pumps: Sequence[Pump]) -> None:
        status = await self.supervised.ended
        finished_at = clock.now()
        # All processes are gone, so the pipes have ended, unless one was handed to a stranger.
        await asyncio.wait([pump.done for pump in pumps], timeout=_DRAIN_SECONDS)
        for pump in pumps:
            pump.close()
        await self.supervised.closed
        _ignoring_full_disk(self.log.close)
        code = os.waitstatus_to_exitcode(status)
        self.exit = Exit(code if code >= 0 else 128 - code, finished_at, max(0, -code))

    def _log(self, stream: str) -> Callable[[bytes], None]:
        # A full disk must not take the loop down: the lines are lost, the program runs on.
        return lambda data: _ignoring_full_disk(lambda: self.log.write(stream, data))


def _ignoring_full_disk(write: Callable[[], None]) -> None:
    try:
        write()
    except OSError:
        pass


async def _open(
    keeper: Keeper,
    sinks: tuple[Callable[[bytes], None], Callable[[bytes], None]],
    pumps: list[Pump],
) -> socket.socket:
    """Have a supervisor forked; start pumps, added to `pumps`, from its pipes to `sinks`."""
    writers = []
    try:
        for sink in sinks:
            reader, writer = os.pipe()
            writers.append(writer)
            pumps.append(Pump(reader, sink))
        return await keeper.open(*writers)
    finally:
        for writer in writers:
            os.close(writer)


class ProcessRuntime:
    """What plain and sandbox have in common; they say which job starts or enters a container."""

    name = ""
    needs_command = True
    mounts_volumes = False

    def __init__(self) -> None:
        self._keeper = Keeper()
        self._containers: dict[str, list[ProcessContainer]] = {}

    @property
    def keeper_pid(self) -> int:
        """The process number of the keeper, 0 while there is none."""
        return self._keeper.pid

    async def create(self, sandbox: PodSandbox) -> None:
        """Make the directory for what the Pod's containers share."""
        sandbox.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._containers.setdefault(sandbox.uid, [])

    async def start(self, sandbox: PodSandbox, command: Command) -> Container:
        """Start a container and return when its program runs."""
        if not command.argv:
            raise StartError("no command specified")
        job, notices = self.job(sandbox, command)
        running = self._containers.setdefault(sandbox.uid, [])
        running[:] = [one for one in running if one.exit is None]
        try:
            container = ProcessContainer(self.name, command, job, notices)
            running.append(container)
            await container.begin(self._keeper)
        except OSError as error:  # no descriptors, no space for its log
            raise StartError(str(error)) from error
        return container

    async def stop(self, container: Container, grace_seconds: float) -> Exit:
        """SIGTERM, after `grace_seconds` SIGKILL."""
        assert isinstance(container, ProcessContainer)
        if grace_seconds > 0:
            container.signal(TERMINATE)
            try:
                async with asyncio.timeout(grace_seconds):
                    return await container.wait()
            except TimeoutError:
                pass
        container.signal(KILLED)
        return await container.wait()

    async def execute(
        self, container: Container, argv: Sequence[str], timeout_seconds: float
    ) -> Executed:
        """Run a command in the container's surroundings."""
        assert isinstance(container, ProcessContainer)
        if container.exit is not None:
            raise StartError(f"container {container.name} is not running")
        output = bytearray()
        pumps: list[Pump] = []
        supervised = Supervised()

        def keep(data: bytes) -> None:
            output.extend(data[: EXEC_OUTPUT_LIMIT_BYTES - len(output)])

        timed_out = False
        try:
            control = await _open(self._keeper, (keep, keep), pumps)
        except BaseException:
            for pump in pumps:
                pump.close()
            raise
        try:
            async with asyncio.timeout(timeout_seconds):
                await supervised.give(control, self.exec_job(container, list(argv)))
                await asyncio.shield(supervised.ended)
        except TimeoutError:
            timed_out = True
        finally:
            supervised.signal(KILLED)
            status = await supervised.ended
            # Something that it started may hold the pipe: that is no reason to wait for it.
            await asyncio.wait([pump.done for pump in pumps], timeout=0.1)
            for pump in pumps:
                pump.close()
            await supervised.closed
        code = os.waitstatus_to_exitcode(status)
        return Executed(code if code >= 0 else 128 - code, bytes(output), timed_out)

    def containers(self, uid: str = "") -> list[Container]:
        """Return what has not ended."""
        pods = [self._containers.get(uid, [])] if uid else self._containers.values()
        return [one for pod in pods for one in pod if one.pid and one.exit is None]

    async def remove(self, sandbox: PodSandbox) -> None:
        """Kill what still runs of a Pod."""
        await _kill(self._containers.pop(sandbox.uid, []))

    async def close(self) -> None:
        """Kill everything, and end the keeper."""
        running = [one for pod in self._containers.values() for one in pod]
        self._containers.clear()
        await _kill(running)
        await self._keeper.close()

    def job(
        self, sandbox: PodSandbox, command: Command
    ) -> tuple[dict[str, Any], tuple[Notice, ...]]:
        """Return the job that starts a container, and what its owner should know."""
        raise NotImplementedError

    def exec_job(self, container: ProcessContainer, argv: list[str]) -> dict[str, Any]:
        """Return the job that runs a command inside a container."""
        raise NotImplementedError


async def _kill(containers: Sequence[ProcessContainer]) -> None:
    for one in containers:
        one.signal(signal.SIGKILL)
    for one in containers:
        if one.begun:
            await one.wait()


def base_environment(sandbox: PodSandbox) -> dict[str, str]:
    """Return what an image would have set: the machine's own PATH, and the Pod's host name."""
    environment = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ
    }
    environment["HOSTNAME"] = sandbox.hostname or sandbox.name
    return environment
