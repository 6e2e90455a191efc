"""Stored bytes to answers, in the form that was asked for.

On the ring: [HTTP > **server** > storage].
"""

import asyncio
from collections.abc import Mapping, Sequence

from arubeki.api.fields import FieldError
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
        metadata = {"resourceVersion": _revision(value)}
        parts = await table_parts(call, [value], metadata, form.version)
        return finish(call, form, b"".join(parts), status)
    value = served(call, value)
    if form.shape == METADATA:
        value = wire.partial(value, form.version)
    return finish(call, form, value, status)


def respond_bytes(call: Call, body: bytes, status: int = 200) -> Response:
    """Return JSON that has neither Table nor metadata form (a Status, a Scale) as the answer."""
    form = negotiate(call.header("accept"), forms=False)
    return finish(call, form, body, status)


def finish(call: Call, form: Form, body: bytes, status: int) -> Response:
    """Return JSON bytes in the form's media type."""
    if form.media_type == JSON and "pretty" not in call.parameters:
        agent = call.header("user-agent")
        if not agent or not is_pretty(call.parameters, agent):
            return answer_json(body, status)
    pretty = is_pretty(call.parameters, call.header("user-agent"))
    return answer_as(form.media_type, body, status, pretty=pretty)


async def table_parts(
    call: Call, values: Sequence[bytes], metadata: Mapping[str, object], version: str = "v1"
) -> list[bytes]:
    """Return objects (as stored) as a Table, in parts; others get a turn between them.

    Raises: BadRequest.
    """
    from arubeki.server import table

    include = included(call)
    parts: list[bytes] = []
    for start in range(0, max(len(values), 1), TURN_ROWS):
        if start:
            await asyncio.sleep(0)
        objects = [wire.decode(served(call, one)) for one in values[start : start + TURN_ROWS]]
        rendered = table.render(
            call.resource, objects, metadata=metadata, include=include, version=version
        )
        rows = wire.encode_json(rendered.pop("rows"))[1:-1]
        parts.append(b"," if start else wire.encode_json(rendered)[:-1] + b',"rows":[')
        parts.append(rows)
    parts.append(b"]}\n")
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


def _revision(value: bytes) -> str:
    metadata = wire.decode_json(wire.raw_metadata(value))
    return str(metadata.get("resourceVersion", ""))
