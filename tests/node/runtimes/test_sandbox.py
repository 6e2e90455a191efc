"""Containers in namespaces of their own."""

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from arubeki.node.runtimes.base import Command, Mount, PodSandbox, StartError
from arubeki.node.runtimes.sandbox import SandboxRuntime, hosts_file

from .conftest import World, running

pytestmark = pytest.mark.sandbox


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(SandboxRuntime, tmp_path)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    directory = tmp_path / "volume"
    directory.mkdir()
    (directory / "file").write_text("content\n")
    return directory


def test_volumes_are_at_their_real_paths_and_the_machine_is_untouched(
    world: World, volume: Path
) -> None:
    paths = [
        "/arubeki-book/src",
        "/var/run/secrets/kubernetes.io/serviceaccount",  # /var/run is a link
        "/etc/arubeki-app/conf.d",
        "/usr/share/arubeki-data",
        "/opt",  # exists: hidden by the volume
        "/usr/lib/../share/arubeki-dots",
    ]

    async def main() -> None:
        async with world:
            mounts = tuple(Mount(path, volume) for path in paths)
            files = [f"{path}/file" for path in paths]
            assert await world.output("cat", *files, mounts=mounts) == "content\n" * len(paths)

    before = {path: os.path.lexists(path) for path in paths}
    entries = sorted(os.listdir("/")), sorted(os.listdir("/etc"))
    asyncio.run(main())
    assert {path: os.path.lexists(path) for path in paths} == before
    assert (sorted(os.listdir("/")), sorted(os.listdir("/etc"))) == entries


def test_what_is_beside_a_made_mount_point_is_still_there(world: World, volume: Path) -> None:
    async def main() -> None:
        async with world:
            mounts = (Mount("/etc/arubeki-app", volume),)
            text = await world.output("ls", "-A", "/etc", mounts=mounts)
            assert set(os.listdir("/etc")) | {"arubeki-app"} == set(text.split("\n")[:-1])
            passwd = Path("/etc/passwd").read_text()
            assert await world.output("cat", "/etc/passwd", mounts=mounts) == passwd

    asyncio.run(main())


def test_a_single_file_may_be_mounted(world: World, volume: Path) -> None:
    async def main() -> None:
        async with world:
            mounts = (
                Mount("/etc/arubeki/app/conf.toml", volume / "file", read_only=True),
                Mount("/etc/hostname", volume / "file"),
            )
            text = await world.output(
                "cat", "/etc/arubeki/app/conf.toml", "/etc/hostname", mounts=mounts
            )
            assert text == "content\n" * 2

    asyncio.run(main())


def test_read_only_is_respected(world: World, volume: Path) -> None:
    async def main() -> None:
        async with world:
            mounts = (
                Mount("/arubeki/ro", volume, read_only=True),
                Mount("/arubeki/rw", volume),
            )
            text = await world.output(
                "sh",
                "-c",
                "touch /arubeki/ro/new 2>&1 || echo refused; echo x > /arubeki/rw/new",
                mounts=mounts,
            )
            assert "Read-only file system\nrefused" in text
            assert (volume / "new").read_text() == "x\n"

    asyncio.run(main())


def test_a_volume_may_lie_inside_another(world: World, volume: Path, tmp_path: Path) -> None:
    async def main() -> None:
        outer = tmp_path / "outer"
        outer.mkdir()
        async with world:
            mounts = (
                Mount("/arubeki/data/in/side", volume, read_only=True),
                Mount("/arubeki/data", outer),
            )
            text = await world.output(
                "sh",
                "-c",
                "cat /arubeki/data/in/side/file; echo y > /arubeki/data/y",
                mounts=mounts,
            )
            assert text == "content\n"
            assert (outer / "y").read_text() == "y\n"

    asyncio.run(main())


def test_containers_of_a_pod_share_an_empty_directory(world: World, tmp_path: Path) -> None:
    async def main() -> None:
        shared = tmp_path / "shared"
        shared.mkdir()
        async with world:
            mounts = (Mount("/arubeki/work", shared),)
            reader = await world.runtime.start(
                world.pod,
                world.command(
                    "sh", "-c", "until [ -e /arubeki/work/x ]; do sleep 0.01; done", mounts=mounts
                ),
            )
            await world.output("touch", "/arubeki/work/x", mounts=mounts)
            async with asyncio.timeout(10):
                assert (await reader.wait()).code == 0

    asyncio.run(main())


def test_a_volume_that_changes_changes_inside(world: World, volume: Path) -> None:
    from arubeki.node.volumes import write_files

    async def main() -> None:
        place = volume / "atomic"
        place.mkdir()
        write_files(place, {"page": (b"old\n", 0o644)})
        async with world:
            mounts = (Mount("/arubeki/conf", place, read_only=True),)
            command = world.command(
                "sh",
                "-c",
                "until grep new /arubeki/conf/page; do sleep 0.01; done",
                mounts=mounts,
            )
            container = await world.runtime.start(world.pod, command)
            write_files(place, {"page": (b"new\n", 0o644)})
            async with asyncio.timeout(2):
                assert (await container.wait()).code == 0

    asyncio.run(main())


def test_names_are_the_pods(world: World) -> None:
    async def main() -> None:
        world.pod = replace(
            world.pod, ip="127.9.0.2", host_aliases=(("127.9.0.9", ("db", "db.local")),)
        )
        async with world:
            text = await world.output("sh", "-c", "hostname; cat /etc/hosts")
            assert text == "web-0\n" + hosts_file(world.pod)
            assert "127.9.0.2\tweb-0\n" in text
            assert "127.9.0.9\tdb\tdb.local\n" in text

    before = os.uname().nodename
    asyncio.run(main())
    assert os.uname().nodename == before


def test_only_its_own_processes_are_seen(world: World) -> None:
    async def main() -> None:
        async with world:
            numbers = (await world.output("sh", "-c", "echo $$; echo /proc/[0-9]*")).split()
            assert int(numbers[0]) == 2
            assert set(numbers[1:]) <= {"/proc/1", "/proc/2", "/proc/3"}

    asyncio.run(main())


def test_a_signal_to_the_first_process_reaches_the_program(world: World) -> None:
    async def main() -> None:
        async with world:
            command = world.command(
                "sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done"
            )
            container = await world.runtime.start(world.pod, command)
            await world.until_logged(command, "ready")
            await world.runtime.execute(container, ["kill", "1"], 10)
            async with asyncio.timeout(10):
                assert (await container.wait()).code == 5

    asyncio.run(main())


def test_a_command_inside_sees_what_the_container_sees(world: World, volume: Path) -> None:
    async def main() -> None:
        async with world:
            command = world.command(
                "sleep",
                "1000",
                mounts=(Mount("/arubeki/x", volume),),
                working_directory="/arubeki/x",
            )
            container = await world.runtime.start(world.pod, command)
            done = await world.runtime.execute(
                container, ["sh", "-c", "hostname; cat file; pwd; cat /proc/1/cmdline"], 10
            )
            assert done.output.startswith(b"web-0\ncontent\n/arubeki/x\n")
            assert b"keeper" in done.output

    asyncio.run(main())


def test_a_missing_working_directory_is_made_inside_alone(world: World) -> None:
    async def main() -> None:
        async with world:
            text = await world.output("pwd", working_directory="/usr/share/arubeki/here")
            assert text == "/usr/share/arubeki/here\n"

    asyncio.run(main())
    assert not os.path.exists("/usr/share/arubeki")


def test_a_container_may_run_as_another_user(world: World) -> None:
    async def main() -> None:
        async with world:
            text = await world.output("sh", "-c", "id -u; id -g", user=4321, group=1234)
            assert text == "4321\n1234\n"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/", "cannot be the root"), ("/etc/passwd/x", "not a directory")],
)
def test_an_impossible_mount_says_why(world: World, volume: Path, path: str, reason: str) -> None:
    async def main() -> None:
        async with world:
            with pytest.raises(StartError, match=reason):
                await world.runtime.start(
                    world.pod, world.command("true", mounts=(Mount(path, volume),))
                )

    asyncio.run(main())


def test_no_mount_and_no_file_is_left(world: World, volume: Path) -> None:
    async def main() -> None:
        async with world:
            await world.output("true", mounts=(Mount("/arubeki/x", volume),))
            await world.runtime.remove(world.pod)
            assert list(world.pod.directory.iterdir()) == []

    before = Path("/proc/self/mountinfo").read_text()
    asyncio.run(main())
    assert Path("/proc/self/mountinfo").read_text() == before


def test_the_new_root_is_not_seen_inside_itself(world: World, volume: Path) -> None:
    async def main() -> None:
        async with world:
            text = await world.output("cat", "/proc/self/mountinfo")
            assert str(world.pod.directory / "root") not in text

    asyncio.run(main())


SHARED = """
import asyncio, os, sys
from pathlib import Path
from arubeki.node.runtimes.base import Command, Mount, PodSandbox
from arubeki.node.runtimes.keeper import namespaces
from arubeki.node.runtimes.sandbox import SandboxRuntime

MS_SHARED = 1 << 20

async def main():
    runtime, directory = SandboxRuntime(), Path(sys.argv[1])
    pod = PodSandbox("u", "d", "p", directory / "pod", hostname="web-0")
    await runtime.create(pod)
    before = Path("/proc/self/mountinfo").read_text()
    mounts = (Mount("/etc/arubeki-x", directory),)
    command = Command("main", ("sleep", "1000"), {}, directory / "log", mounts=mounts)
    await runtime.start(pod, command)
    assert "shared:" in before
    assert Path("/proc/self/mountinfo").read_text() == before
    await runtime.remove(pod)
    await runtime.close()

libc, user, group = namespaces.Libc(), os.getuid(), os.getgid()
rootless = user != 0
libc.unshare(namespaces.CLONE_NEWNS | (namespaces.CLONE_NEWUSER if rootless else 0))
if rootless:
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
libc.mount(None, "/", None, namespaces.MS_REC | MS_SHARED)
asyncio.run(main())
"""


def test_where_mounts_are_shared_none_gets_out(tmp_path: Path) -> None:
    """As under systemd, which shares the root's mounts with all namespaces made from it."""
    done = subprocess.run(
        [sys.executable, "-c", SHARED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_container_starts_soon(world: World) -> None:
    async def main() -> None:
        async with world:
            await world.output("true")  # the keeper is up
            times = []
            for _ in range(9):
                begun = time.monotonic()
                await world.runtime.start(world.pod, world.command("sleep", "1000"))
                times.append(time.monotonic() - begun)
            assert min(times) < 0.1  # the others tell how busy the machine is

    asyncio.run(main())


def test_many_start_at_once(world: World) -> None:
    async def main() -> None:
        marker = f"8660{os.getpid()}.5"
        async with world:
            await asyncio.gather(
                *(world.runtime.start(world.pod, world.command("sleep", marker)) for _ in range(40))
            )
            assert len(running(f"sleep\0{marker}")) == 40
            await world.runtime.remove(world.pod)
            assert running(marker) == []

    asyncio.run(main())


def test_the_reason_is_said_where_it_is_impossible(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        runtime = SandboxRuntime()
        monkeypatch.setattr(sys, "platform", "darwin")
        assert await runtime.probe() == "namespaces are Linux' own, this is darwin"

        async def refuse(sandbox: PodSandbox, command: Command) -> None:
            raise StartError("unshare: operation not permitted")

        monkeypatch.undo()
        monkeypatch.setattr(runtime, "start", refuse)
        assert "unshare: operation not permitted" in await runtime.probe()
        await runtime.close()

    asyncio.run(main())


ROOTLESS = """
import asyncio, os, sys, tempfile
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
from pathlib import Path
from arubeki.node import logs
from arubeki.node.runtimes.base import Command, Mount, PodSandbox
from arubeki.node.runtimes.sandbox import SandboxRuntime

async def main():
    runtime = SandboxRuntime()
    reason = await runtime.probe()
    print("probe", reason or "ok")
    if reason:
        return await runtime.close()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "file").write_text("content\\n")
        pod = PodSandbox("u", "d", "p", directory / "pod", hostname="web-0")
        await runtime.create(pod)
        for user in (None, 1000):
            command = Command(
                "main",
                ("sh", "-c", "id -u; hostname; cat /arubeki/v/file; grep CapEff /proc/self/status"),
                {}, directory / f"{user}.log", user=user,
                mounts=(Mount("/arubeki/v", directory, read_only=True),),
            )
            ended = await (await runtime.start(pod, command)).wait()
            print(ended.code, b"".join(logs.read(command.log)).decode().split())
        await runtime.remove(pod)
    await runtime.close()

asyncio.run(main())
"""


def python_for_anybody() -> tuple[str, dict[str, str]]:
    """An interpreter that a process without rights can run, with the environment that it needs."""
    import msgspec

    import arubeki

    paths = [Path(module.__file__).parents[1] for module in (arubeki, msgspec)]
    environment = {"PYTHONPATH": ":".join(map(str, paths)), "PATH": "/usr/bin:/bin"}
    nobody = 65534 if os.geteuid() == 0 else None
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            subprocess.run(
                [python, "-c", "import arubeki.kinds.base"],
                user=nobody,
                env=environment,
                cwd="/",
                check=True,
                capture_output=True,
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return python, environment
    pytest.skip("no interpreter here can be run by a process without rights")


def test_root_is_not_needed() -> None:
    python, environment = python_for_anybody()
    done = subprocess.run(
        [python, "-c", ROOTLESS],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    probe, *lines = done.stdout.splitlines()
    if probe != "probe ok":
        pytest.skip(f"no sandbox without root here: {probe}")
    own = os.geteuid() or 65534
    rest = "'web-0', 'content', 'CapEff:', '0000000000000000']"
    assert lines == [f"0 ['{own}', {rest}", f"0 ['1000', {rest}"]
