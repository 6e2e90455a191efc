"""From a forked process to the container's program.

What runc does last: session, descriptors, identity, working directory, signals, exec. Messages of
failures are runc's, as they are known from `kubectl describe pod`.

Below the runtimes, in the keeper's interpreter: standard library only.
"""

import errno
import json
import os
import pwd
import signal
from contextlib import suppress
from typing import Any, NoReturn

from arubeki.node.runtimes.keeper import namespaces
from arubeki.node.runtimes.keeper.kin import LINUX
from arubeki.node.runtimes.keeper.namespaces import Libc

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Reporting:
    """In a forked child: whatever goes wrong is told to the supervisor, and the child ends here."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        with suppress(OSError):
            text = describe(error) if isinstance(error, OSError) else repr(error)
            os.write(self._pipe, text.encode(errors="replace")[:4096])
        os._exit(128)


def become(libc: Libc, job: dict[str, Any], output: tuple[int, int], parent: int) -> NoReturn:
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


def describe(error: OSError) -> str:
    """Return what went wrong, with the file that it is about."""
    if error.filename is None:
        return error.strerror or str(error)
    return f"{os.fsdecode(error.filename)}: {_reason(error)}"


def _reason(error: OSError) -> str:
    text = os.strerror(error.errno or 0)
    return text[:1].lower() + text[1:]
