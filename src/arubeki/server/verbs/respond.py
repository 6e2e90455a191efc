"""Stored bytes to answers, in the form that was asked for.

On the ring: [HTTP > **server** > storage].
"""

import asyncio
from collections.abc import Mapping, Sequence

from arubeki.api.fields import FieldError
from arubeki.api.objects import GVK
from arubeki.errors import BadRequest
from arubeki.net.message import Response
from arubeki.server import wire
from arubeki.server.core import Call
from arubeki.server.negotiation import (
    JSON,
    METADATA,
    TABLE,
    Form,
    answer_as,
    answer_json,
    check_number,
    is_pretty,
    negotiate,
)

TURN_ROWS = 100
"""Rows of a Table made before others get a turn; some two milliseconds."""


def served(call: Call, value: bytes) -> bytes:
    """Return stored bytes as the version of the call shows them."""
    converter = call.resource.converter
    return value if converter is None else converter.served_bytes(value)


async def respond(call: Call, value: bytes, status: int = 200) -> Response:
    """Return an object (its stored, stamped bytes) as the answer of a call."""
    form = negotiate(call.header("accept"))
    check_number(form, call.resource.kind, many=False)
    if form.shape == TABLE:
        metadata = {"resourceVersion": wire.revision_of(value)}
        parts = await table_parts(call, [value], metadata, form, listed=False)
        return finish(call, form, b"".join(parts), status)
    value = served(call, value)
    if form.shape == METADATA:
        value = wire.partial(value, form.version)
    return finish(call, form, value, status)


def respond_bytes(call: Call, body: bytes, status: int = 200) -> Response:
    """Return JSON that has neither Table nor metadata form (a Status) as the answer."""
    form = negotiate(call.header("accept"), forms=False)
    return finish(call, form, body, status)


def respond_kind(call: Call, body: bytes, kind: GVK) -> Response:
    """Return an object of a subresource's own kind (a Scale) as the answer."""
    form = negotiate(call.header("accept"))
    check_number(form, kind.kind, many=False)
    if form.shape == METADATA:
        body = wire.partial(body, form.version)
    elif form.shape == TABLE:
        from arubeki.server.table import Table

        table = Table(call.resource, include=included(call), version=form.version, kind=kind)
        head = table.head({"resourceVersion": wire.revision_of(body)})
        body = b"".join((head, table.rows([body]), table.TAIL))
    return finish(call, form, body, 200)


def finish(call: Call, form: Form, body: bytes, status: int) -> Response:
    """Return JSON bytes in the form's media type."""
    if form.media_type == JSON and "pretty" not in call.parameters:
        agent = call.header("user-agent")
        if not agent or not is_pretty(call.parameters, agent):
            return answer_json(body, status)
    pretty = is_pretty(call.parameters, call.header("user-agent"))
    return answer_as(form.media_type, body, status, pretty=pretty)


async def table_parts(
    call: Call, values: Sequence[bytes], metadata: Mapping[str, object], form: Form, *, listed: bool
) -> list[bytes]:
    """Return objects (as stored) as a Table, in parts; others get a turn between them.

    `listed` says whether they are a list, or one object that was asked for. Raises: BadRequest.
    """
    from arubeki.server.table import Table

    table = Table(call.resource, include=included(call), version=form.version)
    parts = [table.head(metadata)]
    turn = len(values) if listed and table.is_whole else TURN_ROWS
    for start in range(0, len(values), max(turn, 1)):
        if start:
            await asyncio.sleep(0)
            parts.append(b",")
        parts.append(table.rows(values[start : start + turn], listed=listed))
    parts.append(table.TAIL)
    return parts


def included(call: Call) -> str:
    """Return what of each object goes along in a Table. Raises: BadRequest."""
    asked = call.parameter("includeObject") or "Metadata"
    if asked not in ("Metadata", "Object", "None"):
        fault = FieldError.invalid(
            "includeObject", asked, "must be 'Metadata', 'Object', 'None', or empty"
        )
        raise BadRequest(f"Unable to convert to Table as requested: {fault.message}")
    return asked
