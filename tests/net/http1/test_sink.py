"""What a sink writes at once."""

from arubeki.net.http1.sink import TLS_WRITE_BYTES, SocketSink, TlsSink
from arubeki.net.message import Chunk


class Transport:
    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes | memoryview) -> None:
        self.writes.append(bytes(data))


class Line:
    def __init__(self) -> None:
        self.transport = Transport()


def test_a_large_piece_goes_out_in_parts_under_tls_and_whole_otherwise() -> None:
    chunk = Chunk(bytes(range(256)) * 100)
    tls, plain = Line(), Line()
    TlsSink(tls).write(chunk)
    SocketSink(plain).write(chunk)
    assert plain.transport.writes == [chunk.framed]
    assert b"".join(tls.transport.writes) == chunk.framed
    assert max(map(len, tls.transport.writes)) == TLS_WRITE_BYTES


def test_a_small_piece_is_one_write_and_an_empty_one_none() -> None:
    line = Line()
    sink = TlsSink(line)
    sink.write(Chunk(b""))
    sink.write(Chunk(b"small"))
    sink.detach()
    sink.write(Chunk(b"late"))
    assert line.transport.writes == [Chunk(b"small").framed]
