"""The last words of a container: its termination message.

A program may write into a file that its Pod names (by default /dev/termination-log) why it ends;
or the end of its log is taken for that, where the Pod wants it so.

Below the node agent: files.
Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go (getTerminationMessage).
"""

import os
from pathlib import Path

from arubeki.kinds import core_v1 as core
from arubeki.node import logs
from arubeki.node.runtimes.base import Command, Exit, Mount

MESSAGE_LIMIT_BYTES = 4096
LOG_LIMIT_BYTES, LOG_LINES = 2048, 80
"""Source: kubelet MaxContainerTerminationMessage{Length,LogLength,LogLines}."""


def prepare(spec: core.Container, directory: Path, run: int) -> Mount | None:
    """Make the file for a run's message below `directory`, and drop those of runs before.

    Raises: OSError.
    """
    if not spec.terminationMessagePath:
        return None
    place = directory / spec.name
    place.mkdir(parents=True, exist_ok=True)
    for former in place.iterdir():
        former.unlink()
    file = place / str(run)
    file.touch()
    file.chmod(0o666)  # whatever the umask, and whoever the program runs as
    return Mount(spec.terminationMessagePath, file)


def message(spec: core.Container, command: Command | None, exit_: Exit) -> str:
    """Return what a run left to say, after what the runtime has to say of its end."""
    text = ""
    if command is not None:
        if command.message is not None:
            text = _end_of(command.message.source, MESSAGE_LIMIT_BYTES)
        wants_log = spec.terminationMessagePolicy == "FallbackToLogsOnError"
        if not text and wants_log and exit_.code:
            text = _last_lines(command.log)
    return ": ".join(one for one in (exit_.message, text) if one)


def _end_of(file: Path, limit_bytes: int) -> str:
    try:
        with file.open("rb") as reader:
            size = reader.seek(0, os.SEEK_END)
            reader.seek(max(0, size - limit_bytes))
            return reader.read(limit_bytes).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"Error on reading termination log {file}: {error.strerror}"


def _last_lines(log: Path) -> str:
    try:
        said = b"".join(logs.read(log, logs.LogOptions(tail_lines=LOG_LINES)))
    except OSError:
        return ""
    return said[-LOG_LIMIT_BYTES:].decode("utf-8", "replace")
