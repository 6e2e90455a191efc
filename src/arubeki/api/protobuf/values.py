"""The messages whose Go types write JSON by their own rules: times, quantities, embedded JSON.

Each reader takes a message's bytes and returns the value in JSON, None for what Go writes as null.

Pure: no I/O, no clock.
Source: apimachinery pkg/apis/meta/v1/{time,micro_time,fieldsv1_byte}.go, pkg/runtime/extension.go,
pkg/util/intstr/intstr.go, pkg/api/resource/quantity.go, apiextensions v1/marshal.go.
"""

import binascii
import math
import struct
from collections.abc import Callable
from typing import Any

import msgspec

from arubeki.api import quantity
from arubeki.api.protobuf.wire import DEPTH_LIMIT, Malformed, fields, signed

Read = Callable[[str, bytes], Any]
"""Reads a message of the given name: for what is nested in a special one."""

_SCHEMA = "apiextensions.v1.JSONSchemaProps"
# Go's zero time, 0001-01-01T00:00:00Z, is null in JSON; years of five digits are no RFC 3339.
_ZERO_TIME, _END_OF_TIME = -62135596800, 253402300799


def base64(value: bytes) -> str:
    """Return bytes as JSON has them."""
    return binascii.b2a_base64(value, newline=False).decode()


def text(value: bytes) -> str:
    """Return a string field; Go does not check it, JSON cannot hold what is not UTF-8."""
    return value.decode("utf-8", "replace")


def double(value: bytes) -> float:
    """Return a fixed64 as a number that JSON can hold."""
    number: float = struct.unpack("<d", value)[0]
    if not math.isfinite(number):
        raise Malformed(f"json: unsupported value: {number}")
    return number


def civil(seconds: int) -> str:
    """Return `2006-01-02T15:04:05` of seconds since 1970, UTC."""
    days, rest = divmod(seconds, 86400)
    # Days from 0000-03-01, so that the leap day is the last of its year.
    days += 719468
    era, day_of_era = divmod(days, 146097)
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (month <= 2)
    hour, minute = rest // 3600, rest % 3600 // 60
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{rest % 60:02}"


def _moment(raw: bytes) -> tuple[int, int] | None:
    if not raw:
        return None
    seconds = nanos = 0
    for number, wire_type, value in fields(raw):
        if number in (1, 2) and wire_type != 0:
            raise Malformed(f"proto: wrong wireType = {wire_type} for field Seconds")
        if number == 1:
            seconds = signed(value, 64)
        elif number == 2:
            nanos = signed(value, 32)
    whole, nanos = divmod(nanos, 1_000_000_000)
    if not _ZERO_TIME <= seconds + whole <= _END_OF_TIME:
        raise Malformed("Time.MarshalJSON: year outside of range [0,9999]")
    return seconds + whole, nanos


def _time(raw: bytes, _: Read) -> str | None:
    moment = _moment(raw)
    # Fractions are never kept here: JSON has none either, and a field must not change by its way.
    return None if moment is None or moment[0] == _ZERO_TIME else civil(moment[0]) + "Z"


def _micro_time(raw: bytes, _: Read) -> str | None:
    moment = _moment(raw)
    if moment is None or moment == (_ZERO_TIME, 0):
        return None
    return f"{civil(moment[0])}.{moment[1] // 1000:06}Z"


def _quantity(raw: bytes, _: Read) -> str:
    found = "0"
    for number, wire_type, value in fields(raw):
        if number == 1:
            if wire_type != 2:
                raise Malformed(f"proto: wrong wireType = {wire_type} for field String_")
            try:
                found = quantity.canonical(value.decode("utf-8", "replace"))
            except ValueError as error:
                raise Malformed(str(error)) from None
    return found


def _int_or_string(raw: bytes, _: Read) -> int | str:
    kind = number_value = 0
    string_value = b""
    for number, wire_type, value in fields(raw):
        if number in (1, 2, 3) and wire_type != (2 if number == 3 else 0):
            raise Malformed(f"proto: wrong wireType = {wire_type} for field {number}")
        if number == 1:
            kind = signed(value, 64)
        elif number == 2:
            number_value = signed(value, 32)
        elif number == 3:
            string_value = value
    if kind not in (0, 1):
        raise Malformed("impossible IntOrString.Type")
    return text(string_value) if kind else number_value


def _json(raw: bytes, _: Read) -> Any:
    inner = b""
    for number, wire_type, value in fields(raw):
        if number == 1:
            if wire_type != 2:
                raise Malformed(f"proto: wrong wireType = {wire_type} for field Raw")
            inner = value
    if not inner:
        return None
    try:
        found = msgspec.json.decode(inner)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"json: {error}") from None
    _bound(found, DEPTH_LIMIT)
    return found


def _bound(value: Any, left: int) -> None:
    if isinstance(value, dict | list):
        if not left:
            raise Malformed(f"json: values are nested more than {DEPTH_LIMIT} deep")
        for inner in value.values() if isinstance(value, dict) else value:
            _bound(inner, left - 1)


def texts(raw: bytes) -> list[str]:
    """Return a message that is a named list of texts in Go (`ExtraValue`), an array in JSON."""
    return [text(value) for number, kind, value in fields(raw) if number == 1 and kind == 2]


def _schema_or(name: str) -> Callable[[bytes, Read], Any]:
    """Return the reader of a union of a schema with a boolean, schemas or names."""

    def union(raw: bytes, read: Read) -> Any:
        schema, others, allows = None, [], False
        for number, wire_type, value in fields(raw):
            is_schema = number == (2 if name == "bool" else 1)
            if number > 2:
                continue
            if wire_type != (0 if name == "bool" and number == 1 else 2):
                raise Malformed(f"proto: wrong wireType = {wire_type} for field {number}")
            if is_schema:
                schema = read(_SCHEMA, value)
            elif name == "bool":
                allows = bool(value)
            else:
                others.append(read(_SCHEMA, value) if name == "schemas" else text(value))
        if name == "bool":
            return allows if schema is None else schema
        return others or schema

    return union


READERS: dict[str, Callable[[bytes, Read], Any]] = {
    "apiextensions.v1.JSON": _json,
    "apiextensions.v1.JSONSchemaPropsOrArray": _schema_or("schemas"),
    "apiextensions.v1.JSONSchemaPropsOrBool": _schema_or("bool"),
    "apiextensions.v1.JSONSchemaPropsOrStringArray": _schema_or("names"),
    "intstr.IntOrString": _int_or_string,
    "meta.v1.FieldsV1": _json,
    "meta.v1.MicroTime": _micro_time,
    "meta.v1.Time": _time,
    "resource.Quantity": _quantity,
    "runtime.RawExtension": _json,
}
