"""Bytes in, requests out; and no bytes whatever break it."""

import asyncio
import itertools

import hypothesis.strategies as st
import pytest
import uvloop
from hypothesis import example, given, settings

from arubeki.net.http1.limits import Limits
from arubeki.net.http1.reader import BODY, HEAD, IDLE, Incoming, Peer, Reader
from arubeki.net.message import Request, Response
from tests.net.support import STACKS, request

LIMITS = Limits(head_bytes=2_000, header_count=20, target_bytes=500, body_bytes=1_000)


def make(limits: Limits = LIMITS) -> Reader:
    return Reader(limits, {}, Peer("127.0.0.1"))


def outcome(reader: Reader) -> tuple[list[Incoming], str | None]:
    return reader.ready, None if reader.fault is None else reader.fault.reason


def test_a_reader_says_where_it_is() -> None:
    reader = make()
    assert reader.stage == IDLE
    reader.feed(b"POST / HT")
    assert reader.stage == HEAD
    reader.feed(b"TP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\na")
    assert reader.stage == BODY
    reader.feed(b"b")
    assert reader.stage == IDLE
    assert reader.ready[0].request.body == b"ab"


def test_an_absolute_target_is_cut_to_its_path() -> None:
    reader = make()
    reader.feed(b"GET http://here:80/a/b?c=d HTTP/1.1\r\nhost: here\r\n\r\n")
    reader.feed(b"GET http://here HTTP/1.1\r\nhost: here\r\n\r\n")
    found = [(each.request.path, each.request.query) for each in reader.ready]
    assert found == [("/a/b", "c=d"), ("/", "")]


def test_header_names_are_kept_up_to_a_bound() -> None:
    names: dict[bytes, str] = {}
    for number in range(2_000):
        reader = Reader(LIMITS, names, Peer())
        reader.feed(request(head=f"X-{number}: 1\r\n"))
        assert reader.ready[0].request.headers[f"x-{number}"] == "1"
    assert len(names) < 600


def test_a_closed_reader_takes_nothing() -> None:
    reader = make()
    reader.close()
    reader.feed(request())
    assert outcome(reader) == ([], None)


token = st.text("abcXYZ019-_", min_size=1, max_size=12)
# A name that stands twice is joined, and some names have a meaning: they are left out here.
head_lines = st.dictionaries(token.map(lambda name: f"x-{name}".lower()), token, max_size=5)
bodies = st.one_of(st.none(), st.binary(max_size=300))


@st.composite
def requests_sent(draw: st.DrawFn) -> tuple[bytes, list[tuple[str, dict[str, str], bytes]]]:
    """A few requests on one connection: their bytes, and (path, headers, body) of each."""
    wire, meant = b"", []
    for _ in range(draw(st.integers(1, 4))):
        path, headers, body = f"/{draw(token)}", draw(head_lines), draw(bodies)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if body is not None and draw(st.booleans()):
            headers = {**headers, "transfer-encoding": "chunked"}
            lines += "transfer-encoding: chunked\r\n"
            cut = draw(st.integers(0, len(body)))
            pieces = [piece for piece in (body[:cut], body[cut:]) if piece]
            framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
            wire += (
                f"POST {path} HTTP/1.1\r\nhost: a\r\n{lines}\r\n".encode() + framed + b"0\r\n\r\n"
            )
        else:
            body = body or b""
            headers = {**headers, "content-length": str(len(body))}
            lines += f"content-length: {len(body)}\r\n"
            wire += f"POST {path} HTTP/1.1\r\nhost: a\r\n{lines}\r\n".encode() + body
        meant.append((path, {"host": "a", **headers}, body or b""))
    return wire, meant


@settings(deadline=None)
@given(requests_sent(), st.lists(st.integers(0, 3_000), max_size=8))
def test_requests_are_the_same_however_they_are_cut_into_reads(
    sent: tuple[bytes, list[tuple[str, dict[str, str], bytes]]], cuts: list[int]
) -> None:
    wire, meant = sent
    reader = make()
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    for start, end in itertools.pairwise(edges):
        reader.feed(wire[start:end])
    assert reader.fault is None
    found = [each.request for each in reader.ready]
    assert [(each.path, dict(each.headers), each.body) for each in found] == meant
    assert reader.stage == IDLE


fragments = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n",
        b"POST /%2f?a HTTP/1.1\r\n",
        b"host: a\r\n",
        b"content-length: 5\r\n",
        b"content-length: 99999999999999999999\r\n",
        b"transfer-encoding: chunked\r\n",
        b"connection: upgrade\r\nupgrade: x\r\n",
        b"connection: close\r\n",
        b"expect: 100-continue\r\n",
        b"\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"\0",
        b"\xff",
        b" ",
        b":",
        b"\n",
    ]
)
noise = st.lists(st.one_of(fragments, st.binary(max_size=40)), max_size=25)


@settings(deadline=None, max_examples=400)
@given(noise)
@example([b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", b"\0"])
@example([b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n"])
def test_no_bytes_raise_and_nothing_follows_a_fault(pieces: list[bytes]) -> None:
    reader = make()
    for piece in pieces:
        before = len(reader.ready), reader.fault
        reader.feed(piece)
        if before[1] is not None:
            assert (len(reader.ready), reader.fault) == before
    for incoming in reader.ready:
        assert incoming.request.path.startswith("/")
        assert "\0" not in incoming.request.path
        assert len(incoming.request.body) <= LIMITS.body_bytes


def test_no_bytes_stop_a_server() -> None:
    async def answer(request: Request) -> Response:
        return Response(200, {}, b"ok")

    stack = next(each for each in STACKS if each.name == "uvloop")

    async def attack(pieces: list[bytes]) -> None:
        limits = {"head_seconds": 0.05, "body_seconds": 0.05, "idle_seconds": 0.05}
        async with stack.serving(answer, **limits, linger_seconds=0.01) as served:
            hostile = await served.connect()
            for piece in pieces:
                hostile.send(piece)
                await asyncio.sleep(0)
            friendly = await served.connect()
            assert (await friendly.ask()).body == b"ok"
            hostile.cut()
            friendly.cut()

    @settings(deadline=None, max_examples=60)
    @given(noise)
    def run(pieces: list[bytes]) -> None:
        stack.run(attack(pieces))

    assert stack.loop_factory is uvloop.new_event_loop
    run()


PLAIN = b" HTTP/1.1\r\nHost: a\r\nAccept: b\r\n\r\n"
SIMILAR = [
    *(b"GET " + target + PLAIN for target in (
        b"/", b"/a/b?c=d", b"/a%2Fb", b"/a%zz", b"/a#b", b"a", b"*", b"http://a/b", b"/\xc3\xa4", b"/a b",
        b"/" + b"a" * 600, b"/a\r\nX: y", b"/a HTTP/1.1\r\nHost: b\r\n\r\nGET /b", b"", b" /a",
    )),
    b"POST /a" + PLAIN,
    b"get /a" + PLAIN,
    b"GET /a HTTP/1.0\r\nHost: a\r\nAccept: b\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: a\r\nAccept: b\r\nConnection: close\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
    b"GET /a HTTP/1.1\r\nHost: a\r\nAccept: b\r\n\r",
    b"\r\nGET /a" + PLAIN,
]  # fmt: skip


@pytest.mark.parametrize("sent", SIMILAR)
@pytest.mark.parametrize("before", [b"GET /x" + PLAIN, *SIMILAR[-4:]])
def test_a_head_that_is_known_is_read_as_an_unknown_one(before: bytes, sent: bytes) -> None:
    knowing, fresh = make(), make()
    knowing.feed(before)
    if knowing.stage != IDLE or knowing.fault or not knowing.ready[-1].keep_alive:
        return
    knowing.ready.clear()
    for reader in (knowing, fresh):
        reader.feed(sent)
    assert outcome(knowing) == outcome(fresh)
    assert knowing.stage == fresh.stage


def test_a_head_is_known_again() -> None:
    reader = make()
    reader.feed(b"GET /a" + PLAIN)
    reader.feed(b"GET /b?c" + PLAIN)
    first, second = (each.request for each in reader.ready)
    assert second.headers is first.headers
    assert (second.path, second.query) == ("/b", "c")
