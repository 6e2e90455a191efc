"""Work for the whole ring: a Deployment of a thousand Pods, a Pod in its sandbox, a quiet reconciler."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import machine
from figures import Figure
from rounds import repeat
from serving import Server, Wire, running

PODS, NODES = 1000, 10
SANDBOXES = 25
_DEADLINE_SECONDS = 120.0


def measure(scratch: Path) -> list[Figure]:
    """Measure all of it."""
    return [_deployment(scratch), *_sandbox(scratch), *_noop(scratch)]


def _deployment(scratch: Path) -> Figure:
    figure = Figure(
        "deployment",
        "Deployment of 1,000 Pods on ten fake nodes applied → all Ready",
        "s",
        6,
        load="one HTTPS client that asks for the Deployment every 50 ms",
    )

    def once() -> None:
        with (
            running(scratch, "--memory", "--nodes", str(NODES), "--runtime", "fake") as server,
            server.session() as wire,
        ):
            figure.samples.append(_rolled_out(wire))

    repeat(once, [figure], least=3, most=5)
    return figure


def _rolled_out(wire: Wire) -> float:
    """Make the Deployment; return the seconds until all its Pods are ready."""
    path = "/apis/apps/v1/namespaces/default/deployments"
    labels = {"app": "many"}
    spec = {
        "replicas": PODS,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": _pod_spec()},
    }
    began = time.perf_counter()
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "many"}}
    wire.request("POST", path, {**made, "spec": spec})
    while True:
        status = wire.request("GET", f"{path}/many")["status"]
        seconds = time.perf_counter() - began
        if status.get("readyReplicas", 0) == PODS:
            return seconds
        if seconds > _DEADLINE_SECONDS:
            raise RuntimeError(f"not all Pods are ready: {status}")
        time.sleep(0.05)


def _sandbox(scratch: Path) -> list[Figure]:
    started = Figure(
        "pod",
        "Pod created → process running, sandbox (create answered → status says running)",
        "ms",
        150,
        load="one HTTPS client with a watch",
    )
    try:
        with (
            running(scratch, "--memory", "--runtime", "sandbox") as server,
            server.session() as wire,
        ):
            for number in range(SANDBOXES):
                started.samples.append(_pod_started(server, wire, f"pod-{number}") * 1000)
    except RuntimeError as error:
        started.samples.clear()
        started.why = f"the sandbox does not work here: {error}"
    return [started]


def _pod_started(server: Server, wire: Wire, name: str) -> float:
    """Create a Pod; return the seconds from the answer until its status says that it runs."""
    path = "/api/v1/namespaces/default/pods"
    with server.session() as watch:
        watch.send("GET", f"{path}?watch=true&fieldSelector=metadata.name%3D{name}")
        watch.receive()
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": _pod_spec()}
        wire.request("POST", path, pod)
        began = time.perf_counter()
        data = b""
        while b'"running":{' not in data:
            data += watch.socket.recv(65536)
            if time.perf_counter() - began > _DEADLINE_SECONDS:
                raise RuntimeError("the Pod does not run")
        return time.perf_counter() - began


def _pod_spec() -> dict[str, Any]:
    container = {"name": "main", "image": "busybox", "command": ["sleep", "3600"]}
    return {"containers": [container], "terminationGracePeriodSeconds": 0}


def _noop(scratch: Path) -> list[Figure]:
    requests = Figure(
        "noop_requests", "a no-op reconcile of the MarkdownView example: requests", "", 0
    )
    duration = Figure("noop", "a no-op reconcile of the MarkdownView example: time", "µs", 300)

    def once() -> None:
        with machine.server_core():
            done = subprocess.run(
                [machine.PYTHON, str(Path(__file__).with_name("noop.py"))],
                capture_output=True,
                text=True,
                check=True,
                env=machine.environment(scratch),
            )
        found = json.loads(done.stdout)
        requests.samples.append(found["requests"])
        duration.samples.append(found["microseconds"])

    repeat(once, [duration], least=3, most=7)
    duration.note = "median of 2,000 runs in each sample, from the key's turn to its record"
    return [requests, duration]
