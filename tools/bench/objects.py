"""One object at a time over HTTPS: GET and create, per second of the server's processor time."""

import json
import os
import tempfile
from pathlib import Path

import load
import machine
from figures import Figure
from rounds import repeat
from serving import Server, running

SECONDS = 2.0
PATH = "/api/v1/namespaces/default/configmaps"
BODY_BYTES = 2048


def measure(scratch: Path) -> list[Figure]:
    """Measure all of it."""
    get = Figure(
        "get", "GET of a 2 KB object over HTTPS keep-alive, 32 in flight", "/cpu-s", 15_000, True
    )
    memory = _create("memory", 2000)
    durable = _create("sqlite durable", 1500)
    walls = [
        Figure(f"{figure.name}_wall", f"the same, by the clock: {figure.what}", "/s")
        for figure in (get, memory, durable)
    ]
    found = [get, memory, durable, *walls]
    for figure in found:
        figure.load = load.name()
        if not machine.PROC:
            figure.why = machine.NO_PROC
    if not machine.PROC:
        return found
    options = ("--nodes", "1", "--runtime", "fake")
    with running(scratch, "--memory", *options) as server:
        with server.session() as wire:
            made = wire.request("POST", PATH, json.loads(template() % 0))
        _rounds(server, scratch, (get, walls[0]), f"{PATH}/{made['metadata']['name']}")
        _rounds(server, scratch, (memory, walls[1]), PATH, template())
    with tempfile.TemporaryDirectory(dir=disk()) as data:
        durable.note = walls[2].note = f"on {_file_system(data)}"
        with running(scratch, "--data", data, *options) as server:
            _rounds(server, scratch, (durable, walls[2]), PATH, template())
    return found


def template() -> str:
    """Return a ConfigMap of 2 KB as JSON, with `%d` in its name."""
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "load-%d", "namespace": "default"},
        "data": {"text": ""},
    }
    body["data"] = {"text": "x" * (BODY_BYTES - len(json.dumps(body)) - 20)}
    return json.dumps(body)


def disk() -> Path:
    """Return a folder that lies on a disk: `--data` in memory would not be durable."""
    here = Path(__file__).parents[2] / "build"
    here.mkdir(exist_ok=True)
    return here


def _create(storage: str, bound: float) -> Figure:
    what = f"create of a 2 KB ConfigMap over HTTPS, 32 in flight, {storage}"
    return Figure(f"create_{storage.split(maxsplit=1)[0]}", what, "/cpu-s", bound, True)


def _rounds(
    server: Server, scratch: Path, figures: tuple[Figure, Figure], path: str, body: str = ""
) -> None:
    """Take samples of two figures: by the server's processor time, and by the clock."""
    figure, wall = figures

    def once() -> None:
        found = load.run(server, scratch, load.Order(path, SECONDS, body))
        if found.refused:
            raise RuntimeError(f"{found.refused} of {found.requests} requests were refused")
        figure.samples.append(found.requests / found.cpu_seconds)
        wall.samples.append(found.requests / found.seconds)

    repeat(once, [figure], least=5, most=9)


def _file_system(path: str) -> str:
    """Return the type of the file system that a folder lies on."""
    best, kind = "", "an unknown file system"
    mounts = Path("/proc/mounts")
    for line in mounts.read_text().splitlines() if mounts.exists() else ():
        _, point, name, *_ = line.split()
        if os.path.commonpath([point, path]) == point and len(point) > len(best):
            best, kind = point, name
    return kind
