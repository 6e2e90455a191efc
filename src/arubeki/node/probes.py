"""Probes: asking a container, again and again, whether it has started, is ready, still lives.

A probe is a loop beside the container: wait, ask, count. Only so many answers of one kind in a row
change its verdict, and only changes are told. Asking is by HTTP, by opening a connection, or by a
command inside the container.

Below the node agent. Source: kubernetes pkg/kubelet/prober, pkg/probe.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from arubeki.kinds import core_v1 as core
from arubeki.node.runtimes.base import Container, Runtime, StartError

HEAD_LIMIT_BYTES = 16 * 1024
_OK = range(200, 400)


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer: whether it was good, and in words what it was."""

    good: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked: a running container of a Pod with an address."""

    runtime: Runtime
    container: Container
    spec: core.Container
    address: str


async def watch(
    probe: core.Probe,
    ask: Callable[[], Awaitable[Asked]],
    tell: Callable[[bool, str], None],
    *,
    good: bool,
) -> None:
    """Ask for ever; `tell` of each change of the verdict, which begins as `good`.

    For every bad answer of a probe that counts up to failure `tell` is called once the threshold is
    reached, and again for each further one, since whoever restarts a container wants to know anew.
    """
    await asyncio.sleep(probe.initialDelaySeconds or 0)
    needed_good = max(1, probe.successThreshold or 1)
    needed_bad = max(1, probe.failureThreshold or 3)
    period = max(1, probe.periodSeconds or 10)
    in_a_row, last = 0, None
    while True:
        asked = await ask()
        in_a_row = in_a_row + 1 if asked.good is last else 1
        last = asked.good
        if asked.good and not good and in_a_row >= needed_good:
            good = True
            tell(True, "")
        elif not asked.good and in_a_row >= needed_bad:
            good = False
            tell(False, asked.message)
        await asyncio.sleep(period)


async def once(probe: core.Probe, target: Target) -> Asked:
    """Ask once, within the probe's time."""
    seconds = max(1, probe.timeoutSeconds or 1)
    try:
        if probe.exec:
            return await _exec(probe.exec, target, seconds)
        async with asyncio.timeout(seconds):
            if probe.httpGet:
                return await _http(probe.httpGet, target)
            if probe.tcpSocket:
                return await _tcp(probe.tcpSocket, target)
    except TimeoutError:
        return Asked(False, f"context deadline exceeded (no answer within {seconds} s)")
    except OSError as error:
        return Asked(False, str(error))
    return Asked(False, "probes of this type are not supported by this node")


async def handle(handler: core.LifecycleHandler, target: Target, seconds: float) -> Asked:
    """Carry out a lifecycle hook within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            if handler.exec:
                return await _exec(handler.exec, target, seconds)
            if handler.httpGet:
                return await _http(handler.httpGet, target)
            if handler.sleep:
                await asyncio.sleep(handler.sleep.seconds)
    except TimeoutError:
        return Asked(False, f"the hook took longer than {seconds:g} s")
    except OSError as error:
        return Asked(False, str(error))
    return Asked(True)


async def _exec(action: core.ExecAction, target: Target, seconds: float) -> Asked:
    try:
        done = await target.runtime.execute(target.container, action.command or (), seconds)
    except StartError as error:
        return Asked(False, str(error))
    output = done.output.decode("utf-8", "replace").strip()
    if done.timed_out:
        return Asked(False, f"command timed out after {seconds:g} s")
    return Asked(done.code == 0, output or f"command exited with {done.code}")


async def _tcp(action: core.TCPSocketAction, target: Target) -> Asked:
    host = action.host or target.address
    _, writer = await asyncio.open_connection(host, _port(action.port, target.spec))
    writer.close()
    return Asked(True)


async def _http(action: core.HTTPGetAction, target: Target) -> Asked:
    host = action.host or target.address
    port = _port(action.port, target.spec)
    secure = (action.scheme or "HTTP").upper() == "HTTPS"
    context = _unverified() if secure else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=HEAD_LIMIT_BYTES)
    try:
        headers = {"Host": f"{host}:{port}", "User-Agent": "kube-probe/1.37", "Accept": "*/*"}
        for one in action.httpHeaders or ():
            headers[one.name] = one.value
        path = action.path or "/"
        lines = [f"GET {path if path.startswith('/') else '/' + path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Connection: close", "", ""]
        writer.write("\r\n".join(lines).encode())
        try:
            status = await reader.readline()
        except ValueError:
            return Asked(False, "the answer's first line is too long")
        parts = status.split()
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/") or not parts[1].isdigit():
            return Asked(False, "the answer is not HTTP")
        code = int(parts[1])
        return Asked(code in _OK, f"HTTP probe failed with statuscode: {code}")
    finally:
        writer.close()


def _unverified() -> ssl.SSLContext:
    """Return a context for a Pod's own certificate, which nobody signed for its address.

    Source: kubelet pkg/probe/http/http.go, InsecureSkipVerify.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _port(port: int | str, spec: core.Container) -> int:
    if isinstance(port, int):
        return port
    if port.isdecimal():
        return int(port)
    for one in spec.ports or ():
        if one.name == port:
            return one.containerPort
    raise OSError(f"container {spec.name} has no port named {port}")
