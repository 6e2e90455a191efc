"""Requests, responses and chunks by themselves."""

import json
import logging

import pytest

from arubeki.errors import Expired, TooManyRequests
from arubeki.net.message import Chunk, Request, Response
from arubeki.net.status import status_response


def test_parameters_keep_their_order_and_their_blanks() -> None:
    request = Request("GET", "/", "a=1&b&a=%2F+x&c=")
    assert request.parameters() == {"a": ["1", "/ x"], "b": [""], "c": [""]}


def test_a_body_in_parts_reads_as_one() -> None:
    assert Response(200, {}, [b"a", b"", b"b"]).content() == b"ab"
    assert Response(200, {}, b"ab").content() == b"ab"


def test_a_chunk_is_framed_once() -> None:
    chunk = Chunk(b"x" * 17)
    assert chunk.framed == b"11\r\n" + b"x" * 17 + b"\r\n"
    assert chunk.framed is chunk.framed


def test_an_api_error_is_told_as_its_status() -> None:
    error = Expired("too old", metadata={"continue": "abc"})
    response = status_response(error)
    assert response.status == 410
    assert json.loads(response.content()) == error.to_status()
    assert "retry-after" not in response.headers


def test_patience_is_told_in_head_and_body() -> None:
    response = status_response(TooManyRequests("later", details={"retryAfterSeconds": 3}))
    assert response.headers["retry-after"] == "3"
    assert json.loads(response.content())["details"] == {"retryAfterSeconds": 3}


def test_a_mistake_is_logged_with_its_cause_and_told_without(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR, "arubeki.net"):
        response = status_response(KeyError("secret"))
    assert response.status == 500
    assert b"secret" not in response.content()
    assert "secret" in caplog.text
