"""The supervisor of one container: starts it, sees to its end, and reports both to the server.

It is forked by the keeper and holds the container's control socket. In a sandbox it also becomes,
by another fork, the first process of the container's process namespace.

Below the runtimes, in the keeper's interpreter: standard library only.
"""

import json
import os
import select
import signal
import socket
import struct
from contextlib import suppress
from typing import Any, NoReturn

from arubeki.node.runtimes.keeper import kin, namespaces
from arubeki.node.runtimes.keeper.kin import LINUX
from arubeki.node.runtimes.keeper.namespaces import Libc
from arubeki.node.runtimes.keeper.program import Reporting, become, describe

EVERYTHING = signal.SIGKILL

# What a first process would ignore: init passes it on, so that `kill 1` inside does what it should.
_FORWARDED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)


class Supervisor:
    """Starts one container, sees to its end, and ends it when the server or the keeper is gone."""

    def __init__(self, libc: Libc, keeper: int, descriptors: list[int]) -> None:
        control, self._stdout, self._stderr = descriptors
        self._libc = libc
        self._keeper = keeper
        self._control = socket.socket(fileno=control)
        self._received = b""
        self._ending = False
        self._deserted = False  # the server is gone
        self._child = 0  # the process forked by us: the main process, or the sandbox' init
        self._main = 0  # the container's main process
        self._init = 0
        self._entered = False
        self._status: int | None = None  # the main process'
        self._over = False
        self._failure = b""
        self._news: socket.socket | None = None

    def run(self) -> int:
        """Carry out the job; return the exit code of the supervisor itself."""
        signal.signal(signal.SIGTERM, self._terminate)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._woken, self._wake = kin.wakeup()
        line = self._read_line()
        if line is None:
            return 0
        job: dict[str, Any] = json.loads(line)
        try:
            if LINUX:
                self._libc.prctl(namespaces.PR_SET_CHILD_SUBREAPER, 1)
            started = self._start(job)
            if LINUX:  # after any change of credentials, which would undo it
                self._libc.prctl(namespaces.PR_SET_PDEATHSIG, signal.SIGTERM)
                self._ending |= os.getppid() != self._keeper
        except OSError as error:
            self._send({"error": describe(error)})
            return 1
        for fd in (self._stdout, self._stderr):
            os.close(fd)
        try:
            self._watch(started)
        except BaseException:
            # Whatever it is: when we are gone, nobody can find what the container has started.
            kin.kill(self._child, signal.SIGKILL)
            self._sweep()
            raise
        return 0

    def _start(self, job: dict[str, Any]) -> int:
        """Fork the container; return a pipe that ends when the program runs or tells why not."""
        started, starting = os.pipe()
        sandbox = job.get("sandbox")
        if sandbox is not None:
            user_namespace = bool(sandbox["user_namespace"])
            namespaces.separate(self._libc, user_namespace, job["user"], job["group"])
            self._news, news = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._news.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        elif job.get("enter"):
            namespaces.enter(self._libc, job["enter"], bool(job["user_namespace"]))
            self._entered = True
        supervisor = os.getpid()
        child = os.fork()
        if child == 0:
            with Reporting(starting):
                signal.set_wakeup_fd(-1)
                os.close(started)
                if sandbox is not None:
                    self._run_init(job, news, starting)
                # In another process namespace the parent has no number, and needs none: `enter`.
                become(
                    self._libc,
                    job,
                    (self._stdout, self._stderr),
                    0 if job.get("enter") else supervisor,
                )
        os.close(starting)
        if sandbox is not None:
            news.close()
            self._init = child
        else:
            self._main = child
        self._child = child
        return started

    def _run_init(self, job: dict[str, Any], news: socket.socket, starting: int) -> NoReturn:
        """Be the first process of a sandbox: make its root, start the program, reap."""
        assert self._news is not None
        self._news.close()
        self._control.close()
        libc, sandbox = self._libc, job["sandbox"]
        libc.prctl(namespaces.PR_SET_PDEATHSIG, signal.SIGKILL)
        news.send(b"init")  # fails if the supervisor died before the line above
        mounts = [(path, source, read_only) for path, source, read_only in sandbox["mounts"]]
        root, hostname, message = sandbox["root"], sandbox["hostname"], sandbox["message"]
        namespaces.build(libc, root, hostname, mounts, job["cwd"], message=message)
        main = os.fork()
        if main == 0:
            with Reporting(starting):
                news.send(b"main")  # the kernel adds our number as the supervisor knows it
                become(libc, job, (self._stdout, self._stderr), 0)
        for fd in (starting, self._stdout, self._stderr):
            os.close(fd)
        for number in _FORWARDED:
            signal.signal(number, lambda received, _: kin.kill(main, received))
        while True:
            pid, status = os.wait()
            if pid == main:
                news.send(b"status %d" % status)
                os._exit(0)

    def _watch(self, started: int) -> None:
        poll = select.poll()
        sources = {self._control.fileno(): self._obey, self._woken: self._reap}
        if self._news is not None:
            sources[self._news.fileno()] = self._hear

        def learn() -> None:
            part = os.read(started, 65536)
            self._failure += part
            if not part:
                poll.unregister(started)
                del sources[started]
                os.close(started)
                self._report_start()

        sources[started] = learn
        for fd in sources:
            poll.register(fd, select.POLLIN)
        self._obey_received()  # what came with the job
        while not self._over:
            if self._ending:
                self._ending = False
                self._end_everything()
            for fd, _ in poll.poll():
                if fd in sources:
                    sources[fd]()
            if self._deserted:  # or its end would wake us for ever
                self._deserted = False
                poll.unregister(self._control)
                del sources[self._control.fileno()]
        while started in sources:
            learn()
        if not self._failure:
            self._send({"status": signal.SIGKILL if self._status is None else self._status})

    def _report_start(self) -> None:
        if self._failure:
            self._send({"error": self._failure.decode(errors="replace")})
            return
        if self._news is not None and self._main == 0:
            self._hear()
        self._send({"pid": self._main, "init": self._init})

    def _hear(self) -> None:
        """Take what the sandbox' processes say; the kernel vouches for their numbers."""
        assert self._news is not None
        size = struct.calcsize("3i")
        while True:
            try:
                data, extra, _, _ = self._news.recvmsg(
                    64, socket.CMSG_SPACE(size), socket.MSG_DONTWAIT
                )
            except (BlockingIOError, ConnectionResetError):
                return
            if not data:
                return
            if data.startswith(b"status "):
                self._status = int(data[7:])
            elif data == b"main":
                for _, kind, payload in extra:
                    if kind == socket.SCM_CREDENTIALS:
                        self._main = struct.unpack("3i", payload[:size])[0]

    def _reap(self) -> None:
        for pid, status in kin.ended(self._woken):
            if pid == self._child:
                if self._init:
                    self._hear()
                else:
                    self._status = status
                    self._sweep()
                self._over = True

    def _obey(self) -> None:
        data = self._receive()
        if not data:
            self._ending = self._deserted = True
            return
        self._received += data
        self._obey_received()

    def _receive(self) -> bytes:
        """Return what the server says, b"" when it is gone, also if it left something unread."""
        try:
            return self._control.recv(1 << 20)
        except ConnectionResetError:
            return b""

    def _obey_received(self) -> None:
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            number = int(json.loads(line)["signal"])
            if number == EVERYTHING:
                self._ending = True
            elif self._main:
                kin.kill(self._main, number)

    def _terminate(self, *_: object) -> None:
        self._ending = True

    def _end_everything(self) -> None:
        if self._over:
            return
        kin.kill(self._child, signal.SIGKILL)
        if self._entered:  # its children, too: our kin only by their session
            with suppress(OSError):
                os.killpg(self._child, signal.SIGKILL)

    def _sweep(self) -> None:
        """Kill what the main process left behind; with it its children come to us, and so on."""
        if LINUX:
            kin.kill_children(set())
        else:
            with suppress(OSError):
                os.killpg(self._child, signal.SIGKILL)

    def _read_line(self) -> bytes | None:
        while b"\n" not in self._received:
            data = self._receive()
            if not data or self._ending:
                return None
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        return line

    def _send(self, message: dict[str, Any]) -> None:
        with suppress(OSError):  # the server is gone; we shall hear of it
            self._control.sendall(json.dumps(message).encode() + b"\n")
