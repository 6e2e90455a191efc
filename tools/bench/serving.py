"""Starts a server on its core, and speaks HTTPS with it over one plain socket."""

import contextlib
import json
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine

HERE = Path(__file__).parent
LOCAL = "127.0.0.1"


@dataclass
class Server:
    """A server that runs."""

    port: int
    token: str
    pid: int

    @property
    def headers(self) -> dict[str, str]:
        """What the generators send with each request: what kubectl sends."""
        return {
            "authorization": f"Bearer {self.token}",
            "accept": "application/json, */*",
            "content-type": "application/json",
            "user-agent": "kubectl/v1.32.4 (linux/amd64) kubernetes/59526cd",
        }

    def cpu_seconds(self) -> float:
        """Return its processor time so far."""
        return machine.cpu_seconds(self.pid)

    def rss_bytes(self) -> int:
        """Return its resident memory."""
        return machine.rss_bytes(self.pid)

    def connect(self) -> ssl.SSLSocket:
        """Return a TLS connection."""
        raw = socket.create_connection((LOCAL, self.port), timeout=30)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return tls_context().wrap_socket(raw)

    def message(
        self, method: str, path: str, body: bytes = b"", content_type: str = "", accept: str = ""
    ) -> bytes:
        """Return a request as it goes over the wire."""
        lines = [f"{method} {path} HTTP/1.1", f"host: {LOCAL}:{self.port}"]
        headers = self.headers
        headers["content-type"] = content_type or headers["content-type"]
        headers["accept"] = accept or headers["accept"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"content-length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    @contextlib.contextmanager
    def session(self) -> Iterator["Wire"]:
        """Give a connection for one request after the other."""
        wire = Wire(self, self.connect())
        try:
            yield wire
        finally:
            wire.socket.close()


class Wire:
    """One keep-alive connection."""

    def __init__(self, server: Server, connection: ssl.SSLSocket) -> None:
        self.server = server
        self.socket = connection
        self._rest = b""

    def send(self, method: str, path: str, body: Any = None) -> None:
        """Send a request and do not wait."""
        data = b"" if body is None else json.dumps(body).encode()
        self.socket.sendall(self.server.message(method, path, data))

    def receive(self) -> tuple[int, bytes]:
        """Return the next answer: status and body."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return int(head[9:12]), body

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return the decoded answer. Raises: RuntimeError for a refusal."""
        self.send(method, path, body)
        status, data = self.receive()
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {data[:300].decode('utf-8', 'replace')}")
        return json.loads(data)

    def apply(self, path: str, intent: Any) -> None:
        """Apply an intent. Raises: RuntimeError for a refusal."""
        data = json.dumps(intent).encode()
        message = self.server.message("PATCH", path, data, "application/apply-patch+yaml")
        self.socket.sendall(message)
        status, answer = self.receive()
        if status >= 400:
            raise RuntimeError(f"PATCH {path}: {status} {answer[:300]!r}")

    def create_many(self, path: str, objects: list[dict[str, Any]], depth: int = 50) -> None:
        """Create objects, `depth` requests in flight."""
        for start in range(0, len(objects), depth):
            portion = objects[start : start + depth]
            self.socket.sendall(
                b"".join(self.server.message("POST", path, json.dumps(o).encode()) for o in portion)
            )
            for _ in portion:
                status, data = self.receive()
                if status != 201:
                    raise RuntimeError(f"POST {path}: {status} {data[:300]!r}")

    def _more(self) -> None:
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._rest += data


def tls_context() -> ssl.SSLContext:
    """Return a context that trusts the server on the other end of the loopback."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextlib.contextmanager
def running(scratch: Path, *options: str) -> Iterator[Server]:
    """Run a server with options of `arubeki up` until the end of the block."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        command = [machine.PYTHON, str(HERE / "serve.py"), *options]
        with machine.server_core():
            process = subprocess.Popen(
                [*command, "--kubeconfig", f"{folder}/config"],
                stdout=subprocess.PIPE,
                text=True,
                env=machine.environment(scratch),
            )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the server did not start: {' '.join(options)}")
            yield Server(**json.loads(line))
        finally:
            process.terminate()
            process.wait(30)
            process.stdout.close()
