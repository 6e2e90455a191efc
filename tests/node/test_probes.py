"""Asking: the counting in virtual time, the questions on real sockets."""

import asyncio
import socket
from pathlib import Path

import pytest
import uvloop

from arubeki import clock
from arubeki.kinds import core_v1 as core
from arubeki.net import tls
from arubeki.node import hooks, probes
from arubeki.node.probes import Asked, Target
from arubeki.node.runtimes.base import Command, Executed, PodSandbox, StartError
from arubeki.node.runtimes.fake import FakeContainer
from tests.node.kit import Played, container

POD = PodSandbox("u1", "ns", "p", Path("/nowhere"))
COMMAND = Command("main", ("run",), {}, Path("/nowhere/log"))

# Counting.


def watched(answers, seconds=1000, **fields):
    """Watch with scripted answers (the last one goes on); return verdicts and questions by time."""
    verdicts, asked = [], []

    async def main():
        loop = asyncio.get_running_loop()
        left = list(answers)

        async def ask():
            asked.append(loop.time())
            answer = left.pop(0) if len(left) > 1 else left[0]
            if callable(answer):
                return await answer()
            return Asked(answer)

        def judge(good):
            verdicts.append((loop.time(), good))

        probe = core.Probe(**fields)
        task = asyncio.ensure_future(probes.watch(probe, ask, judge, lambda _: None))
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    clock.run_virtual(main())
    return verdicts, asked


def test_it_is_asked_every_ten_seconds_unless_said():
    assert watched([True], 25)[1] == [0, 10, 20]
    assert watched([True], 8, periodSeconds=3)[1] == [0, 3, 6]


def test_the_first_question_waits_for_the_initial_delay():
    assert watched([True], 30, initialDelaySeconds=15)[1] == [15, 25]


def test_success_is_believed_at_once_and_failure_after_three():
    verdicts, _ = watched([False, False, True, False, False, False, True], 65)
    assert verdicts == [(20, True), (50, False), (60, True)]


def test_thresholds_count_answers_in_a_row():
    verdicts, _ = watched(
        [True, False, True, True, False, True, True, True],
        75,
        successThreshold=3,
        failureThreshold=1,
    )
    assert verdicts == [(10, False), (40, False), (70, True)]


def test_each_further_answer_is_a_verdict_again():
    verdicts, _ = watched([False], 45, failureThreshold=3)
    assert verdicts == [(20, False), (30, False), (40, False)]


def test_what_could_not_be_asked_counts_for_nothing():
    verdicts, _ = watched([False, None, False, None, None, False, True], 65)
    assert verdicts == [(50, False), (60, True)]


def test_a_slow_answer_does_not_move_the_next_question():
    async def slow():
        await asyncio.sleep(4)
        return Asked(True)

    assert watched([slow, True], 25)[1] == [0, 10, 20]

    async def slower():
        await asyncio.sleep(14)
        return Asked(True)

    assert watched([slower, True], 45)[1] == [0, 20, 30, 40]


# Asking.


async def serve(handler, **options):
    """Open a server on a free port; return it and its port."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0, **options)
    return server, server.sockets[0].getsockname()[1]


def answering(*answers, requests=None):
    """A handler that gives these answers (bytes) one after the other; the last goes on."""
    left = list(answers)

    async def handle(reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        if requests is not None:
            requests.append(request.decode())
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        writer.close()

    return handle


def response(code, body=b"", **headers):
    lines = [f"HTTP/1.1 {code} X", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def target(spec=None):
    running = FakeContainer("x://1", "main", 0.0, pid=1)
    return Target(None, running, spec or container(), "127.0.0.1")


def http(port, *, spec=None, timeout=1, **action):
    probe = core.Probe(httpGet=core.HTTPGetAction(port=port, **action), timeoutSeconds=timeout)
    return probes.once(probe, target(spec))


def asked(handler, *, tls_context=None, **action):
    """Answer an HTTP probe with `handler`; return the port and what the probe says."""

    async def main():
        server, port = await serve(handler, ssl=tls_context)
        async with server:
            return port, await http(port, **action)

    return uvloop.run(main())


@pytest.mark.parametrize("code", [200, 204, 299])
def test_an_answer_of_success_is_good(code):
    assert asked(answering(response(code)))[1] == Asked(True)


@pytest.mark.parametrize("code", [400, 404, 500, 503])
def test_any_other_answer_is_bad(code):
    handler = answering(response(code, b"secret"))
    assert asked(handler)[1] == Asked(False, f"HTTP probe failed with statuscode: {code}")


def test_the_request_is_the_kubelets():
    requests = []
    port, _ = asked(answering(response(200), requests=requests), path="/healthz?full=1")
    lines = requests[0].split("\r\n")
    assert lines[0] == "GET /healthz?full=1 HTTP/1.1"
    assert set(lines[1:-2]) == {
        f"Host: 127.0.0.1:{port}",
        "User-Agent: kube-probe/1.35",
        "Accept: */*",
        "Connection: close",
    }


def test_headers_replace_those_of_the_kubelet_whatever_their_case():
    requests = []
    headers = (
        core.HTTPHeader(name="host", value="example.com"),
        core.HTTPHeader(name="accept", value=""),
        core.HTTPHeader(name="X-Two", value="1"),
        core.HTTPHeader(name="X-Two", value="2"),
    )
    asked(answering(response(200), requests=requests), httpHeaders=headers)
    lines = requests[0].split("\r\n")[1:-2]
    assert [one for one in lines if one.lower().startswith(("host", "accept", "x-two"))] == [
        "host: example.com",
        "X-Two: 1",
        "X-Two: 2",
    ]


def test_a_redirect_on_the_same_host_is_followed():
    found = answering(response(302, Location="/login"), response(500))
    assert asked(found)[1] == Asked(False, "HTTP probe failed with statuscode: 500")
    assert asked(answering(response(301, Location="/in"), response(200)))[1] == Asked(True)


def test_a_redirect_elsewhere_is_good_with_a_warning():
    handler = answering(response(302, b"there", Location="http://0.0.0.0/"))
    said = Asked(True, "Probe terminated redirects, Response body: there")
    assert asked(handler)[1] == said
    assert probes.event("Liveness", said) == (
        "Warning", "ProbeWarning",
        "Liveness probe warning: Probe terminated redirects, Response body: there",
    )  # fmt: skip


def test_redirects_in_circles_end():
    port, said = asked(answering(response(302, Location="/")))
    assert said == Asked(False, f'Get "http://127.0.0.1:{port}/": stopped after 10 redirects')


def test_https_is_asked_without_verifying():
    pair = tls.issue_server(tls.make_authority("nobody"), ["elsewhere.example"])
    context = tls.server_context(pair)
    assert asked(answering(response(200)), tls_context=context, scheme="HTTPS")[1] == Asked(True)


def test_https_to_one_who_speaks_plainly_is_bad():
    async def plain(_, writer):
        writer.write(response(200))
        writer.close()

    assert asked(plain, scheme="HTTPS")[1].good is False


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "EOF"),
        (b"SSH-2.0-hello\r\n", 'malformed HTTP response "SSH-2.0-hello"'),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300, "malformed HTTP response: too many headers"),
        (b"HTTP/1.1 " + b"x" * 200_000, "malformed HTTP response"),
    ],
)
def test_what_is_not_http_is_bad(answer, reason):
    _, said = asked(answering(answer))
    assert said.good is False
    assert reason in said.message


def test_an_informational_answer_is_not_the_answer():
    handler = answering(b"HTTP/1.1 100 Continue\r\n\r\n" + response(200))
    assert asked(handler)[1] == Asked(True)


def test_a_body_without_end_is_read_to_its_limit_only():
    sent = []

    async def endless(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                sent.append(65536)
        except ConnectionError:
            writer.close()

    assert asked(endless)[1] == Asked(True)


def test_who_does_not_answer_in_time_is_bad():
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    port, said = asked(silent)
    assert said == Asked(
        False,
        f'Get "http://127.0.0.1:{port}/": context deadline exceeded '
        "(Client.Timeout exceeded while awaiting headers)",
    )


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def test_nobody_there_is_bad():
    port = free_port()
    said = asyncio.run(http(port))
    assert said == Asked(False, f'Get "http://127.0.0.1:{port}/": connection refused')


def tcp(port, spec=None, **action):
    probe = core.Probe(tcpSocket=core.TCPSocketAction(port=port, **action))
    return probes.once(probe, target(spec))


def test_an_open_port_is_good_and_a_closed_one_bad():
    async def main():
        server, port = await serve(lambda _, writer: writer.close())
        async with server:
            open_ = await tcp(port)
        return open_, port, await tcp(port)

    open_, port, closed = uvloop.run(main())
    assert open_ == Asked(True)
    assert closed == Asked(False, f"dial tcp 127.0.0.1:{port}: connect: connection refused")


def test_a_port_may_be_said_by_its_name():
    async def main():
        server, port = await serve(answering(response(200)))
        ports = (
            core.ContainerPort(name="other", containerPort=1),
            core.ContainerPort(name="web", containerPort=port),
        )
        spec = container(ports=ports)
        async with server:
            return await http("web", spec=spec), await tcp("web", spec), await tcp(str(port))

    assert uvloop.run(main()) == (Asked(True),) * 3


def test_a_port_without_that_name_cannot_be_asked():
    said = asyncio.run(http("web"))
    assert said == Asked(None, "couldn't find port: web in container main")
    kind, reason, message = probes.event("Readiness", said)
    assert (kind, reason) == ("Warning", "Unhealthy")
    assert message.startswith("Readiness probe errored and resulted in unknown state: couldn't")


def test_grpc_cannot_be_asked_here():
    said = asyncio.run(probes.once(core.Probe(grpc=core.GRPCAction(port=1)), target()))
    assert said == Asked(None, "this node can ask by exec, httpGet and tcpSocket only")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Executed(0, b"fine"), Asked(True)),
        (Executed(1, b"no\n"), Asked(False, "no")),
        (Executed(3), Asked(False, "command exited with 3")),
        (
            Executed(137, b"", timed_out=True),
            Asked(False, 'command timed out: "ask x" timed out after 2s'),
        ),
        (StartError("not found"), Asked(None, "not found")),
    ],
)
def test_a_command_answers_by_its_exit_code(answer, said):
    async def main():
        runtime = Played()
        runtime.answers["ask"] = answer
        spec = container(env=(core.EnvVar(name="A", value="x"),))
        running = await runtime.start(POD, COMMAND)
        probe = core.Probe(exec=core.ExecAction(command=("ask", "$(A)")), timeoutSeconds=2)
        return await probes.once(probe, Target(runtime, running, spec, "")), runtime.order()

    found, order = clock.run_virtual(main())
    assert found == said
    assert order[-1] == "exec main"


# Hooks ask too.


def hook(**handler):
    return hooks.run(core.LifecycleHandler(**handler), target())


def test_an_http_hook_is_content_with_any_answer():
    requests = []

    async def main():
        server, port = await serve(answering(response(500), requests=requests))
        async with server:
            await hook(httpGet=core.HTTPGetAction(port=port, path="bye"))

    uvloop.run(main())
    assert requests[0].startswith("GET /bye HTTP/1.1\r\n")
    assert "User-Agent: kube-lifecycle/1.35" in requests[0]


@pytest.mark.parametrize(
    "handler",
    [
        {"httpGet": core.HTTPGetAction(port="web")},
        {"httpGet": core.HTTPGetAction(port=free_port())},
        {"tcpSocket": core.TCPSocketAction(port=1)},
    ],
)
def test_a_hook_that_cannot_be_carried_out_has_failed(handler):
    with pytest.raises(hooks.HookFailed):
        asyncio.run(hook(**handler))
