"""Contexts written into a kubeconfig file, and taken out again.

The file belongs to the user and to other programs: it is locked as client-go locks it (`<file>.lock`,
made exclusively), replaced in one step, and everything in it that is not ours stays. A context keeps
in an extension which context was current before it, so that removing it gives the user that one
back, also when the program that wrote it has crashed since.
Source: client-go tools/clientcmd/config.go (lockFile), kind pkg/cluster/internal/kubeconfig.

On the ring: beside the transport; run by whoever starts a cluster.
"""

import base64
import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
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
) -> None:
    """Write a cluster, a user and a context, all called `name`, and make the context current.

    The file is made if there is none; entries of that name are replaced.
    Raises: ConfigError when the file is no kubeconfig or stays locked.
    """
    with _changed(path) as document:
        current = str(document.get("current-context") or "")
        previous = _previous(document, name) if current == name else current
        context: dict[str, Any] = {"cluster": name, "user": name}
        if namespace:
            context["namespace"] = namespace
        if previous:
            context["extensions"] = [{"name": _EXTENSION, "extension": {_PREVIOUS: previous}}]
        document.setdefault("apiVersion", "v1")
        document.setdefault("kind", "Config")
        document["current-context"] = name
        for plural, entry in _entries(name, cluster, user, context):
            others = _others(document, plural, name)
            document[plural] = [*others, entry]


def remove_context(path: Path | str, name: str) -> None:
    """Take the cluster, user and context called `name` out; nothing happens if they are not there.

    If the context is current, the one before it becomes current again, if it still exists.
    """
    if not Path(path).exists():
        return
    with _changed(path) as document:
        if document.get("current-context") == name:
            previous = _previous(document, name)
            known = {each.get("name") for each in _others(document, "contexts", name)}
            document["current-context"] = previous if previous in known else ""
        for plural in ("clusters", "users", "contexts"):
            if document.get(plural):
                document[plural] = _others(document, plural, name)


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


def _previous(document: Mapping[str, Any], name: str) -> str:
    """Return the context that was current before `name`, as its extension says."""
    for entry in document.get("contexts") or ():
        if isinstance(entry, dict) and entry.get("name") == name:
            for extension in (entry.get("context") or {}).get("extensions") or ():
                if extension.get("name") == _EXTENSION:
                    return str((extension.get("extension") or {}).get(_PREVIOUS) or "")
    return ""


@contextlib.contextmanager
def _changed(path: Path | str) -> Iterator[dict[str, Any]]:
    """Give the file's content to be changed; write it back if it was."""
    import yaml

    # A link is followed: what it points to is replaced, not the link.
    path = Path(os.path.realpath(path))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path):
        before = read(path) if path.exists() else {}
        document = read(path) if path.exists() else {}
        yield document
        if document != before:
            text = yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
            write_private(path, text.encode())


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
