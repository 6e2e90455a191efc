"""Probes: asking a container, again and again, whether it has started, is ready, still lives.

A probe is a loop beside the container: wait, ask, count. Only so many answers of one kind in a row
change its verdict. Asking is by HTTP, by opening a connection, or by a command inside the container;
where it cannot even be asked (a port that has no such name, a command that does not exist) the
answer counts for nothing.

Below the node agent. Source: kubernetes pkg/kubelet/prober/{worker,prober}.go, pkg/probe.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from arubeki.kinds import core_v1 as core
from arubeki.node import expand, httpget
from arubeki.node.runtimes.base import Container, Runtime, StartError

_OK = range(200, 400)
_REDIRECTS = range(300, 400)

Tell: TypeAlias = Callable[[str, str, str], None]
"""Reports an Event: its type, reason and message."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer: whether it was good (None: it could not be asked), and in words what it was."""

    good: bool | None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked: a running container of a Pod with an address."""

    runtime: Runtime
    container: Container
    spec: core.Container
    address: str


class NoPort(Exception):
    """A container has no port of that name."""


async def watch(
    probe: core.Probe,
    ask: Callable[[], Awaitable[Asked]],
    judge: Callable[[bool], None],
    hear: Callable[[Asked], None],
) -> None:
    """Ask for ever: `hear` gets each answer, `judge` each verdict.

    A verdict is there once so many answers of one kind have come in a row as the probe wants, and
    again with each further one. Asking begins after the initial delay and is repeated by the clock:
    an answer that takes its time does not move the next question.
    """
    loop = asyncio.get_running_loop()
    needed = {True: max(1, probe.successThreshold or 1), False: max(1, probe.failureThreshold or 3)}
    period = max(1, probe.periodSeconds or 10)
    await asyncio.sleep(probe.initialDelaySeconds or 0)
    due = loop.time()
    in_a_row, last = 0, None
    while True:
        asked = await ask()
        hear(asked)
        if asked.good is not None:
            in_a_row = in_a_row + 1 if asked.good is last else 1
            last = asked.good
            if in_a_row >= needed[asked.good]:
                judge(asked.good)
        due += period
        while due <= loop.time():  # like a ticker, which drops what is not taken
            due += period
        await asyncio.sleep(due - loop.time())


def event(kind: str, asked: Asked) -> tuple[str, str, str] | None:
    """Return the Event that an answer of a probe (`Liveness`, …) is worth."""
    if asked.good is None:
        message = f"{kind} probe errored and resulted in unknown state: {asked.message}"
        return "Warning", "Unhealthy", message
    if not asked.good:
        return "Warning", "Unhealthy", f"{kind} probe failed: {asked.message}"
    if asked.message:
        return "Warning", "ProbeWarning", f"{kind} probe warning: {asked.message}"
    return None


async def once(probe: core.Probe, target: Target) -> Asked:
    """Ask once, within the probe's time."""
    seconds = max(1, probe.timeoutSeconds or 1)
    try:
        if probe.exec or not target.container.pid:
            # Nothing runs behind a container that is status only: its runtime answers for it.
            return await _exec(probe.exec or core.ExecAction(), target, seconds)
        if probe.httpGet:
            return await _http(probe.httpGet, target, seconds)
        if probe.tcpSocket:
            return await _tcp(probe.tcpSocket, target, seconds)
    except NoPort as error:
        return Asked(None, str(error))
    return Asked(None, "this node can ask by exec, httpGet and tcpSocket only")


async def _exec(action: core.ExecAction, target: Target, seconds: float) -> Asked:
    # Source: ExpandContainerCommandOnlyStatic: what is said by value, not what refers elsewhere.
    static = {one.name: one.value or "" for one in target.spec.env or () if not one.valueFrom}
    argv = [expand.expand(word, static) for word in action.command or ()]
    try:
        done = await target.runtime.execute(target.container, argv, seconds)
    except StartError as error:
        return Asked(None, str(error))
    if done.timed_out:
        quoted = json.dumps(" ".join(argv), ensure_ascii=False)
        return Asked(False, f"command timed out: {quoted} timed out after {seconds:g}s")
    output = done.output.decode("utf-8", "replace").strip()
    if done.code == 0:
        return Asked(True)
    return Asked(False, output or f"command exited with {done.code}")


async def _tcp(action: core.TCPSocketAction, target: Target, seconds: float) -> Asked:
    host = action.host or target.address
    port = port_number(action.port, target.spec)
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return Asked(False, f"dial tcp {host}:{port}: i/o timeout")
    except OSError as error:
        return Asked(False, f"dial tcp {host}:{port}: connect: {reason_of(error)}")
    writer.close()
    return Asked(True)


async def _http(action: core.HTTPGetAction, target: Target, seconds: float) -> Asked:
    port = port_number(action.port, target.spec)
    url = httpget.url_of(action, target.address, port)
    try:
        async with asyncio.timeout(seconds):
            answer = await httpget.get(url, action.httpHeaders or (), "probe")
    except TimeoutError:
        return Asked(
            False,
            f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
        )
    except OSError as error:
        return Asked(False, f'Get "{url}": {reason_of(error)}')
    if answer.code not in _OK:
        return Asked(False, f"HTTP probe failed with statuscode: {answer.code}")
    if answer.code in _REDIRECTS:
        body = answer.body.decode("utf-8", "replace")
        return Asked(True, f"Probe terminated redirects, Response body: {body}")
    return Asked(True)


def port_number(port: int | str, spec: core.Container) -> int:
    """Return a port that may be said by its name in the container. Raises: NoPort."""
    if isinstance(port, int):
        return port
    for one in spec.ports or ():
        if one.name == port:
            return one.containerPort
    if port.isdecimal():
        return int(port)
    raise NoPort(f"couldn't find port: {port} in container {spec.name}")


def reason_of(error: OSError) -> str:
    """Return what went wrong on the network, in few words."""
    if isinstance(error, httpget.BadAnswer) or not error.errno:
        return str(error) or type(error).__name__
    return os.strerror(error.errno).lower()
