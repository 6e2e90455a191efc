"""The way to a server elsewhere: HTTPS with pooled connections.

aiohttp carries it, imported with the first request. A stream has a connection of its own for as long
as it lasts, and no limit of time: how long silence is bearable is for its reader to say.

On the ring: [informer > client > **transport** > HTTP].
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from arubeki.client.config import Config
from arubeki.client.credentials import Credential, Credentials
from arubeki.errors import ConfigError, ConnectFailed, TimedOut, TransportError, WatchBroken
from arubeki.net.message import Response
from arubeki.net.tls import Pair, client_context

if TYPE_CHECKING:
    import aiohttp

CONNECTIONS = 1000
"""More requests than this wait for a connection. Each watch holds one."""
CONNECT_SECONDS = 10.0
# Servers of the field close an idle connection after 90 seconds; a request that is under way just
# then would be lost. So ours are closed well before.
_IDLE_SECONDS = 45.0
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
_PATH_SAFE = "/:@!$&'()*+,;=~"


class HttpsTransport:
    """Speaks to the server of a configuration. Implements `client.transport.Transport`."""

    def __init__(self, config: Config) -> None:
        """Keep the configuration; nothing is connected yet."""
        self.config = config
        self._credentials = Credentials(config)
        self._session: aiohttp.ClientSession | None = None
        self._pair: Pair | None = None
        self._is_closed = False

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        """Send a request and return the whole answer, whatever its status.

        A request that changes nothing is sent once more when its connection breaks; one that is
        refused as unauthorized, once more with a fresh credential if there can be one.

        Raises: ConnectFailed, TimedOut, TransportError; ConfigError for the credential.
        """
        call = _Call(method, path, query, headers, body)
        is_repeated = False
        while True:
            credential = await self._credentials.current()
            try:
                async with asyncio.timeout(self.config.timeout_seconds):
                    answer = await self._whole(call, credential)
            except TimeoutError as error:
                raise TimedOut(f"{method} {path}: no answer in time") from error
            except TransportError as error:
                # Only what changes nothing: whether a write arrived cannot be known.
                is_worth_it = type(error) is TransportError and method in _REPEATABLE
                if is_repeated or not is_worth_it:
                    raise
                is_repeated = True
                continue
            if answer.status == 401 and self._credentials.may_change and not is_repeated:
                is_repeated = True
                self._credentials.spoil(credential)
                continue
            return answer

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> AsyncIterator["HttpsStreaming"]:
        """Send a request whose answer is read as it comes; leaving the context ends it."""
        credential = await self._credentials.current()
        call = _Call(method, path, query, headers, body)
        try:
            async with asyncio.timeout(self.config.timeout_seconds):  # for the head
                answer = await self._send(call, credential)
        except TimeoutError as error:
            raise TimedOut(f"{method} {path}: no answer in time") from error
        try:
            if answer.status == 401:
                self._credentials.spoil(credential)
            yield HttpsStreaming(answer)
        finally:
            answer.close()

    async def close(self) -> None:
        """Close every connection; requests are refused from now on."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            await _end(session)

    async def _whole(self, call: "_Call", credential: Credential) -> Response:
        import aiohttp

        answer = await self._send(call, credential)
        try:
            content = await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            raise TransportError(f"{call}: {_what(error)}") from error
        finally:
            answer.close()  # which keeps the connection of an answer that was read to its end
        return Response(answer.status, _lower(answer.headers), content)

    async def _send(self, call: "_Call", credential: Credential) -> "aiohttp.ClientResponse":
        """Send a request and return the answer's head; what breaks becomes our own errors."""
        import aiohttp
        from yarl import URL

        session = await self._connected(credential)
        target = f"{self.config.server}{quote(call.path, safe=_PATH_SAFE)}"
        if call.query:
            target = f"{target}?{call.query}"
        try:
            return await session.request(
                call.method,
                URL(target, encoded=True),
                headers=_multiplied(self._credentials.headers(credential), call.headers),
                data=call.body or None,
                allow_redirects=False,
                proxy=_proxy(self.config),
                server_hostname=self.config.tls_server_name or None,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise ConnectFailed(f"{self.config.server}: {_what(error)}") from error
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise TransportError(f"{call}: {_what(error)}") from error

    async def _connected(self, credential: Credential) -> "aiohttp.ClientSession":
        """Return the session; a new one when the certificate has changed."""
        if self._is_closed:
            raise ConnectFailed("the transport is closed")
        if self._session is not None and self._pair is credential.pair:
            return self._session
        import aiohttp

        from arubeki.client.connector import Connector

        old, self._pair = self._session, credential.pair
        context = client_context(self.config.authority, credential.pair, verify=self.config.verify)
        self._session = session = aiohttp.ClientSession(
            connector=Connector(limit=CONNECTIONS, keepalive_timeout=_IDLE_SECONDS, ssl=context),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS),
            headers={"user-agent": "arubeki", "accept-encoding": "identity"},
        )
        # aiohttp would repeat PUT and DELETE too, and then a write that had succeeded would be told
        # as a Conflict or NotFound. There is no public way to say so; a test notices if it goes.
        session._retry_connection = False
        if old is not None:
            await _end(old)
        return session


async def _end(session: "aiohttp.ClientSession") -> None:
    connector: Any = session.connector
    await session.close()
    if connector is not None:
        await connector.finish()


class _Call(NamedTuple):
    """A request to be sent, perhaps twice."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str] | None
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class HttpsStreaming:
    """An answer that is still coming. Implements `client.transport.Streaming`."""

    def __init__(self, answer: "aiohttp.ClientResponse") -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = _lower(answer.headers)
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Pieces of the body as they arrive. Raises: WatchBroken when it was cut off."""
        import aiohttp

        try:
            async for piece in self._answer.content.iter_any():
                yield piece
        except (aiohttp.ClientError, ConnectionError) as error:
            raise WatchBroken(f"the stream was cut off: {_what(error)}") from error


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _what(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _multiplied(ours: Mapping[str, str], asked: Mapping[str, str] | None) -> Any:
    """Return headers for the wire; a value with line breaks becomes a header for each line."""
    from multidict import CIMultiDict

    sent: CIMultiDict[str] = CIMultiDict()
    for name, value in ours.items():
        for line in value.split("\n"):
            sent.add(name, line)
    for name, value in (asked or {}).items():
        sent[name] = value
    return sent


def _proxy(config: Config) -> str | None:
    """Return the proxy for a server: the kubeconfig's, else the environment's.

    As in Go, the environment's is never used for this machine itself.
    """
    if config.proxy:
        if not config.proxy.startswith(("http://", "https://")):
            raise ConfigError(f"proxy-url {config.proxy}: only http and https proxies are known")
        return config.proxy
    from urllib import request

    parts = urlsplit(config.server)
    host = parts.hostname or ""
    if host == "localhost" or host.startswith("127.") or host == "::1":
        return None
    proxies = request.getproxies_environment()
    proxy = proxies.get(parts.scheme)
    return None if request.proxy_bypass(parts.netloc) else proxy
