"""Stored bytes to answers, in the form that was asked for.

On the ring: [HTTP > **server** > storage].
"""

from collections.abc import Sequence

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
    is_pretty,
    negotiate,
)


def served(call: Call, value: bytes) -> bytes:
    """Return stored bytes as the version of the call shows them."""
    converter = call.resource.converter
    return value if converter is None else converter.served_bytes(value)


def respond(call: Call, value: bytes, status: int = 200) -> Response:
    """Return an object (its stored, stamped bytes) as the answer of a call."""
    form = negotiate(call.header("accept"))
    value = served(call, value)
    if form.shape == METADATA:
        value = wire.partial(value)
    elif form.shape == TABLE:
        value = table_bytes(call, [value], {"resourceVersion": _revision(value)})
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


def table_bytes(call: Call, values: Sequence[bytes], metadata: dict[str, object]) -> bytes:
    """Return objects (as served) as a Table."""
    from arubeki.server import table

    include = call.parameter("includeObject") or "Metadata"
    objects = [wire.decode(value) for value in values]
    rendered = table.render(call.resource, objects, metadata=metadata, include=include)
    return wire.encode_json(rendered)


def _revision(value: bytes) -> str:
    metadata = wire.decode_json(wire.raw_metadata(value))
    return str(metadata.get("resourceVersion", ""))


def check_acceptable(call: Call) -> Form:
    """Return the form asked for, before anything is written. Raises: NotAcceptable."""
    return negotiate(call.header("accept"))
