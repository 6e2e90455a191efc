"""Calls to an etcd cluster: over any of its members, each within a time limit.

A member that does not answer is left for the next one in the list. A read is then tried again
there; a write only if it was certainly not sent, since nobody could tell afterwards whether it was
carried out twice.

On the ring: inside storage, at its edge. Source: etcd, api/etcdserverpb/rpc.proto.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from arubeki.errors import ConfigError, StorageError, StorageFull
from arubeki.storage.etcd.schema import PACKAGE, Messages

_DEFAULT_PORT = 2379
_OPTIONS = [
    # A page of the first list may be big, and so may a watch that catches up. The member is
    # trusted, and bounds a value to 1.5 MiB.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A peer that is gone without a word is noticed, which only a watch would otherwise not be.
    # etcd refuses more than one ping in 5 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
]
# A member without a leader ends the watch instead of keeping silent.
_WATCH_METADATA = (("hasleader", "true"),)


@dataclass(frozen=True, slots=True)
class Tls:
    """The PEM files for a cluster behind TLS: who it must be, and who we are."""

    ca: Path
    cert: Path | None = None
    key: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Return them as gRPC wants them. Raises: ConfigError."""
        try:
            return grpc.ssl_channel_credentials(
                self.ca.read_bytes(),
                self.key.read_bytes() if self.key else None,
                self.cert.read_bytes() if self.cert else None,
            )
        except OSError as error:
            raise ConfigError(f"{error.filename} cannot be read: {error.strerror}") from error


def parse_endpoints(text: str) -> list[str]:
    """Return the endpoints in `etcd://host:port[,host:port]`; a port left out is 2379.

    Raises: ConfigError.
    """
    hosts = text.removeprefix("etcd://")
    endpoints = []
    for each in hosts.rstrip("/").split(","):
        host, colon, port = each.rpartition(":")
        if not colon or "]" in port:  # no port, perhaps after an IPv6 address
            host, port = each, str(_DEFAULT_PORT)
        valid = bool(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65_536
        if not valid or "/" in host or (":" in host and not host.startswith("[")):
            raise ConfigError(f"{text} is not of the form etcd://host:port[,host:port]")
        endpoints.append(f"{host}:{port}")
    return endpoints


class EtcdError(StorageError):
    """etcd refused or did not answer; `code` is gRPC's."""

    def __init__(self, message: str, code: grpc.StatusCode) -> None:
        super().__init__(message)
        self.code = code


class _Member:
    """One endpoint's channel and its callables."""

    def __init__(self, endpoint: str, messages: Messages, tls: Tls | None) -> None:
        self.endpoint = endpoint
        self.channel = (
            grpc.aio.secure_channel(endpoint, tls.credentials(), options=_OPTIONS)
            if tls
            else grpc.aio.insecure_channel(endpoint, options=_OPTIONS)
        )
        self.calls = {
            name: self.channel.unary_unary(
                f"/{PACKAGE}.KV/{name}",
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )
            for name, request, response in (
                ("Range", messages.RangeRequest, messages.RangeResponse),
                ("Txn", messages.TxnRequest, messages.TxnResponse),
                ("Compact", messages.CompactionRequest, messages.CompactionResponse),
            )
        }
        self.watch = self.channel.stream_stream(
            f"/{PACKAGE}.Watch/Watch",
            request_serializer=messages.WatchRequest.SerializeToString,
            response_deserializer=messages.WatchResponse.FromString,
        )


class Client:
    """An etcd cluster, reached over one member at a time."""

    def __init__(self, endpoints: Sequence[str], tls: Tls | None, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self.messages = Messages()
        self._members = [_Member(endpoint, self.messages, tls) for endpoint in endpoints]
        self._current = 0
        self.is_closed = False

    @property
    def endpoint(self) -> str:
        """The member that is asked next."""
        return self._members[self._current].endpoint

    async def close(self) -> None:
        """End all connections."""
        self.is_closed = True
        for member in self._members:
            await member.channel.close()

    async def range(self, **request: Any) -> Any:
        """Return the RangeResponse. Raises: EtcdError."""
        return await self._call("Range", self.messages.RangeRequest(**request), repeat=True)

    async def txn(self, **request: Any) -> Any:
        """Return the TxnResponse. Raises: EtcdError, StorageFull."""
        return await self._call("Txn", self.messages.TxnRequest(**request), repeat=False)

    async def compact(self, revision: int) -> None:
        """Forget what is below `revision`. Raises: EtcdError."""
        request = self.messages.CompactionRequest(revision=revision)
        await self._call("Compact", request, repeat=True)

    async def watch(self, start_revision: int) -> AsyncGenerator[Any, None]:
        """Yield the WatchResponses for all keys of the cluster. Raises: EtcdError."""
        member = self._members[self._current]
        call = member.watch(metadata=_WATCH_METADATA)
        try:
            # From key "\0" to the end "\0": every key.
            await call.write(
                self.messages.WatchRequest(
                    create_request={
                        "key": b"\0",
                        "range_end": b"\0",
                        "start_revision": start_revision,
                    }
                )
            )
            while (response := await call.read()) is not grpc.aio.EOF:
                yield response
        except grpc.aio.AioRpcError as error:
            self._leave(member)
            raise _translate(error, member.endpoint) from error
        except asyncio.InvalidStateError:  # the stream ended while it was being written to
            self._leave(member)
        finally:
            call.cancel()

    async def _call(self, name: str, request: Any, *, repeat: bool) -> Any:
        for attempt in range(len(self._members)):
            member = self._members[self._current]
            try:
                called: Awaitable[Any] = member.calls[name](request, timeout=self._timeout_seconds)
                return await called
            except grpc.aio.AioRpcError as error:
                is_gone = error.code() in {
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                }
                if is_gone:
                    self._leave(member)
                is_last = attempt + 1 == len(self._members)
                if is_last or not is_gone or not (repeat or _was_not_sent(error)):
                    raise _translate(error, member.endpoint) from error
            except (grpc.aio.UsageError, asyncio.CancelledError):
                # Closing a channel cancels its calls; the caller was not cancelled by that.
                if self.is_closed and not is_cancelled():
                    raise StorageError("the connection to etcd is closed") from None
                raise
        raise AssertionError("unreachable")

    def _leave(self, member: _Member) -> None:
        """Ask the next member from now on, unless another call has moved on already."""
        if self._members[self._current] is member:
            self._current = (self._current + 1) % len(self._members)


def is_cancelled() -> bool:
    """Return whether somebody cancelled the running task (and not only what it waits for)."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _was_not_sent(error: grpc.aio.AioRpcError) -> bool:
    return (error.details() or "").startswith("failed to connect to all addresses")


def _translate(error: grpc.aio.AioRpcError, endpoint: str) -> StorageError:
    details = error.details() or error.code().name
    if "database space exceeded" in details:
        return StorageFull(
            f"etcd at {endpoint} has no space left\n"
            "Compact and defragment it, then disarm its NOSPACE alarm."
        )
    return EtcdError(f"etcd at {endpoint}: {details}", error.code())
