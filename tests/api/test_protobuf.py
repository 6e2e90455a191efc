import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arubeki.api import facts, protobuf
from arubeki.api.objects import GVK
from arubeki.api.protobuf import values, wire
from arubeki.errors import BadRequest

# Bytes as kubectl 1.32 sent them, or as k8s.io/api 0.37 writes them, with Go's own JSON beside them.
VECTORS = json.loads((Path(__file__).parent / "protobuf_vectors.json").read_text())
BY_NAME = {vector["name"]: vector for vector in VECTORS}


def unknown(api_version: bytes, kind: bytes, raw: bytes) -> bytes:
    meta = _field(1, api_version) + _field(2, kind)
    return b"k8s\x00" + _field(1, meta) + _field(2, raw)


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_real_bytes_become_the_json_that_go_would_write(vector):
    body = bytes.fromhex(vector["hex"])
    assert protobuf.is_envelope(body)
    assert protobuf.decode(body) == vector["json"]


def test_an_explicit_zero_behind_a_pointer_is_kept_and_empty_text_is_not():
    replica_set = protobuf.decode(bytes.fromhex(BY_NAME["zero"]["hex"]))
    assert replica_set["spec"]["replicas"] == 0
    assert set(replica_set["metadata"]) == {"name"}


def test_the_kind_of_the_url_stands_in_for_an_envelope_without_one():
    body = unknown(b"", b"", _field(1, _field(1, b"c")))
    got = protobuf.decode(body, GVK("", "v1", "ConfigMap"))
    assert got == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    with pytest.raises(BadRequest, match="'Kind' is missing"):
        protobuf.decode(body)


def test_options_are_known_in_every_group():
    got = protobuf.decode(unknown(b"example.com/v1", b"DeleteOptions", b"\x08\x00"))
    assert got["gracePeriodSeconds"] == 0


def test_a_kind_that_is_not_built_in_is_refused():
    with pytest.raises(BadRequest, match=r'no kind "Foo" is registered for version "e\.io/v1"'):
        protobuf.decode(unknown(b"e.io/v1", b"Foo", b""))
    with pytest.raises(BadRequest, match="no kind"):
        protobuf.decode(unknown(b"e.io/v1", b"ObjectMeta", b""))


def test_bytes_without_the_prefix_are_refused():
    with pytest.raises(BadRequest, match="does not appear to be a protobuf message"):
        protobuf.decode(b'{"kind":"Pod"}')
    assert not protobuf.is_envelope(b"k8s")


def test_a_wrong_wire_type_is_refused():
    with pytest.raises(BadRequest, match="wrong wireType = 0"):
        protobuf.decode_message("core.v1.Pod", b"\x08\x01")


def test_parts_of_one_message_merge_and_the_last_scalar_wins():
    raw = _field(1, _field(1, b"a")) + _field(1, _field(1, b"b") + _field(3, b"ns"))
    assert protobuf.decode_message("core.v1.Pod", raw)["metadata"] == {
        "name": "b",
        "namespace": "ns",
    }
    # The empty text that comes last takes the earlier one away.
    assert protobuf.decode_message("meta.v1.ObjectMeta", _field(1, b"a") + _field(1, b"")) == {}


def test_unknown_fields_and_groups_are_skipped():
    group = _varint(900 << 3 | 3) + b"\x08\x01" + _varint(900 << 3 | 4)
    raw = _field(901, b"x") + group + _field(1, b"name")
    assert protobuf.decode_message("meta.v1.ObjectMeta", raw) == {"name": "name"}
    with pytest.raises(BadRequest):
        protobuf.decode_message("meta.v1.ObjectMeta", _varint(900 << 3 | 3) * 100)


def test_negative_numbers_have_ten_bytes():
    raw = b"\x08" + b"\xff" * 9 + b"\x01"
    assert protobuf.decode_message("meta.v1.DeleteOptions", raw) == {"gracePeriodSeconds": -1}
    with pytest.raises(BadRequest, match="overflow"):
        protobuf.decode_message("meta.v1.DeleteOptions", b"\x08" + b"\xff" * 11)


def test_packed_numbers_are_read():
    packed = _field(4, b"\x01\x02\x80\x01")
    name = "core.v1.PodSecurityContext"
    assert protobuf.decode_message(name, packed) == {"supplementalGroups": [1, 2, 128]}
    assert protobuf.decode_message(name, b"\x20\x01\x20\x02") == {"supplementalGroups": [1, 2]}


def test_nesting_is_bounded():
    schema = b""
    for _ in range(wire.DEPTH_LIMIT + 5):
        schema = _field(28, schema)  # JSONSchemaProps.not
    with pytest.raises(BadRequest, match="nested more than"):
        protobuf.decode_message("apiextensions.v1.JSONSchemaProps", schema)


def test_a_few_bytes_cannot_ask_for_the_whole_memory():
    with pytest.raises(BadRequest, match="holds more than"):
        protobuf.decode_message("core.v1.PodSpec", _field(2, b"") * wire.VALUE_LIMIT)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "1970-01-01T00:00:00"),
        (1700000000, "2023-11-14T22:13:20"),
        (951782400, "2000-02-29T00:00:00"),
        (-1, "1969-12-31T23:59:59"),
        (-62135596800, "0001-01-01T00:00:00"),
        (253402300799, "9999-12-31T23:59:59"),
    ],
)
def test_seconds_are_shown_as_a_date(seconds, shown):
    assert values.civil(seconds) == shown


def test_a_time_beyond_the_calendar_is_refused():
    raw = _field(1, _field(8, b"\x08" + b"\xff" * 8 + b"\x7f"))
    with pytest.raises(BadRequest, match="year outside of range"):
        protobuf.decode_message("core.v1.Pod", raw)


def test_embedded_json_must_be_json_of_bounded_depth():
    revision = "apps.v1.ControllerRevision"
    with pytest.raises(BadRequest, match="json"):
        protobuf.decode_message(revision, _field(2, _field(1, b"{")))
    with pytest.raises(BadRequest):
        protobuf.decode_message(revision, _field(2, _field(1, b"[" * 500 + b"]" * 500)))


def test_every_message_can_be_read_from_nothing():
    for name in facts.messages():
        if name not in ("runtime.Unknown", "runtime.TypeMeta"):
            found = values.READERS.get(name)
            if found is None:
                protobuf.decode_message(name, b"")


KINDS = [gvk for gvk in facts.kinds() if gvk.version in ("v1", "v2")]
BODIES = [bytes.fromhex(vector["hex"]) for vector in VECTORS]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(KINDS), st.binary(max_size=200))
def test_random_messages_are_read_or_refused(gvk, raw):
    body = unknown(gvk.api_version.encode(), gvk.kind.encode(), raw)
    try:
        assert protobuf.decode(body)["kind"] == gvk.kind
    except BadRequest as error:
        assert error.message


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(BODIES), st.data())
def test_damaged_bodies_are_read_or_refused(body, data):
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(4, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert isinstance(protobuf.decode(bytes(damaged)), dict)
    except BadRequest as error:
        assert error.message
