"""Writes of a Deployment over HTTPS: create and server-side apply, per server-CPU-second.

The Deployment is of 3 KB as a client sends it: two containers with environment, probes, resources
and mounts. It is defaulted, validated and tracked in managedFields; what is sent differs from
request to request within a container, so that none is known from before. No controllers run beside
the server, which would do the work of a rollout for each.
"""

import copy
import json
from pathlib import Path
from typing import Any

import load
import machine
from figures import Figure
from rounds import repeat
from serving import Server, running

SECONDS = 2.0
PATH = "/apis/apps/v1/namespaces/default/deployments"
BODY_BYTES = 3000
_APPLY = "application/apply-patch+yaml"
_OPTIONS = ("--alone", "--memory", "--nodes", "0")


def measure(scratch: Path) -> list[Figure]:
    """Measure all of it."""
    flight = "over HTTPS, 32 in flight, memory"
    make = Figure(
        "deployment_create", f"create of a 3 KB Deployment {flight}", "/cpu-s", 1500, True
    )
    same = Figure(
        "apply_same", f"server-side apply of it with no change {flight}", "/cpu-s", 2500, True
    )
    other = Figure(
        "apply_changed", f"server-side apply of it with one field changed {flight}", "/cpu-s", 1500,
        True,
    )  # fmt: skip
    found = [make, same, other]
    for figure in found:
        figure.load = load.name()
        if not machine.PROC:
            figure.why = machine.NO_PROC
    if not machine.PROC:
        return found
    applied = json.dumps(deployment("applied"))
    changed = json.dumps(deployment("applied", varied=True))
    path = f"{PATH}/applied?fieldManager=bench"
    with running(scratch, *_OPTIONS) as server:
        with server.session() as wire:
            wire.apply(path, json.loads(applied))
        _rounds(server, scratch, same, load.Order(path, SECONDS, applied, "PATCH", _APPLY))
        _rounds(server, scratch, other, load.Order(path, SECONDS, changed, "PATCH", _APPLY))
    with running(scratch, *_OPTIONS) as server:
        created = json.dumps(deployment("load-%d", varied=True))
        _rounds(server, scratch, make, load.Order(PATH, SECONDS, created))
    return found


def deployment(name: str, *, varied: bool = False) -> dict[str, Any]:
    """Return a Deployment of 3 KB without Pods; `varied`: with `%d` in its environment."""
    labels = {"app.kubernetes.io/name": "web", "app.kubernetes.io/part-of": "shop", "tier": "a"}
    volume = {"name": "config", "configMap": {"name": "web"}}
    spec = {"containers": [_container("main", 8080), _container("side", 8081)], "volumes": [volume]}
    if varied:
        spec["containers"][0]["env"][0]["value"] = "number %d"
    template = {"metadata": {"labels": labels}, "spec": spec}
    found: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }
    missing = BODY_BYTES - len(json.dumps(found, separators=(",", ":")))
    found["metadata"]["annotations"] = {"example.com/note": "x" * max(0, missing - 50)}
    return copy.deepcopy(found)


def _container(name: str, port: int) -> dict[str, Any]:
    values = [{"name": f"VARIABLE_{one}", "value": f"of {name}, number {one}"} for one in range(8)]
    return {
        "name": name,
        "image": f"registry.example/team/{name}:1.2.3",
        "ports": [{"name": f"http-{name}", "containerPort": port}],
        "env": values,
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "500m", "memory": "256Mi"},
        },
        "livenessProbe": {
            "httpGet": {"path": "/alive", "port": f"http-{name}"},
            "periodSeconds": 5,
        },
        "readinessProbe": {"httpGet": {"path": "/ready", "port": port}},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/config"}],
    }


def _rounds(server: Server, scratch: Path, figure: Figure, order: load.Order) -> None:
    def once() -> None:
        found = load.run(server, scratch, order)
        if found.refused:
            raise RuntimeError(f"{found.refused} of {found.requests} requests were refused")
        figure.samples.append(found.requests / found.cpu_seconds)

    repeat(once, [figure], least=5, most=9)
