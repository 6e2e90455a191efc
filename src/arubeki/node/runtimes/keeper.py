"""The process between the server and its containers, which outlives the server just long enough.

One keeper serves a runtime. It is small, has one thread and knows how to fork: for each container
it forks a supervisor, which gets three descriptors from the server: a control socket and the write
ends of the container's stdout and stderr.

    server --- keeper --- supervisor --- [init, in a sandbox] --- the container's main process

Death travels down this line whatever kills: a supervisor whose control socket ends (only the server
holds the other end), or whose keeper dies, kills the container and all it started. In a sandbox
that is the first process of a process namespace; without one the supervisor is a subreaper, to
which every orphan of the container comes, however often it forked and whatever session it made.
The keeper, in turn, is the subreaper that inherits from a supervisor that was killed.

Control, JSON lines from the server: first the job, then `{"signal": 15}`; 9 means everything.
To the server: `{"pid": ..., "init": ...}` when the program runs or `{"error": ...}`, at the end
`{"status": ...}`, as waitpid gives it.

Below the runtimes, in an interpreter of its own without site-packages: standard library only. It
reads no clock; whoever wants time limits sends signals.
"""

import errno
import gc
import json
import os
import pwd
import select
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import Any, NoReturn

from arubeki.node.runtimes import namespaces
from arubeki.node.runtimes.namespaces import Libc

LINUX = sys.platform == "linux"
EVERYTHING = signal.SIGKILL
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

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


def main() -> None:
    """Serve the server whose requests come on standard input, until it is gone."""
    server = int(sys.argv[1])
    libc = Libc()
    for one in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(one, signal.SIG_IGN)  # Ctrl-C is the server's business
    if LINUX:
        libc.prctl(namespaces.PR_SET_CHILD_SUBREAPER, 1)
        libc.prctl(namespaces.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:
            return
    requests = socket.socket(fileno=0)
    gc.disable()  # it would touch, and so copy, every page that the forks share
    gc.freeze()
    job = _Keeper(requests).serve()
    if job is not None:
        os._exit(_Supervisor(libc, *job).run())


def _wakeup() -> tuple[int, int]:
    """Return a pipe that becomes readable whenever a signal has come."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return read, write


class _Keeper:
    """Forks a supervisor for each request: one byte with three descriptors."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._supervisors: set[int] = set()
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._woken, self._wake = _wakeup()

    def serve(self) -> tuple[int, list[int]] | None:
        """Return the job in each child; None in the parent once the server is gone."""
        poll = select.poll()
        poll.register(self._requests, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self._woken in ready:
                self._reap()
            if self._requests.fileno() not in ready:
                continue
            byte, descriptors, _, _ = socket.recv_fds(self._requests, 1, 3)
            if not byte:
                return None
            for one in descriptors:
                os.set_inheritable(one, False)
            keeper = os.getpid()
            child = os.fork()
            if child == 0:
                self._become_supervisor()
                return keeper, descriptors
            self._supervisors.add(child)
            for one in descriptors:
                os.close(one)

    def _become_supervisor(self) -> None:
        signal.set_wakeup_fd(-1)
        for fd in (self._woken, self._wake):
            os.close(fd)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        os.dup2(null, self._requests.detach())
        os.close(null)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._woken, 4096):
                pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._supervisors:
                self._supervisors.discard(pid)
                if os.WIFSIGNALED(status):  # it could not clean up: its orphans are ours now
                    _kill_children(self._supervisors)


class _Supervisor:
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
        self._woken, self._wake = _wakeup()
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
            self._send({"error": _describe(error)})
            return 1
        for fd in (self._stdout, self._stderr):
            os.close(fd)
        self._watch(started)
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
            with _Reporting(starting):
                signal.set_wakeup_fd(-1)
                os.close(started)
                if sandbox is not None:
                    self._run_init(job, news, starting)
                # In another process namespace the parent has no number, and needs none: `enter`.
                _become(
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
        namespaces.build(libc, sandbox["root"], sandbox["hostname"], mounts, job["cwd"])
        main = os.fork()
        if main == 0:
            with _Reporting(starting):
                news.send(b"main")  # the kernel adds our number as the supervisor knows it
                _become(libc, job, (self._stdout, self._stderr), 0)
        for fd in (starting, self._stdout, self._stderr):
            os.close(fd)
        for number in _FORWARDED:
            signal.signal(number, lambda received, _: _kill(main, received))
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
        with suppress(BlockingIOError):
            while os.read(self._woken, 4096):
                pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._child:
                if self._init:
                    self._hear()
                else:
                    self._status = status
                    self._sweep()
                self._over = True

    def _obey(self) -> None:
        data = self._control.recv(65536)
        if not data:
            self._ending = self._deserted = True
            return
        self._received += data
        self._obey_received()

    def _obey_received(self) -> None:
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            number = int(json.loads(line)["signal"])
            if number == EVERYTHING:
                self._ending = True
            elif self._main:
                _kill(self._main, number)

    def _terminate(self, *_: object) -> None:
        self._ending = True

    def _end_everything(self) -> None:
        if self._over:
            return
        _kill(self._child, signal.SIGKILL)
        if self._entered:  # its children, too: our kin only by their session
            with suppress(OSError):
                os.killpg(self._child, signal.SIGKILL)

    def _sweep(self) -> None:
        """Kill what the main process left behind; with it its children come to us, and so on."""
        if LINUX:
            _kill_children(set())
        else:
            with suppress(OSError):
                os.killpg(self._child, signal.SIGKILL)

    def _read_line(self) -> bytes | None:
        while b"\n" not in self._received:
            data = self._control.recv(1 << 20)
            if not data or self._ending:
                return None
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        return line

    def _send(self, message: dict[str, Any]) -> None:
        with suppress(OSError):  # the server is gone; we shall hear of it
            self._control.sendall(json.dumps(message).encode() + b"\n")


class _Reporting:
    """In a forked child: whatever goes wrong is told to the supervisor, and the child ends here."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        with suppress(OSError):
            text = _describe(error) if isinstance(error, OSError) else repr(error)
            os.write(self._pipe, text.encode(errors="replace")[:4096])
        os._exit(128)


def _become(libc: Libc, job: dict[str, Any], output: tuple[int, int], parent: int) -> NoReturn:
    """Turn this process into the container's program.

    Our parent's death is to be ours. `parent` is its number, 0 where it has none that we could see
    (it is in another process namespace, whose end takes us along).
    """
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for target, fd in enumerate((null, *output)):
        os.dup2(fd, target)
    os.umask(0o022)
    if job.get("set_user"):
        _take_identity(job["user"], job["group"])
    if LINUX:
        libc.prctl(namespaces.PR_SET_PDEATHSIG, signal.SIGKILL)
        if parent and os.getppid() != parent:
            os._exit(128)
    try:
        os.chdir(job["cwd"])
    except OSError as error:
        raise OSError(
            error.errno, f'chdir to cwd ("{job["cwd"]}") failed: {_reason(error)}'
        ) from None
    for number in range(1, signal.NSIG):
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _execute(job["argv"], job["env"])


def _take_identity(user: int | None, group: int | None) -> None:
    os.setgroups([])
    if group is None and user is not None:
        try:
            group = pwd.getpwuid(user).pw_gid
        except KeyError:
            group = 0  # as containerd does with a user that its image does not name
    if group is not None:
        os.setresgid(group, group, group)
    if user is not None:
        os.setresuid(user, user, user)


def _execute(argv: list[str], environment: dict[str, str]) -> NoReturn:
    """Find the program as runc does and become it. Messages are runc's."""
    program = argv[0]
    if "/" in program:
        try:
            os.execve(program, argv, environment)
        except FileNotFoundError as error:
            if os.path.exists(program):  # a script whose interpreter is missing
                raise _exec_error(program, _reason(error)) from None
            raise _exec_error(program, f"stat {program}: {_reason(error)}") from None
        except OSError as error:
            raise _exec_error(program, _reason(error)) from None
    denied = False
    for directory in environment.get("PATH", DEFAULT_PATH).split(":"):
        try:
            os.execve(os.path.join(directory or ".", program), argv, environment)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError:
            denied = True
        except OSError as error:
            raise _exec_error(program, _reason(error)) from None
    raise _exec_error(
        program, "permission denied" if denied else "executable file not found in $PATH"
    )


def _exec_error(program: str, reason: str) -> OSError:
    quoted = json.dumps(program, ensure_ascii=False)
    return OSError(errno.ENOENT, f"unable to start container process: exec: {quoted}: {reason}")


def _describe(error: OSError) -> str:
    if error.filename is None:
        return error.strerror or str(error)
    return f"{os.fsdecode(error.filename)}: {_reason(error)}"


def _reason(error: OSError) -> str:
    text = os.strerror(error.errno or 0)
    return text[:1].lower() + text[1:]


def _kill(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _kill_children(spared: set[int]) -> None:
    """Kill our children but for `spared`, then those that come to us by that, until none is left."""
    while True:
        found = [pid for pid in _children() if pid not in spared]
        if not found:
            return
        for pid in found:
            _kill(pid, signal.SIGKILL)
        for pid in found:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> list[int]:
    """Return our children's numbers, those adopted included."""
    own = os.getpid()
    try:
        with open(f"/proc/self/task/{own}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        pass  # a kernel built without it
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:
            # The name, in parentheses, may hold anything, parentheses too.
            if int(file.read().rpartition(b")")[2].split()[1]) == own:
                found.append(int(entry))
    return found


if __name__ == "__main__":
    main()
