"""Errors as people read them: one line that says what happened, lines of help below it.

    error: port 6443 is taken
    help: leave --port out to get the next free one

Outside the ring.
"""

from arubeki.errors import (
    ApiError,
    ArubekiError,
    ConfigError,
    ConnectFailed,
    StorageError,
    TimedOut,
    Unauthorized,
)

_NO_SERVER = "is it running? `arubeki up` starts one; --context and --kubeconfig choose another"
_STRANGER = "the credential in the kubeconfig is not of this cluster; --context chooses another"
_NO_STORAGE = "see that it can be reached and written to; --data DIR keeps the state in a file"
_OPENINGS = ("help:", "note:", "warning:")


class Misuse(ConfigError):
    """What was said on the command line cannot be meant: exit status 2."""


def status(error: ArubekiError) -> int:
    """Return the exit status: 2 when the command line is wrong, 1 for every other failure."""
    return 2 if isinstance(error, Misuse) else 1


def told(error: BaseException) -> str:
    """Return an error as lines: the first of its message, then its help."""
    first, *more = str(error).splitlines() or [type(error).__name__]
    lines = [f"error: {first.strip()}"]
    for line in more:
        if text := line.strip():
            lines.append(text if text.startswith(_OPENINGS) else f"help: {text}")
    if len(lines) == 1 and (advice := _advice(error)):
        lines.append(f"help: {advice}")
    return "\n".join(lines)


def _advice(error: BaseException) -> str:
    if isinstance(error, ConnectFailed | TimedOut):
        return _NO_SERVER
    if isinstance(error, StorageError):
        return _NO_STORAGE
    if isinstance(error, Unauthorized):
        return _STRANGER
    if isinstance(error, ApiError) and any(
        one.get("reason") == "FieldManagerConflict" for one in error.causes
    ):
        return "--force-conflicts takes the fields over, leaving them out gives them up"
    return ""
