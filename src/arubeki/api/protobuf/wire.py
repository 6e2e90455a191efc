"""Protobuf's wire format: tags, varints, lengths, and the bounds put on what they may ask for.

Pure: no I/O, no clock.
Source: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator
from typing import Any

DEPTH_LIMIT = 100
"""Messages within messages; no kind nests half as deep, except on purpose."""
VALUE_LIMIT = 250_000
"""Messages and list items in one body. Two bytes can ask for a whole Container, so size is no bound."""
_GROUP_LIMIT = 32


class Malformed(ValueError):
    """The bytes are not what they claim to be; the message is Go's where it has one."""


class Budget:
    """Counts what a body asks for. As a context manager it is one level of nesting."""

    __slots__ = ("_depth", "_left")

    def __init__(self) -> None:
        self._depth = 0
        self._left = VALUE_LIMIT

    def spend(self) -> None:
        """Count one value. Raises: Malformed."""
        self._left -= 1
        if self._left < 0:
            raise Malformed(f"proto: the body holds more than {VALUE_LIMIT} values")

    def __enter__(self) -> None:
        self.spend()
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise Malformed(f"proto: messages are nested more than {DEPTH_LIMIT} deep")

    def __exit__(self, *_: object) -> None:
        self._depth -= 1


def fields(data: bytes, start: int = 0) -> Iterator[tuple[int, int, Any]]:
    """Yield (number, wire type, value) of a message's fields, groups left out.

    The value is an int for wire type 0 (as unsigned 64 bits), else bytes. Raises: Malformed.
    """
    position, end = start, len(data)
    while position < end:
        tag, position = varint(data, position, end)
        # int32 in Go: a tag of more bits wraps around.
        number, wire_type = signed(tag >> 3, 32), tag & 7
        if wire_type == 4:
            raise Malformed("proto: wiretype end group for non-group")
        if number <= 0:
            raise Malformed(f"proto: illegal tag {number} (wire type {tag})")
        if wire_type == 2:
            size, position = varint(data, position, end)
            if size > end - position:
                raise Malformed("unexpected EOF")
            yield number, 2, data[position : position + size]
            position += size
        elif wire_type == 0:
            value, position = varint(data, position, end)
            yield number, 0, value
        elif wire_type == 3:
            position = _skip_group(data, position, end)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
            if size > end - position:
                raise Malformed("unexpected EOF")
            yield number, wire_type, data[position : position + size]
            position += size
        else:
            raise Malformed(f"proto: illegal wireType {wire_type}")


def varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return (the unsigned 64-bit number at `position`, the position behind it)."""
    value = shift = 0
    while True:
        if position >= end:
            raise Malformed("unexpected EOF")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
        if shift >= 64:
            raise Malformed("proto: integer overflow")


def signed(value: int, bits: int) -> int:
    """Return an unsigned number's low `bits` as Go's conversion to a signed type does."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _skip_group(data: bytes, position: int, end: int) -> int:
    """Return the position behind a group, whose start tag has been read."""
    depth = 1
    while depth:
        tag, position = varint(data, position, end)
        wire_type = tag & 7
        if wire_type == 0:
            _, position = varint(data, position, end)
        elif wire_type == 1:
            position += 8
        elif wire_type == 5:
            position += 4
        elif wire_type == 2:
            size, position = varint(data, position, end)
            position += size
        elif wire_type == 3:
            depth += 1
        elif wire_type == 4:
            depth -= 1
        else:
            raise Malformed(f"proto: illegal wireType {wire_type}")
        if position > end or depth > _GROUP_LIMIT:
            raise Malformed("unexpected EOF")
    return position
