"""What a client shows of itself: a token that may change while we run, a certificate.

A token file is read again every minute, since the tokens of accounts are renewed in place. An exec
plugin is run when what it gave has run out. Both are asked again when the server answers 401.
Source: client-go transport/token_source.go, plugin/pkg/client/auth/exec/exec.go.

On the ring: [client > **transport** > HTTP].
"""

import asyncio
import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import quote

from arubeki import clock
from arubeki.client.config import Config, ExecPlugin, Impersonation
from arubeki.errors import ConfigError
from arubeki.net.tls import Pair

TOKEN_SECONDS = 60.0
"""How long a token read from a file is used before the file is read again."""
PLUGIN_SECONDS = 60.0
"""How long an exec plugin may take."""
_LEEWAY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Credential:
    """A token, a certificate, or neither; good until `until` (seconds since 1970)."""

    token: str = field(default="", repr=False)
    pair: Pair | None = None
    until: float = inf


class Credentials:
    """The credentials of one configuration, kept as long as they are good."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._headers = impersonation_headers(config.impersonation)
        self._credential: Credential | None = None
        self._lock = asyncio.Lock()

    @property
    def may_change(self) -> bool:
        """Whether asking again can help after a 401."""
        return bool(self._config.token_file or self._config.plugin)

    async def current(self) -> Credential:
        """Return what is to be shown now. Raises: ConfigError when it cannot be had."""
        found = self._credential
        if found is None or found.until <= clock.now():
            async with self._lock:
                found = self._credential
                if found is None or found.until <= clock.now():
                    found = self._credential = await self._obtain()
        return found

    def headers(self, credential: Credential) -> dict[str, str]:
        """Return the headers that show `credential`."""
        headers = dict(self._headers)
        if credential.token:
            headers["authorization"] = f"Bearer {credential.token}"
        elif self._config.username:
            pair = f"{self._config.username}:{self._config.password}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return headers

    def spoil(self, credential: Credential) -> None:
        """Forget `credential`, which the server has refused."""
        if self._credential is credential:
            self._credential = None

    async def _obtain(self) -> Credential:
        config = self._config
        if config.plugin is not None:
            return await run_plugin(config.plugin, config)
        if config.token_file:
            return self._read_token(config)
        return Credential(config.token, config.pair)

    def _read_token(self, config: Config) -> Credential:
        until = clock.now() + TOKEN_SECONDS
        try:
            token = Path(config.token_file).read_text().strip()
        except OSError as error:
            if not config.token:
                raise ConfigError(f"the token file cannot be read: {error}") from error
            token = ""
        return Credential(token or config.token, config.pair, until)


def impersonation_headers(who: Impersonation) -> dict[str, str]:
    """Return the headers that ask to be seen as someone else.

    Several groups become one header each on the wire; here their values are joined by a line break,
    which no value can hold. Source: client-go transport/round_trippers.go.
    """
    headers: dict[str, str] = {}
    if who.user:
        headers["impersonate-user"] = who.user
    if who.uid:
        headers["impersonate-uid"] = who.uid
    if who.groups:
        headers["impersonate-group"] = "\n".join(who.groups)
    for name, values in who.extra.items():
        headers[f"impersonate-extra-{quote(name.lower(), safe='')}"] = "\n".join(values)
    return headers


async def run_plugin(plugin: ExecPlugin, config: Config) -> Credential:
    """Run an exec plugin and return what it gives. Raises: ConfigError."""
    command = plugin.command
    if os.sep in command:
        command = str(Path(plugin.folder) / command)
    environment = {**os.environ, **plugin.environment}
    environment["KUBERNETES_EXEC_INFO"] = json.dumps(_plugin_input(plugin, config))
    try:
        process = await asyncio.create_subprocess_exec(
            command,
            *plugin.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
        )
    except OSError as error:
        hint = f"\n{plugin.install_hint}" if plugin.install_hint else ""
        raise ConfigError(f"exec plugin {command} cannot be run: {error}{hint}") from error
    try:
        async with asyncio.timeout(PLUGIN_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise ConfigError(f"exec plugin {command} gave no answer in time") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise ConfigError(f"exec plugin {command} failed with code {process.returncode}")
    return _plugin_output(plugin, output)


def _plugin_input(plugin: ExecPlugin, config: Config) -> dict[str, Any]:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.wants_cluster:
        cluster: dict[str, Any] = {"server": config.server}
        if config.authority is not None:
            cluster["certificate-authority-data"] = base64.b64encode(config.authority).decode()
        if not config.verify:
            cluster["insecure-skip-tls-verify"] = True
        if config.tls_server_name:
            cluster["tls-server-name"] = config.tls_server_name
        spec["cluster"] = cluster
    return {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}


def _plugin_output(plugin: ExecPlugin, output: bytes) -> Credential:
    try:
        answer = json.loads(output)
    except ValueError as error:
        raise ConfigError(f"exec plugin {plugin.command} gave no JSON") from error
    status = answer.get("status") if isinstance(answer, Mapping) else None
    if not isinstance(status, Mapping):
        raise ConfigError(f"exec plugin {plugin.command} gave no ExecCredential with a status")
    if plugin.api_version and answer.get("apiVersion") != plugin.api_version:
        raise ConfigError(
            f"exec plugin {plugin.command} speaks {answer.get('apiVersion')}, "
            f"asked for was {plugin.api_version}"
        )
    certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
    if not status.get("token") and not (certificate and key):
        raise ConfigError(f"exec plugin {plugin.command} gave neither token nor certificate")
    stamp = status.get("expirationTimestamp")
    return Credential(
        str(status.get("token") or ""),
        Pair(str(certificate).encode(), str(key).encode()) if certificate and key else None,
        clock.parse_timestamp(str(stamp)) - _LEEWAY_SECONDS if stamp else inf,
    )
