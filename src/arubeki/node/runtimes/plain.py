"""Containers as ordinary processes, for machines on which nothing may be isolated.

Each container is a session of its own with the machine's files and address. A volume cannot appear
at its mountPath: it is a private directory, and where the mountPath stands at the start of a path in
command, arguments, environment or working directory, that directory is put in its place. The Pod's
owner is told, since a path that the program has built in is not found.

Below the node agent: one of the runtimes. Works without anything of Linux' own.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arubeki.node.runtimes.base import Command, Mount, Notice, PodSandbox
from arubeki.node.runtimes.processes import ProcessContainer, ProcessRuntime, base_environment

# What, directly before or after a mountPath, makes it part of another path or word.
_WORD = r"\w.\-~%+@"


class PlainRuntime(ProcessRuntime):
    """Runs containers as process groups."""

    name = "plain"

    async def probe(self) -> str:
        """Possible wherever there are processes and sockets that carry descriptors."""
        return "" if os.name == "posix" else f"processes are not supported on {os.name}"

    def job(
        self, sandbox: PodSandbox, command: Command
    ) -> tuple[dict[str, Any], tuple[Notice, ...]]:
        """Replace mountPaths, and say so."""
        replace = _replacement(command)
        environment = base_environment(sandbox) | {
            name: replace(value) for name, value in command.environment.items()
        }
        job = {
            "argv": [replace(word) for word in command.argv],
            "env": environment,
            "cwd": replace(command.working_directory) or "/",
            **_identity(command),
        }
        return job, (*replace.notices(), *_identity_notices(command))

    def exec_job(self, container: ProcessContainer, argv: list[str]) -> dict[str, Any]:
        """Run it as the container was run."""
        replace = _replacement(container.command)
        return container.job | {"argv": [replace(one) for one in argv]}


class Replacement:
    """Puts the private directories of volumes in the place of their mountPaths."""

    def __init__(self, mounts: Sequence[Mount], unsaid: Sequence[Mount] = ()) -> None:
        """Replace the paths of `mounts`, and of `unsaid`, of which the owner need not know."""
        self._mounts = tuple(mounts)
        self._sources = {_normal(one.path): str(one.source) for one in (*unsaid, *mounts)}
        # The longest first: /data/cache before /data.
        paths = sorted(self._sources, key=len, reverse=True)
        self._pattern = re.compile(
            rf"(?:(?<![{_WORD}/])|(?<=file://))({'|'.join(map(re.escape, paths))})(?![{_WORD}])"
        )

    def __call__(self, text: str) -> str:
        """Return `text` with every path that begins with a mountPath led to its volume."""
        if not self._sources:
            return text
        return self._pattern.sub(lambda found: self._sources[found[1]], text)

    def notices(self) -> tuple[Notice, ...]:
        """What the Pod's owner should know."""
        if not self._mounts:
            return ()
        said = sorted((_normal(mount.path), mount.source) for mount in self._mounts)
        places = ", ".join(f"{path} is {place}" for path, place in said)
        message = (
            "The plain runtime cannot mount volumes; their paths were replaced in command, args, "
            f"env and workingDir: {places}"
        )
        read_only = sorted(_normal(mount.path) for mount in self._mounts if mount.read_only)
        if read_only:
            message += f". Not protected from writing: {', '.join(read_only)}"
        return (Notice("VolumePathReplaced", message),)


def _replacement(command: Command) -> Replacement:
    return Replacement(command.mounts, (command.message,) if command.message else ())


def _normal(path: str) -> str:
    return str(Path(path))


def _identity(command: Command) -> dict[str, Any]:
    """Only root can become somebody else."""
    able = os.geteuid() == 0
    return {"user": command.user, "group": command.group, "set_user": able and _asks(command)}


def _asks(command: Command) -> bool:
    return command.user is not None or command.group is not None


def _identity_notices(command: Command) -> tuple[Notice, ...]:
    own = (os.geteuid(), os.getegid())
    wanted = (
        own[0] if command.user is None else command.user,
        own[1] if command.group is None else command.group,
    )
    if own[0] == 0 or wanted == own:
        return ()
    message = (
        f"The plain runtime runs as {own[0]}:{own[1]}; it cannot become {wanted[0]}:{wanted[1]}"
    )
    return (Notice("UserIgnored", message),)
