"""Heads as bytes."""

import email.utils

import hypothesis.strategies as st
import pytest
from hypothesis import given

from arubeki.errors import BadRequest
from arubeki.net.http1.head import head_bytes, http_date, split_target, status_line


@given(st.integers(0, 4_000_000_000))
def test_dates_are_those_of_the_mail_standard(seconds: int) -> None:
    assert http_date(seconds) == email.utils.formatdate(seconds, usegmt=True)


def test_unknown_codes_have_no_phrase() -> None:
    assert status_line(404) == "HTTP/1.1 404 Not Found\r\n"
    assert status_line(299) == "HTTP/1.1 299 \r\n"


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", ""),
        (b"/a?b?c", "/a", "b?c"),
        (b"/%C3%A9%20?%20", "/é ", "%20"),
        (b"/a%2Fb", "/a/b", ""),
        ("/é".encode(), "/é", ""),
        (b"HTTPS://a:1/b?c", "/b", "c"),
    ],
)
def test_targets_are_split(target: bytes, path: str, query: str) -> None:
    assert split_target(target) == (path, query)


@pytest.mark.parametrize(
    "target", [b"*", b"a", b"", b"/%", b"/%g0", b"/%00", b"/\xff", b"/%80", b"/#"]
)
def test_targets_that_are_no_paths_are_refused(target: bytes) -> None:
    with pytest.raises(BadRequest):
        split_target(target)


@given(st.dictionaries(st.text("abc-", min_size=1), st.text()))
def test_no_header_value_makes_another_header(headers: dict[str, str]) -> None:
    try:
        head = head_bytes("HTTP/1.1 200 OK\r\n", headers, "date: x\r\n")
    except ValueError:
        assert any("\r" in value or "\n" in value for value in headers.values())
    else:
        lines = head.split(b"\r\n")
        assert len(lines) == len(headers) + 4
        assert head.endswith(b"\r\n\r\n")
