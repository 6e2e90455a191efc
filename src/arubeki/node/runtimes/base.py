"""What a runtime is: it makes a Pod's surroundings and runs containers in them.

The agent decides (which Pod, which container, when again, what the status says); a runtime carries
out and reports. Everything it needs is in plain data, resolved beforehand: argv and environment are
expanded, volumes are directories of this machine. A container is one run: a restart is a new
`start` and a new handle.

Below the node agent: data and one protocol, no I/O.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from arubeki.errors import ArubekiError

EXEC_OUTPUT_LIMIT_BYTES = 10 * 1024
"""How much of an exec probe's output is kept. Source: kubelet pkg/probe/exec/exec.go, maxReadLength."""

KILLED = 9
TERMINATE = 15


class StartError(ArubekiError):
    """A container could not be started; `str()` is the message for its status.

    The kubelet shows such a container as terminated with reason `StartError` and exit code 128.
    """

    reason = "StartError"
    exit_code = 128


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory or file of this machine that a container sees at `path`."""

    path: str
    source: Path
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class PodSandbox:
    """What the containers of one Pod share.

    `directory` is the Pod's private directory (the agent makes and removes it); a runtime keeps its
    own files in it. `ip` is "" when the Pod has no address of its own.
    """

    uid: str
    namespace: str
    name: str
    directory: Path
    hostname: str = ""
    ip: str = ""
    host_aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Command:
    """One run of one container: what to start, with what, and where its output goes.

    `log` is the CRI log file of this run. `user` and `group` are `runAsUser` and `runAsGroup`,
    None for the server's own. `message` is the file for last words, mounted where that is possible.
    """

    container: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    working_directory: str = "/"
    mounts: tuple[Mount, ...] = ()
    user: int | None = None
    group: int | None = None
    message: Mount | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended. `code` is 128 + `signal` for one that a signal killed.

    `oom_killed` is true only where the runtime knows that memory was the reason. Times are seconds
    since 1970.
    """

    code: int
    finished_at: float
    signal: int = 0
    oom_killed: bool = False
    message: str = ""

    @property
    def reason(self) -> str:
        """The reason in `status.containerStatuses[].state.terminated`."""
        if self.oom_killed:
            return "OOMKilled"
        return "Error" if self.code else "Completed"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the Pod's owner should know about how a container runs; the agent makes an Event."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Executed:
    """What a command run inside a container gave: its exit code and the start of its output."""

    code: int
    output: bytes = b""
    timed_out: bool = False


class Container(Protocol):
    """One run of a container."""

    @property
    def id(self) -> str:
        """`<runtime>://<unique>`, as `status.containerStatuses[].containerID` has it."""

    @property
    def name(self) -> str:
        """The container's name in its Pod."""

    @property
    def pid(self) -> int:
        """The process' number on this machine; 0 where there is no process."""

    @property
    def started_at(self) -> float:
        """Seconds since 1970."""

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the Pod's owner should know about this run."""

    @property
    def exit(self) -> Exit | None:
        """How it ended; None while it runs."""

    async def wait(self) -> Exit:
        """Wait until it has ended and its log is complete. Any number of tasks may wait."""


class Runtime(Protocol):
    """A way to run containers. One serves any number of Pods, of one node or several."""

    @property
    def name(self) -> str:
        """`fake`, `plain` or `sandbox`."""

    @property
    def needs_command(self) -> bool:
        """Whether a container without a command cannot run: there are no images here."""

    @property
    def mounts_volumes(self) -> bool:
        """Whether a container sees its volumes where its Pod says."""

    async def probe(self) -> str:
        """Return "" if this runtime works on this machine, else the reason why it cannot."""

    async def create(self, sandbox: PodSandbox) -> None:
        """Make what the Pod's containers share. May be called again for the same Pod."""

    async def start(self, sandbox: PodSandbox, command: Command) -> Container:
        """Start a container; it runs when this returns.

        Raises: StartError with the message for the container's status.
        """

    async def stop(self, container: Container, grace_seconds: float) -> Exit:
        """SIGTERM, after `grace_seconds` SIGKILL; return how it ended.

        May be called again with a shorter grace while an earlier call still waits.
        """

    async def execute(
        self, container: Container, argv: Sequence[str], timeout_seconds: float
    ) -> Executed:
        """Run a command in the surroundings of a running container, as an exec probe does.

        Raises: StartError if the container has ended or the command cannot be started.
        """

    def containers(self, uid: str = "") -> list[Container]:
        """Return what runs, of one Pod or of all."""

    async def remove(self, sandbox: PodSandbox) -> None:
        """End what still runs of a Pod, and drop what `create` made. Unknown Pods are fine."""

    async def close(self) -> None:
        """End everything."""
