"""What holds for every runtime with real processes."""

import asyncio
import gc
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from arubeki.node import logs
from arubeki.node.runtimes import processes
from arubeki.node.runtimes.base import EXEC_OUTPUT_LIMIT_BYTES, Runtime, StartError
from arubeki.node.runtimes.processes import ProcessRuntime

from .conftest import World, running


def test_it_is_a_runtime_and_possible_here(make: Callable[[], ProcessRuntime]) -> None:
    async def main() -> None:
        runtime: Runtime = make()
        assert await runtime.probe() == ""
        await runtime.close()

    asyncio.run(main())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_output_comes_into_the_log_and_the_exit_code_is_exact(world: World, run) -> None:
    async def main() -> None:
        async with world:
            command = world.command("sh", "-c", "echo out; echo err >&2; printf rest; exit 7")
            container = await world.runtime.start(world.pod, command)
            assert container.pid > 0
            ended = await container.wait()
            assert (ended.code, ended.signal, ended.reason) == (7, 0, "Error")
            assert container.started_at <= ended.finished_at
            text = b"".join(logs.read(command.log)).decode()
            assert sorted(text.splitlines()) == ["err", "out", "rest"]
            assert world.runtime.containers("u1") == []

    run(main())


def test_a_signal_shows_in_the_exit_code(world: World) -> None:
    async def main() -> None:
        async with world:
            for number in (signal.SIGSEGV, signal.SIGKILL, signal.SIGUSR1):
                container = await world.runtime.start(
                    world.pod, world.command("sh", "-c", f"kill -{number.value} $$")
                )
                ended = await container.wait()
                assert (ended.code, ended.signal) == (128 + number, number)

    asyncio.run(main())


def test_a_stopped_container_gets_time_to_end(world: World) -> None:
    async def main() -> None:
        async with world:
            command = world.command(
                "sh", "-c", "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done"
            )
            container = await world.runtime.start(world.pod, command)
            await world.until_logged(command, "ready")
            ended = await world.runtime.stop(container, 30)
            assert ended.code == 3
            assert b"bye" in b"".join(logs.read(command.log))

    asyncio.run(main())


def test_a_program_without_a_handler_ends_by_sigterm(world: World) -> None:
    async def main() -> None:
        async with world:
            container = await world.runtime.start(world.pod, world.command("sleep", "1000"))
            ended = await world.runtime.stop(container, 30)
            assert (ended.code, ended.signal) == (143, 15)

    asyncio.run(main())


def test_after_the_grace_the_container_is_killed_with_all_it_started(world: World) -> None:
    async def main() -> None:
        async with world:
            marker = f"8640{os.getpid()}.5"
            command = world.command(
                "sh",
                "-c",
                f"trap '' TERM; (setsid sh -c 'setsid sleep {marker} & exec sleep {marker}' &);"
                "echo ready; while :; do sleep 0.01; done",
            )
            container = await world.runtime.start(world.pod, command)
            await world.until_logged(command, "ready")
            async with asyncio.timeout(5):
                while len(running(f"sleep\0{marker}")) < 2:
                    await asyncio.sleep(0.005)
            ended = await world.runtime.stop(container, 0.05)
            assert (ended.code, ended.signal) == (137, 9)
            assert running(marker) == []

    asyncio.run(main())


def test_a_second_stop_may_have_less_patience(world: World) -> None:
    async def main() -> None:
        async with world:
            command = world.command(
                "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done"
            )
            container = await world.runtime.start(world.pod, command)
            await world.until_logged(command, "ready")
            patient = asyncio.ensure_future(world.runtime.stop(container, 1000))
            await asyncio.sleep(0)
            assert (await world.runtime.stop(container, 0)).code == 137
            assert (await patient).code == 137

    asyncio.run(main())


def test_what_the_main_process_leaves_behind_ends_with_it(world: World) -> None:
    async def main() -> None:
        async with world:
            marker = f"8641{os.getpid()}.5"
            container = await world.runtime.start(
                world.pod,
                world.command("sh", "-c", f"(setsid sleep {marker} &); sleep 0.05; exit 0"),
            )
            assert (await container.wait()).code == 0
            assert running(marker) == []

    asyncio.run(main())


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["no-such-program"], 'exec: "no-such-program": executable file not found in \\$PATH'),
        (["/no/such"], 'exec: "/no/such": stat /no/such: no such file or directory'),
        (["/etc/passwd"], 'exec: "/etc/passwd": permission denied'),
        ([], "no command"),
    ],
)
def test_what_cannot_be_started_says_why(world: World, argv: list[str], reason: str) -> None:
    async def main() -> None:
        async with world:
            with pytest.raises(StartError, match=reason):
                await world.runtime.start(world.pod, world.command(*argv))
            assert world.runtime.containers() == []

    asyncio.run(main())


def test_a_script_without_interpreter_says_so(world: World, tmp_path: Path) -> None:
    async def main() -> None:
        script = tmp_path / "script"
        script.write_text("#!/no/such/interpreter\n")
        script.chmod(0o755)
        async with world:
            with pytest.raises(StartError, match=r"script.*: no such file or directory"):
                await world.runtime.start(world.pod, world.command(str(script)))
            script.write_bytes(b"\x00\x01")
            with pytest.raises(StartError, match="exec format error"):
                await world.runtime.start(world.pod, world.command(str(script)))

    asyncio.run(main())


def test_the_environment_is_the_containers_own(world: World, monkeypatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")

    async def main() -> None:
        async with world:
            text = await world.output("env", environment={"A": "1", "ODD": "ä\nb"})
            assert "A=1" in text
            assert "ODD=ä\nb" in text
            assert "HOSTNAME=web-0" in text
            assert f"PATH={os.environ['PATH']}" in text
            assert "SECRET_OF_THE_SERVER" not in text

    asyncio.run(main())


def test_a_program_finds_defaults_for_signals_and_an_empty_input(world: World) -> None:
    async def main() -> None:
        async with world:
            text = await world.output("sh", "-c", "cat; grep -E 'Sig(Blk|Ign)' /proc/self/status")
            masks = dict(line.split() for line in text.splitlines())
            # 32 and 33 are the C library's own: nobody who runs on it can set them.
            own = 1 << 31 | 1 << 32
            assert {int(mask, 16) & ~own for mask in masks.values()} == {0}
            assert set(await world.output("ls", "/proc/self/fd")) <= set("0123\n")

    asyncio.run(main())


def test_a_command_runs_inside(world: World) -> None:
    async def main() -> None:
        async with world:
            container = await world.runtime.start(
                world.pod, world.command("sleep", "1000", environment={"A": "1"})
            )
            done = await world.runtime.execute(
                container, ["sh", "-c", "echo $A; echo err >&2; exit 3"], 10
            )
            assert (done.code, done.timed_out) == (3, False)
            assert sorted(done.output.split()) == [b"1", b"err"]
            with pytest.raises(StartError, match="not found"):
                await world.runtime.execute(container, ["no-such-program"], 10)
            assert container.exit is None

    asyncio.run(main())


def test_a_command_inside_that_takes_too_long_is_killed(world: World) -> None:
    async def main() -> None:
        async with world:
            marker = f"8642{os.getpid()}.5"
            container = await world.runtime.start(world.pod, world.command("sleep", "1000"))
            done = await world.runtime.execute(
                container, ["sh", "-c", f"echo begun; sleep {marker} & sleep {marker}"], 0.1
            )
            assert done.timed_out
            assert done.output == b"begun\n"
            assert running(marker) == []

    asyncio.run(main())


def test_of_a_chatty_command_the_start_is_kept(world: World) -> None:
    async def main() -> None:
        async with world:
            container = await world.runtime.start(world.pod, world.command("sleep", "1000"))
            done = await world.runtime.execute(container, ["seq", "100000"], 10)
            assert done.code == 0
            assert done.output.startswith(b"1\n2\n")
            assert len(done.output) == EXEC_OUTPUT_LIMIT_BYTES

    asyncio.run(main())


def test_nothing_runs_inside_what_has_ended(world: World) -> None:
    async def main() -> None:
        async with world:
            container = await world.runtime.start(world.pod, world.command("true"))
            await container.wait()
            with pytest.raises(StartError, match="not running"):
                await world.runtime.execute(container, ["true"], 1)

    asyncio.run(main())


def test_a_container_that_prints_without_end_leaves_the_loop_to_others(world: World) -> None:
    async def main() -> None:
        async with world:
            container = await world.runtime.start(world.pod, world.command("yes"))
            longest, until = 0.0, time.monotonic() + 0.7
            while time.monotonic() < until:
                begun = time.monotonic()
                await asyncio.sleep(0)
                longest = max(longest, time.monotonic() - begun)
            assert longest < 0.25
            await world.runtime.stop(container, 0)

    asyncio.run(main())


def test_a_thousand_lines_arrive_in_order(world: World) -> None:
    async def main() -> None:
        async with world:
            text = await world.output("seq", "20000")
            assert text.split() == [str(number) for number in range(1, 20001)]

    asyncio.run(main())


def test_removing_a_pod_ends_its_containers(world: World) -> None:
    async def main() -> None:
        async with world:
            containers = [
                await world.runtime.start(world.pod, world.command("sleep", "1000"))
                for _ in range(3)
            ]
            assert len(world.runtime.containers("u1")) == 3
            assert world.runtime.containers("other") == []
            await world.runtime.remove(world.pod)
            assert {(await one.wait()).code for one in containers} == {137}

    asyncio.run(main())


def test_a_start_that_is_given_up_leaves_nothing(world: World) -> None:
    async def main() -> None:
        async with world:
            marker = f"8643{os.getpid()}.5"
            for number in range(20):
                task = asyncio.ensure_future(
                    world.runtime.start(world.pod, world.command("sleep", marker))
                )
                for _ in range(number % 5):
                    await asyncio.sleep(0.001)
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled():
                    await world.runtime.stop(task.result(), 0)
            assert running(marker) == []

    asyncio.run(main())


def test_another_keeper_is_started_when_one_died(world: World) -> None:
    async def main() -> None:
        async with world:
            container = await world.runtime.start(world.pod, world.command("sleep", "1000"))
            first = world.runtime.keeper_pid
            os.kill(first, signal.SIGKILL)
            async with asyncio.timeout(5):
                assert (await container.wait()).code == 137
            assert await world.output("echo", "again") == "again\n"
            assert world.runtime.keeper_pid != first

    asyncio.run(main())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("boot", ["raise SystemExit(3)", "import time; time.sleep(0.05)"])
def test_a_keeper_that_cannot_live_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch, run, boot: str
) -> None:
    monkeypatch.setattr(processes, "_BOOT", boot)

    async def main() -> None:
        async with world:
            for _ in range(3):
                with pytest.raises(StartError, match=r"supervisor died|keeper"):
                    await world.runtime.start(world.pod, world.command("true"))

    run(main())
    gc.collect()


def test_a_container_that_its_server_let_go_of_ends(world: World) -> None:
    """The keeper lives: the control socket's end alone says that nobody is left to care."""

    async def main() -> None:
        async with world:
            marker = f"8644{os.getpid()}.5"
            container = await world.runtime.start(world.pod, world.command("sleep", marker))
            assert isinstance(container, processes.ProcessContainer)
            transport = container.supervised._transport
            assert transport is not None
            transport.abort()
            async with asyncio.timeout(5):
                while running(f"sleep\0{marker}"):
                    await asyncio.sleep(0.005)
            assert (await container.wait()).code == 137

    asyncio.run(main())


def test_the_environment_may_be_large_and_hold_any_bytes(world: World) -> None:
    async def main() -> None:
        async with world:
            odd = b"\xff\xfe \x80".decode("utf-8", "surrogateescape")
            large = "x" * 100_000
            text = await world.output(
                "sh",
                "-c",
                'printf %s "$ODD" | od -An -tx1; echo ${#LARGE}',
                environment={"ODD": odd, "LARGE": large},
            )
            assert text.split() == ["ff", "fe", "20", "80", "100000"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("environment", "reason"),
    [({"A": "x" * 3_000_000}, "argument list too long"), ({"A": "a\0b"}, "null byte")],
)
def test_an_impossible_environment_says_why(
    world: World, environment: dict[str, str], reason: str
) -> None:
    async def main() -> None:
        async with world:
            with pytest.raises(StartError, match=reason):
                await world.runtime.start(world.pod, world.command("true", environment=environment))

    asyncio.run(main())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_no_descriptor_left_is_a_failed_start(world: World, run) -> None:
    async def main() -> None:
        async with world:
            await world.output("true")
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            used = max(map(int, os.listdir("/proc/self/fd")))
            for room in range(8):
                resource.setrlimit(resource.RLIMIT_NOFILE, (used + room, limits[1]))
                try:
                    await world.runtime.start(world.pod, world.command("sleep", "1000"))
                except StartError as error:
                    assert "Too many open files" in str(error)
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            assert await world.output("echo", "fine") == "fine\n"

    run(main())
