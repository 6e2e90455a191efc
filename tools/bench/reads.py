"""Big reads over HTTPS: Pods as JSON and as a Table, a few of very many, and what an object weighs."""

import json
from pathlib import Path
from typing import Any

import machine
from figures import Figure
from lists import Reader
from rounds import repeat
from serving import Wire, running

PODS, POD_BYTES = 10_000, 4096
MANY, FEW = 100_000, 10
WEIGHED, WEIGHED_BYTES = 20_000, 3072
_PODS = "/api/v1/namespaces/default/pods"
_MAPS = "/api/v1/namespaces/default/configmaps"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
_OPTIONS = ("--memory", "--nodes", "1", "--runtime", "fake")
_ALONE = ("--alone", "--memory", "--nodes", "0")
_CLIENT = "raw TLS socket of CPython's ssl, read into one buffer"


def measure(scratch: Path) -> list[Figure]:
    """Measure all of it."""
    return [*_pods(scratch), _selected(scratch), _weight(scratch)]


def _pods(scratch: Path) -> list[Figure]:
    what = "LIST of 10,000 Pods of 4 KB over HTTPS"
    rate = Figure("pods_json", f"{what} as JSON: body", "MB/s", 300, True, load=_CLIENT)
    table = Figure("pods_table", f"{what} as a Table", "s", 1.0, load=_CLIENT)
    with running(scratch, *_OPTIONS) as server:
        with server.session() as wire:
            wire.create_many(_PODS, [_pod(number) for number in range(PODS)])
        plain, tabular = Reader(server, _PODS), Reader(server, _PODS, _TABLE)

        def once() -> None:
            seconds, _, size = plain.read()
            rate.samples.append(size / seconds / 1e6)
            table.samples.append(tabular.read()[0])

        plain.read()
        tabular.read()
        repeat(once, [rate, table], least=5, most=15)
    rate.note = f"{plain.size / 1e6:.1f} MB, not compressed"
    table.note = f"{tabular.size / 1e6:.1f} MB, with the metadata of each, as kubectl asks for it"
    return [rate, table]


def _pod(number: int) -> dict[str, Any]:
    """Return a Pod that no node takes, of 4 KB as it is stored."""
    spec = {
        "schedulerName": "nobody",
        "containers": [{"name": "main", "image": "busybox", "command": ["sleep", "1"]}],
    }
    metadata = {"name": f"pod-{number}", "namespace": "default", "labels": {"app": "bench"}}
    found = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    # What the server adds (defaults, managedFields, conditions) is part of the 4 KB.
    metadata["annotations"] = {"example.com/note": "x" * (POD_BYTES - 1_620)}
    return found


def _selected(scratch: Path) -> Figure:
    figure = Figure(
        "selected", "LIST with a label selector that matches 10 of 100,000 objects", "ms", 50,
        load=_CLIENT,
    )  # fmt: skip
    with running(scratch, *_OPTIONS) as server:
        every = MANY // FEW
        with server.session() as wire:
            for start in range(0, MANY, every):
                portion = range(start, start + every)
                wire.create_many(_MAPS, [_labelled(one, one % every == 7) for one in portion])
        reader = Reader(server, f"{_MAPS}?labelSelector=pick%3Dme%2Ckind%21%3Dno")
        reader.read()
        repeat(lambda: figure.samples.append(reader.read()[0] * 1000), [figure], least=9, most=25)
    return figure


def _labelled(number: int, picked: bool) -> dict[str, Any]:
    labels = {"app": f"app-{number % 100}", **({"pick": "me"} if picked else {})}
    metadata = {"name": f"many-{number}", "namespace": "default", "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}


def _weight(scratch: Path) -> Figure:
    figure = Figure(
        "object_rss",
        "memory of the server alone for each stored 3 KB object, memory storage",
        "KB",
        5,
    )
    if not machine.PROC:
        figure.why = machine.NO_PROC
        return figure

    def once() -> None:
        # Alone: the garbage collector's cache is a weight of its own.
        with running(scratch, *_ALONE) as server, server.session() as wire:
            _fill(wire, 0, 200)
            before = server.rss_bytes()
            _fill(wire, 200, 200 + WEIGHED)
            figure.samples.append((server.rss_bytes() - before) / WEIGHED / 1000)

    repeat(once, [figure], least=2, most=3)
    return figure


def _fill(wire: Wire, first: int, last: int) -> None:
    objects = []
    for number in range(first, last):
        found: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"heavy-{number}", "namespace": "default"},
        }
        # managedFields and what else the server adds are part of the 3 KB.
        found["data"] = {"text": "x" * (WEIGHED_BYTES - len(json.dumps(found)) - 330)}
        objects.append(found)
    wire.create_many(_MAPS, objects)
