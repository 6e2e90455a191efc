"""Go's words for what is no JSON. The expectations are what encoding/json of Go 1.26 says."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arubeki.api.syntax import json_fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"", "unexpected end of JSON input"),
        (b"  ", "unexpected end of JSON input"),
        (b"{", "unexpected end of JSON input"),
        (b"[1", "unexpected end of JSON input"),
        (b'"ab', "unexpected end of JSON input"),
        (b"[]x", "invalid character 'x' after top-level value"),
        (b'{"a":1}}', "invalid character '}' after top-level value"),
        (b"01", "invalid character '1' after top-level value"),
        (b'{"a":}', "invalid character '}' looking for beginning of value"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b"\xff", "invalid character '\u00ff' looking for beginning of value"),
        (b"\x00", "invalid character '\\x00' looking for beginning of value"),
        (b"'", "invalid character '\\'' looking for beginning of value"),
        (b"{a:1}", "invalid character 'a' looking for beginning of object key string"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 x}', "invalid character 'x' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"nul", "invalid character ' ' in literal null (expecting 'l')"),
        (b'"a\nb"', "invalid character '\\n' in string literal"),
        (b'"\\q"', "invalid character 'q' in string escape code"),
        (b'"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        (b"-x", "invalid character 'x' in numeric literal"),
        (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
        (b"1ex", "invalid character 'x' in exponent of numeric literal"),
    ],
)
def test_a_fault_reads_as_go_says_it(text: bytes, fault: str) -> None:
    assert json_fault(text) == fault


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.text(), below),
)  # fmt: skip


@given(JSON)
def test_json_has_no_fault(value: object) -> None:
    assert json_fault(json.dumps(value).encode()) == ""


@given(st.binary(max_size=20))
def test_what_has_no_fault_is_json(text: bytes) -> None:
    if not json_fault(text):
        json.loads(text.decode("utf-8", "replace"), strict=True)


def test_depth_is_no_matter() -> None:
    assert json_fault(b"[" * 100_000) == "unexpected end of JSON input"
    assert json_fault(b"[" * 100_000 + b"]" * 100_000) == ""
