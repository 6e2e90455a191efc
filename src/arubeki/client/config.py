"""Which server to speak to, and as whom: kubeconfig files and the Pod's own account.

What is found first counts: a file that was named, the files of `$KUBECONFIG` merged, the account of
the Pod we run in, `~/.kube/config`. Files are merged as client-go does it: of each cluster, user and
context the first that is met counts, and so does the first `current-context`; relative paths are
relative to the file they stand in. Source: client-go tools/clientcmd/loader.go, client_config.go.

On the ring: [client > **transport** > HTTP].
"""

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arubeki.errors import ConfigError
from arubeki.net.tls import Pair

ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a Pod finds its account. Source: client-go rest/config.go, InClusterConfig."""

_HELP = "name a kubeconfig, set $KUBECONFIG, or start a cluster with `arubeki up`"


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """A program that gives credentials. Source: client.authentication.k8s.io, ExecCredential."""

    command: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    api_version: str = "client.authentication.k8s.io/v1"
    install_hint: str = ""
    wants_cluster: bool = False
    folder: str = ""
    """What a relative path in `command` is relative to."""


@dataclass(frozen=True, slots=True)
class Impersonation:
    """Who to be seen as, if the user may impersonate."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """A server and an identity. Keys and tokens stay out of its repr."""

    server: str
    namespace: str = "default"
    context: str = ""
    authority: bytes | None = field(default=None, repr=False)
    """Whom to trust, PEM; None: the system's authorities."""
    verify: bool = True
    tls_server_name: str = ""
    pair: Pair | None = None
    token: str = field(default="", repr=False)
    token_file: str = ""
    """Read again every minute: tokens of accounts are renewed in place."""
    username: str = ""
    password: str = field(default="", repr=False)
    impersonation: Impersonation = Impersonation()
    plugin: ExecPlugin | None = field(default=None, repr=False)
    proxy: str = ""
    timeout_seconds: float = 65.0
    """How long a request may take; a little more than a server gives itself."""


def load(
    path: str | Path | None = None,
    *,
    context: str = "",
    environment: Mapping[str, str] | None = None,
    account_folder: Path = ACCOUNT_FOLDER,
) -> Config:
    """Return the configuration that is found first (see above), or that of the file `path`.

    Raises: ConfigError when there is none, or it is wrong; the message names file and entry.
    """
    env = os.environ if environment is None else environment
    if path is not None:
        if not Path(path).is_file():
            raise ConfigError(f"there is no kubeconfig {path}")
        return _chosen(_merged([Path(path)]), context)
    if env.get("KUBECONFIG"):
        return _chosen(_merged(_listed(env["KUBECONFIG"])), context)
    if not context:
        in_cluster = load_in_cluster(env, account_folder)
        if in_cluster is not None:
            return in_cluster
    default = default_path(env)
    if not default.is_file():
        raise ConfigError(f"no cluster is configured: there is no {default}\n{_HELP}")
    return _chosen(_merged([default]), context)


def load_in_cluster(
    environment: Mapping[str, str] | None = None, account_folder: Path = ACCOUNT_FOLDER
) -> Config | None:
    """Return the configuration of the Pod we run in; None outside of one."""
    env = os.environ if environment is None else environment
    host, port = env.get("KUBERNETES_SERVICE_HOST"), env.get("KUBERNETES_SERVICE_PORT")
    token = account_folder / "token"
    if not host or not port or not token.is_file():
        return None
    authority, namespace = account_folder / "ca.crt", account_folder / "namespace"
    return Config(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        namespace=namespace.read_text().strip() if namespace.is_file() else "default",
        authority=authority.read_bytes() if authority.is_file() else None,
        token_file=str(token),
    )


def default_path(environment: Mapping[str, str] | None = None) -> Path:
    """Return `~/.kube/config`."""
    env = os.environ if environment is None else environment
    return Path(env.get("HOME") or Path.home()) / ".kube" / "config"


def writable_path(environment: Mapping[str, str] | None = None) -> Path:
    """Return the file that a new context is written to, as kubectl chooses it.

    Of the files of `$KUBECONFIG` the first that exists, else the last; without it `~/.kube/config`.
    Source: client-go tools/clientcmd/config.go, GetDefaultFilename.
    """
    env = os.environ if environment is None else environment
    files = _listed(env.get("KUBECONFIG", ""))
    if not files:
        return default_path(env)
    return next((file for file in files if file.is_file()), files[-1])


# Files.


@dataclass(slots=True)
class _Merged:
    """Entries by name, each with the folder of its file; the files for error messages."""

    files: str
    current: str = ""
    clusters: dict[str, tuple[dict[str, Any], Path]] = field(default_factory=dict)
    users: dict[str, tuple[dict[str, Any], Path]] = field(default_factory=dict)
    contexts: dict[str, tuple[dict[str, Any], Path]] = field(default_factory=dict)


def _listed(text: str) -> list[Path]:
    return [Path(each) for each in text.split(os.pathsep) if each]


def _merged(files: Sequence[Path]) -> _Merged:
    merged = _Merged(", ".join(map(str, files)))
    found = [file for file in files if file.is_file()]
    if not found:
        raise ConfigError(f"there is no kubeconfig {merged.files}\n{_HELP}")
    for file in found:
        document = read(file)
        merged.current = merged.current or str(document.get("current-context") or "")
        for plural, singular in (
            ("clusters", "cluster"),
            ("users", "user"),
            ("contexts", "context"),
        ):
            entries = getattr(merged, plural)
            for entry in document.get(plural) or ():
                if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
                    raise ConfigError(f"{file}: an entry of {plural} has no name")
                value = entry.get(singular) or {}
                if not isinstance(value, dict):
                    raise ConfigError(f"{file}: {singular} {entry['name']!r} is no mapping")
                entries.setdefault(entry["name"], (value, file.absolute().parent))
    return merged


def read(path: Path) -> dict[str, Any]:
    """Return a kubeconfig file as it is; {} when it is empty. Raises: ConfigError."""
    import yaml

    try:
        document = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError(f"{path} is no kubeconfig: it is not a mapping")
    return document


# From a context to a configuration.


def _chosen(merged: _Merged, name: str) -> Config:
    name = name or merged.current
    if not name:
        raise ConfigError(
            f"{merged.files}: no current-context is set\n"
            f"name one of: {', '.join(merged.contexts) or 'there is none'}"
        )
    context, _ = _entry(merged, "context", name)
    cluster, cluster_folder = _entry(merged, "cluster", str(context.get("cluster") or ""))
    user: dict[str, Any] = {}
    user_folder = cluster_folder
    if context.get("user"):
        user, user_folder = _entry(merged, "user", str(context["user"]))
    server = str(cluster.get("server") or "")
    if not server.startswith(("http://", "https://")):
        raise ConfigError(f"{merged.files}: cluster {context['cluster']!r} has no server URL")
    if user.get("auth-provider"):
        raise ConfigError(
            f"{merged.files}: user {context['user']!r} has an auth-provider, which Kubernetes 1.26 "
            "did away with\nuse an exec plugin instead"
        )
    return Config(
        server=server.rstrip("/"),
        namespace=str(context.get("namespace") or "default"),
        context=name,
        authority=_material(cluster, "certificate-authority", cluster_folder),
        verify=not cluster.get("insecure-skip-tls-verify"),
        tls_server_name=str(cluster.get("tls-server-name") or ""),
        pair=_pair(user, user_folder, str(context.get("user"))),
        token=str(user.get("token") or ""),
        token_file=_resolved(str(user.get("tokenFile") or ""), user_folder),
        username=str(user.get("username") or ""),
        password=str(user.get("password") or ""),
        impersonation=Impersonation(
            str(user.get("as") or ""),
            str(user.get("as-uid") or ""),
            tuple(user.get("as-groups") or ()),
            user.get("as-user-extra") or {},
        ),
        plugin=_plugin(user.get("exec"), user_folder),
        proxy=str(cluster.get("proxy-url") or ""),
    )


def _entry(merged: _Merged, singular: str, name: str) -> tuple[dict[str, Any], Path]:
    entries: dict[str, tuple[dict[str, Any], Path]] = getattr(merged, singular + "s")
    if name not in entries:
        known = ", ".join(entries) or "there is none"
        raise ConfigError(f"{merged.files}: there is no {singular} {name!r}\nknown: {known}")
    return entries[name]


def _material(entry: Mapping[str, Any], name: str, folder: Path) -> bytes | None:
    """Return what stands in `name`-data, else in the file `name`; the former wins."""
    data = entry.get(f"{name}-data")
    if data:
        try:
            return base64.b64decode(data, validate=False)
        except (binascii.Error, TypeError, ValueError) as error:
            raise ConfigError(f"{name}-data is no base64: {error}") from error
    if not entry.get(name):
        return None
    path = _resolved(str(entry[name]), folder)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{name}: {path} cannot be read: {error.strerror}") from error


def _pair(user: Mapping[str, Any], folder: Path, name: str) -> Pair | None:
    certificate = _material(user, "client-certificate", folder)
    key = _material(user, "client-key", folder)
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigError(f"user {name!r} has a client certificate or a key, but not both")
    return Pair(certificate, key)


def _plugin(entry: Any, folder: Path) -> ExecPlugin | None:
    if not isinstance(entry, dict) or not entry.get("command"):
        return None
    return ExecPlugin(
        command=str(entry["command"]),
        arguments=tuple(map(str, entry.get("args") or ())),
        environment={str(each["name"]): str(each["value"]) for each in entry.get("env") or ()},
        api_version=str(entry.get("apiVersion") or ""),
        install_hint=str(entry.get("installHint") or ""),
        wants_cluster=bool(entry.get("provideClusterInfo")),
        folder=str(folder),
    )


def _resolved(path: str, folder: Path) -> str:
    return str(folder / path) if path else ""
