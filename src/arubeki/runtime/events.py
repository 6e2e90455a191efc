"""Tells people about objects: Events, counted when they repeat and limited per object.

Events are collected during a run and sent when it ends, one after the other, by a task of their own:
work does not wait for what is said of it. They are best effort: that one could not be written is
logged and never fails a run, and those that a crash overtakes are lost.

On the ring: [reconcile > **events** > client].
Source: client-go tools/record/event.go, events_cache.go (EventCorrelator).
"""

import asyncio
import logging
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any, NamedTuple

from arubeki import clock
from arubeki.api.objects import Kind
from arubeki.client.client import Client
from arubeki.client.options import PATCH_TYPES
from arubeki.errors import AlreadyExists, ApiError, NotFound, TransportError
from arubeki.runtime.shape import encode, key_of, kind_of, revision_text_of, uid_of

logger = logging.getLogger(__name__)

EVENT = Kind("", "v1", "Event", "events")
PENDING_LIMIT = 1000
"""How many Events may wait to be sent; more are dropped. Source: client-go maxQueuedEvents."""
MEMORY_LIMIT = 4096
"""How many Events, and how many objects' allowances, are remembered."""
SIMILAR_SECONDS = 600.0
"""How long a repetition only counts up."""
BURST, REFILL_SECONDS = 25, 300.0
"""One object may be reported about so often, and once more every five minutes."""
MESSAGE_LIMIT = 1024
"""Source: apimachinery validation of Event.message (NoteLengthLimit)."""


class _What(NamedTuple):
    uid: str
    type: str
    reason: str
    message: str


@dataclass(slots=True)
class _Sent:
    namespace: str
    name: str
    count: int
    at: float


@dataclass(slots=True)
class _Allowance:
    tokens: float
    at: float


class Recorder:
    """Writes Events under one component's name."""

    def __init__(self, client: Client, component: str) -> None:
        self._client = client
        self._component = component
        self._pending: deque[tuple[_What, Any]] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._sent: OrderedDict[_What, _Sent] = OrderedDict()
        self._allowances: OrderedDict[str, _Allowance] = OrderedDict()
        self._number = 0
        self.dropped = 0

    def add(self, obj: Any, type: str, reason: str, message: str) -> None:
        """Note an Event about `obj`, to be sent by `send_soon` or `flush`."""
        if len(self._pending) >= PENDING_LIMIT:
            self.dropped += 1
            return
        if len(message) > MESSAGE_LIMIT:
            message = message[: MESSAGE_LIMIT - 1] + "…"
        self._pending.append((_What(uid_of(obj), type, reason, message), obj))

    @property
    def is_idle(self) -> bool:
        """Whether all that was noted has been sent."""
        return not self._pending and (self._sending is None or self._sending.done())

    def send_soon(self) -> None:
        """See that what was noted is sent, without waiting for it."""
        if self._pending and (self._sending is None or self._sending.done()):
            self._sending = asyncio.get_running_loop().create_task(self._send_all())

    async def flush(self) -> None:
        """Send what was noted, and wait for it."""
        self.send_soon()
        if self._sending is not None:
            await asyncio.shield(self._sending)

    def cancel(self) -> None:
        """Drop what has not been sent."""
        self._pending.clear()
        if self._sending is not None:
            self._sending.cancel()

    async def _send_all(self) -> None:
        while self._pending:
            what, obj = self._pending.popleft()
            if not self._may(what.uid):
                self.dropped += 1
                continue
            try:
                await self._send(what, obj)
            except (ApiError, TransportError) as failure:
                logger.warning("an Event about %s could not be written: %s", key_of(obj), failure)
            except Exception:
                logger.exception("an Event about %s could not be made", key_of(obj))

    async def _send(self, what: _What, obj: Any) -> None:
        now = clock.now()
        sent = self._sent.get(what)
        if sent is not None and now - sent.at < SIMILAR_SECONDS:
            sent.count += 1
            sent.at = now
            patch = {"count": sent.count, "lastTimestamp": clock.timestamp(now)}
            try:
                await self._client.request(
                    "PATCH",
                    EVENT.path(sent.namespace, sent.name),
                    body=encode(patch),
                    media_type=PATCH_TYPES["merge"],
                )
            except NotFound:
                pass  # it has lived its hour; report it anew
            else:
                return
        body = self._event(what, obj, now)
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        try:
            await self._client.request("POST", EVENT.path(namespace), body=encode(body))
        except AlreadyExists:
            return
        self._sent[what] = _Sent(namespace, name, 1, now)
        if len(self._sent) > MEMORY_LIMIT:
            self._sent.popitem(last=False)

    def _event(self, what: _What, obj: Any, now: float) -> dict[str, Any]:
        kind, key = kind_of(type(obj)), key_of(obj)
        self._number += 1
        # As client-go names them, by nanoseconds; the number keeps two of one moment apart.
        suffix = f"{int(now * 1e9) + self._number:x}"
        stamp = clock.timestamp(now)
        return {
            "apiVersion": "v1",
            "kind": "Event",
            # Events about cluster-wide objects lie in "default".
            "metadata": {"name": f"{key.name}.{suffix}", "namespace": key.namespace or "default"},
            "involvedObject": {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "name": key.name,
                **({"namespace": key.namespace} if key.namespace else {}),
                "uid": what.uid,
                "resourceVersion": revision_text_of(obj),
            },
            "reason": what.reason,
            "message": what.message,
            "type": what.type,
            "count": 1,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._component,
        }

    def _may(self, uid: str) -> bool:
        now = clock.monotonic()
        allowance = self._allowances.get(uid)
        if allowance is None:
            allowance = self._allowances[uid] = _Allowance(BURST, now)
            if len(self._allowances) > MEMORY_LIMIT:
                self._allowances.popitem(last=False)
        refill = (now - allowance.at) / REFILL_SECONDS
        allowance.tokens = min(BURST, allowance.tokens + refill)
        allowance.at = now
        if allowance.tokens < 1:
            return False
        allowance.tokens -= 1
        return True
