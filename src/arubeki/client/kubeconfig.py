"""Contexts written into a kubeconfig file, and taken out again.

The file belongs to the user and to other programs: it is locked as client-go locks it (`<file>.lock`,
made exclusively), replaced in one step, and everything in it that is not ours stays. A context keeps
in an extension which context was current before it, so that removing it gives the user that one
back, also when the program that wrote it has crashed since. The extension tells ours from the
user's own contexts too, which are never replaced, and whether the file was made for us: the last
context then takes it along.
Source: client-go tools/clientcmd/config.go (lockFile), kind pkg/cluster/internal/kubeconfig.

On the ring: beside the transport; run by whoever starts a cluster.
"""

import base64
import contextlib
import copy
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from arubeki.client.config import read
from arubeki.errors import ConfigError
from arubeki.net.tls import Pair, write_private

LOCK_SECONDS = 2.0
"""How long another program may hold the file before we give up."""
_LOCK_STEP_SECONDS = 0.05
_EXTENSION = "arubeki"
_PREVIOUS = "previous-context"
_MADE = "made-file"
_PLURALS = ("clusters", "users", "contexts")


def cluster_entry(server: str, authority: bytes | None = None) -> dict[str, Any]:
    """Return the `cluster` of a kubeconfig; `authority` is PEM."""
    entry: dict[str, Any] = {"server": server}
    if authority is not None:
        entry["certificate-authority-data"] = base64.b64encode(authority).decode()
    return entry


def user_entry(*, pair: Pair | None = None, token: str = "") -> dict[str, Any]:
    """Return the `user` of a kubeconfig, with a client certificate or a token."""
    entry: dict[str, Any] = {}
    if pair is not None:
        entry["client-certificate-data"] = base64.b64encode(pair.certificate).decode()
        entry["client-key-data"] = base64.b64encode(pair.key).decode()
    if token:
        entry["token"] = token
    return entry


def merge_context(
    path: Path | str,
    name: str,
    *,
    cluster: Mapping[str, Any],
    user: Mapping[str, Any],
    namespace: str = "",
    others: Iterable[str] = (),
) -> str:
    """Write a cluster, a user and a context of one name, make the context current, return the name.

    The file is made if there is none. Entries called `name` are replaced; with `others` nothing is:
    the first name counts that nothing in the file has, `name` itself or one of `others`.
    Raises: ConfigError when the file is no kubeconfig, stays locked or cannot be written.
    """
    with _changed(path) as document:
        is_made = not Path(path).exists()
        names = (name, *others)
        taken = _names(document) if len(names) > 1 else set()
        name = next((one for one in names if one not in taken), names[-1])
        current = str(document.get("current-context") or "")
        previous = _previous(document, name) if current == name else current
        context: dict[str, Any] = {"cluster": name, "user": name}
        if namespace:
            context["namespace"] = namespace
        mark = {_PREVIOUS: previous} | ({_MADE: True} if is_made or _made(document, name) else {})
        context["extensions"] = [{"name": _EXTENSION, "extension": mark}]
        document.setdefault("apiVersion", "v1")
        document.setdefault("kind", "Config")
        document["current-context"] = name
        for plural, entry in _entries(name, cluster, user, context):
            document[plural] = [*_others(document, plural, name), entry]
    return name


def remove_context(path: Path | str, name: str) -> None:
    """Take the cluster, user and context called `name` out; nothing happens if they are not there.

    If the context is current, the one before it becomes current again, if it still exists. A file
    that was made for such contexts goes with the last one, if nothing else has come into it.
    Raises: ConfigError.
    """
    if not Path(path).exists():
        return
    with _changed(path) as document:
        previous, is_made = _previous(document, name), _made(document, name)
        if document.get("current-context") == name:
            known = {each.get("name") for each in _others(document, "contexts", name)}
            document["current-context"] = previous if previous in known else ""
        for plural in _PLURALS:
            if document.get(plural):
                document[plural] = _others(document, plural, name)
        contexts = _others(document, "contexts", "")
        marks = [mark for one in contexts if (mark := _mark(one)) is not None]
        # Who came after us and will go after us gives back what we would have.
        for mark in marks:
            if mark.get(_PREVIOUS) == name:
                mark[_PREVIOUS] = previous
        if is_made and marks:
            marks[0][_MADE] = True
        elif is_made and not _names(document):
            document.clear()


def marked(path: Path | str) -> dict[str, dict[str, Any]]:
    """Return the clusters of the contexts that were written here, by the context's name.

    Raises: ConfigError when the file is no kubeconfig.
    """
    if not Path(path).exists():
        return {}
    document = read(Path(path))
    names = {
        str(entry.get("name"))
        for entry in document.get("contexts") or ()
        if _mark(entry) is not None
    }
    return {
        one["name"]: one.get("cluster") or {}
        for one in _others(document, "clusters", "")
        if isinstance(one, dict) and one.get("name") in names
    }


def _entries(
    name: str, cluster: Mapping[str, Any], user: Mapping[str, Any], context: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "clusters", {"name": name, "cluster": dict(cluster)}
    yield "users", {"name": name, "user": dict(user)}
    yield "contexts", {"name": name, "context": dict(context)}


def _others(document: Mapping[str, Any], plural: str, name: str) -> list[Any]:
    entries = document.get(plural) or []
    if not isinstance(entries, list):
        raise ConfigError(f"{plural} is no list")
    return [each for each in entries if not isinstance(each, dict) or each.get("name") != name]


def _names(document: Mapping[str, Any]) -> set[str]:
    return {
        str(each.get("name"))
        for plural in _PLURALS
        for each in _others(document, plural, "")
        if isinstance(each, dict)
    }


def _mark(context: Any) -> dict[str, Any] | None:
    """Return what we noted in an entry of `contexts`; None when it is not ours."""
    inner = context.get("context") if isinstance(context, dict) else None
    for extension in (inner.get("extensions") if isinstance(inner, dict) else None) or ():
        if isinstance(extension, dict) and extension.get("name") == _EXTENSION:
            note = extension.get("extension")
            return note if isinstance(note, dict) else {}
    return None


def _note(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return what we noted when we wrote the context `name`."""
    for entry in _others(document, "contexts", ""):
        if isinstance(entry, dict) and entry.get("name") == name:
            return _mark(entry) or {}
    return {}


def _previous(document: Mapping[str, Any], name: str) -> str:
    """Return the context that was current before `name`."""
    return str(_note(document, name).get(_PREVIOUS) or "")


def _made(document: Mapping[str, Any], name: str) -> bool:
    """Whether the file was made for the context `name`, or one before it."""
    return bool(_note(document, name).get(_MADE))


@contextlib.contextmanager
def _changed(path: Path | str) -> Iterator[dict[str, Any]]:
    """Give the file's content to be changed; write it back if it was, remove it if all went."""
    import yaml

    # A link is followed: what it points to is replaced, not the link.
    path = Path(os.path.realpath(path))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path):
            before = read(path) if path.exists() else {}
            document = copy.deepcopy(before)
            yield document
            if before and not document:
                path.unlink()
            elif document != before:
                text = yaml.dump(
                    document, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True
                )
                write_private(path, text.encode())
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = path.with_name(path.name + ".lock")
    waited = 0.0
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
            break
        except FileExistsError:
            if waited >= LOCK_SECONDS:
                raise ConfigError(
                    f"{path} is locked by another program\nif none is running, remove {lock}"
                ) from None
        # The files of a lock tell nothing when it goes, so one looks again.
        threading.Event().wait(_LOCK_STEP_SECONDS)
        waited += _LOCK_STEP_SECONDS
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(lock)
