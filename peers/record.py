"""Ask a real kube-apiserver what the transcripts ask, and write down what it answers.

    peers/record.py [name or path ...]     all transcripts when none is named

Each transcript gets a fresh kube-apiserver on a fresh etcd: a transcript is a world of its own. A
step with an answer gets the one given now; `?` after the dashed rule asks for one; a step without
one stays without. Masked is what `tests/server/recording.py` masks, so the diff shows what differs.

A transcript whose head says `# Flags: --watch-cache=false` gets a server with these flags.
"""

import argparse
import base64
import http.client
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.server.recording import Memory, Step, masked, steps  # noqa: E402

TRANSCRIPTS = ROOT / "tests" / "server" / "transcripts"
BUILD = Path(__file__).resolve().parent / "build"
PROGRAMS = {"kube-apiserver": BUILD / "kube-apiserver", "etcd": BUILD / "etcd"}
_FLAGS = re.compile("^# Flags: (.*)$", re.MULTILINE)
TOKEN = "recorder"
START_SECONDS = 180.0
QUIET_SECONDS = 0.7
"""How long an open watch is given to say what it has to say."""


def main() -> None:
    """Record what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*")
    for name, path in PROGRAMS.items():
        parser.add_argument(f"--{name}", type=Path, default=path)
    options = parser.parse_args()
    for program in (options.kube_apiserver, options.etcd):
        if not program.exists():
            sys.exit(f"{program} is not there; `make -C peers` builds it")
    paths = [Path(one) if "/" in one else TRANSCRIPTS / f"{one}.txt" for one in options.names]
    paths = paths or sorted(TRANSCRIPTS.glob("*.txt"))
    for path in paths:
        flags = [flag for line in _FLAGS.findall(path.read_text()) for flag in line.split()]
        with running(options.kube_apiserver, options.etcd, flags) as server:
            print(f"{path.stem}: {record(path, server)} answers", flush=True)


class Server:
    """A kube-apiserver and its etcd, and how to ask them."""

    def __init__(self, port: int, store: int) -> None:
        self.port = port
        self._store = store
        self._tls = ssl._create_unverified_context()
        self._watches: dict[str, Following] = {}

    def open(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Any:
        """Send a request; return the answer, its body still to be read."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self._tls)
        sent = {"authorization": f"Bearer {TOKEN}", **headers}
        connection.request(method, url, body or None, sent)
        return connection.getresponse()

    def compact(self, revision: int) -> None:
        """Make etcd forget, and tell the API server as another API server would."""
        key = base64.b64encode(b"compact_rev_key").decode()
        value = base64.b64encode(str(revision).encode()).decode()
        for path, body in (
            ("kv/put", {"key": key, "value": value}),
            ("kv/compaction", {"revision": str(revision), "physical": True}),
        ):
            connection = http.client.HTTPConnection("127.0.0.1", self._store)
            connection.request("POST", f"/v3/{path}", json.dumps(body))
            connection.getresponse().read()
        time.sleep(QUIET_SECONDS)

    def follow(self, name: str, answer: Any) -> None:
        """Collect what a watch says from now on."""
        self._watches[name] = Following(answer)

    def end(self, name: str) -> list[Any]:
        """End a watch and return what it has said."""
        time.sleep(QUIET_SECONDS)
        return self._watches.pop(name).events()


class Following:
    """A watch that is being listened to."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self._lines: list[bytes] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while line := self._answer.readline():
            self._lines.append(line)

    def events(self) -> list[Any]:
        """Return the events so far."""
        return [json.loads(line) for line in list(self._lines)]


@contextmanager
def running(apiserver: Path, etcd: Path, flags: Sequence[str] = ()) -> Iterator[Server]:
    """Run a fresh kube-apiserver on a fresh etcd."""
    directory = Path(tempfile.mkdtemp(prefix="arubeki-peer-"))
    port, store, peer = _free_port(), _free_port(), _free_port()
    started: list[subprocess.Popen[bytes]] = []
    try:
        with (directory / "log").open("wb") as log:
            for command in (
                _etcd(etcd, directory, store, peer),
                _apiserver(apiserver, directory, port, store) + list(flags),
            ):
                started.append(
                    subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
                )
            server = Server(port, store)
            _wait(server, started[-1], directory / "log")
            yield server
    finally:
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(directory, ignore_errors=True)


def _etcd(program: Path, directory: Path, store: int, peer: int) -> list[str]:
    client, between = f"http://127.0.0.1:{store}", f"http://127.0.0.1:{peer}"
    return [
        str(program), f"--data-dir={directory / 'etcd'}", "--unsafe-no-fsync",
        f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
        f"--listen-peer-urls={between}", f"--initial-advertise-peer-urls={between}",
        f"--initial-cluster=default={between}",
    ]  # fmt: skip


def _apiserver(program: Path, directory: Path, port: int, store: int) -> list[str]:
    key = directory / "key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    tokens = directory / "tokens"
    tokens.write_text(f'{TOKEN},admin,admin,"system:masters"\n')
    return [
        str(program), f"--etcd-servers=http://127.0.0.1:{store}", "--bind-address=127.0.0.1",
        f"--secure-port={port}", f"--cert-dir={directory / 'certificates'}",
        "--service-cluster-ip-range=10.96.0.0/12", f"--service-account-signing-key-file={key}",
        f"--service-account-key-file={key}", "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--token-auth-file={tokens}", "--allow-privileged=true",
        "--disable-admission-plugins=ServiceAccount",
    ]  # fmt: skip


def _wait(server: Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if server.open("GET", "/readyz", {}, b"").status == 200:
                ready = server.open("GET", "/api/v1/namespaces/default", {}, b"").status
                if ready == 200:
                    return
        except OSError:
            pass
        time.sleep(0.3)
    sys.exit(f"kube-apiserver does not come up:\n{log.read_text(errors='replace')[-3000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def record(path: Path, server: Server) -> int:
    """Rewrite a transcript with what the server answers; return how many answers."""
    memory = Memory()
    blocks, answers = [], 0
    text = path.read_text()
    questions = {
        block.split("\n---")[0] for block in text.split("\n\n") if block.rstrip().endswith("---\n?")
    }
    for step in steps(text):
        lines = list(step.comments)
        if step.line:
            lines += [*step.asked, "---"]
            told = ask(step, server, memory)
            if step.status or "\n".join([*step.comments, *step.asked]) in questions:
                lines += told
                answers += 1
        blocks.append("\n".join(lines))
    path.write_text("\n\n".join(blocks) + "\n")
    return answers


def ask(step: Step, server: Server, memory: Memory) -> list[str]:
    """Do one step; return the lines of its answer."""
    method, rest = memory.fill(step.line).split(" ", 1)
    if method == "COMPACT":
        server.compact(int(rest))
        return []
    if method == "CLOSE":
        return ["200", *_events(server.end(rest), step)]
    headers = {name: one for name, one in step.headers.items() if name != "as"}
    body = memory.fill(step.body.decode("latin-1")).encode("latin-1")
    if method == "OPEN":
        name, url = rest.split(" ", 1)
        server.follow(name, server.open("GET", url, headers, b""))
        return []
    answer = server.open(method, rest, headers, body)
    text = answer.read().decode()
    lines = [str(answer.status)]
    for name in sorted({"warning", *step.expected_headers}):
        value = ", ".join(answer.msg.get_all(name, []))
        if value:
            lines.append(f"{name}: {value}")
    if step.is_watch and answer.status == 200:
        return lines + _events([json.loads(line) for line in text.splitlines()], step)
    if text and "json" in (answer.getheader("content-type") or ""):
        found = json.loads(text)
        memory.learn(found, step.headers.get("as", ""))
        return [*lines, json.dumps(masked(found, step.expected))]
    return [*lines, f"text {json.dumps(masked(text, None))}"]


def _events(events: list[Any], step: Step) -> list[str]:
    shown = masked(events, step.expected)
    return [json.dumps(one) for one in shown]


if __name__ == "__main__":
    main()
