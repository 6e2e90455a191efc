"""Data that cannot be used are refused in two lines, and left as they are."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from arubeki.api.objects import Kind
from arubeki.client.client import Client
from arubeki.client.config import load
from arubeki.client.https import HttpsTransport
from arubeki.errors import InternalError
from tests.support.child import Up, arubeki

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")


async def refused(data, home, *, wrapper=()):
    """Start on `data`; return what is said, having seen its form."""
    status, output, errors = await arubeki(
        "up", "--data", data, "--port", 0, "--kubeconfig", home / "kubeconfig", "--nodes", 0,
        home=home, wrapper=wrapper,
    )  # fmt: skip
    assert status == 1, (status, output, errors)
    assert output == ""
    lines = errors.splitlines()
    assert lines[0].startswith("error: ") and lines[1].startswith("help: "), errors
    assert len(lines) == 2, errors
    assert not (home / "kubeconfig").exists()
    return lines


def contents(folder):
    """Return the files by name, without what reading alone makes: locks, an empty log."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.is_file()
        and not path.name.endswith((".lock", "-shm"))
        and (path.stat().st_size or path.name == "state.db")
    }


async def filled(home):
    """Return a data directory with an object in it that a server has left in good order."""
    async with up(home) as server:
        client = Client(HttpsTransport(load(home / "kubeconfig")))
        await create(client, "kept")
        await client.close()
        assert await server.end() == 0, server.errors
    return home / "data"


def up(home, **options):
    words = ["--data", home / "data", "--port", 0, "--kubeconfig", home / "kubeconfig"]
    return Up(*words, "--nodes", 0, home=home, **options)


async def create(client, name, size=10):
    obj = {"metadata": {"name": name, "namespace": "default"}, "data": {"v": "x" * size}}
    return await client.create(obj, kind=CONFIG_MAP)


async def names(home):
    async with up(home):
        client = Client(HttpsTransport(load(home / "kubeconfig")))
        found = {one["metadata"]["name"] for one in await client.list(CONFIG_MAP, "default")}
        await client.close()
    return found


@pytest.mark.parametrize("damage", ["cut off", "overwritten", "empty"])
def test_a_torn_database_is_refused_and_left_alone(tmp_path, damage):
    async def main():
        data = await filled(tmp_path)
        whole = (data / "state.db").read_bytes()
        middle = len(whole) // 2
        torn = {
            "cut off": whole[:middle],
            "overwritten": whole[:middle] + os.urandom(4096) + whole[middle + 4096 :],
            "empty": b"",
        }[damage]
        (data / "state.db").write_bytes(torn)
        before = contents(data)
        lines = await refused(data, tmp_path)
        assert "state.db is damaged" in lines[0]
        assert "Restore a copy" in lines[1] or "restore a copy" in lines[1]
        assert contents(data) == before
        # What was said to be done helps.
        (data / "state.db").write_bytes(whole)
        assert "kept" in await names(tmp_path)

    asyncio.run(main())


def test_a_foreign_database_is_refused_and_left_alone(tmp_path):
    async def main():
        data = tmp_path / "data"
        data.mkdir()
        with sqlite3.connect(data / "state.db") as connection:
            connection.execute("CREATE TABLE theirs (name TEXT)")
            connection.execute("INSERT INTO theirs VALUES ('precious')")
        connection.close()
        before = contents(data)
        lines = await refused(data, tmp_path)
        assert "not a database of arubeki" in lines[0]
        assert contents(data) == before

    asyncio.run(main())


def test_a_second_cluster_on_the_same_data_is_refused_by_pid(tmp_path):
    async def main():
        async with up(tmp_path) as server:
            other = tmp_path / "other"
            other.mkdir()
            lines = await refused(tmp_path / "data", other)
            assert f"process {server.pid}" in lines[0]
            client = Client(HttpsTransport(load(tmp_path / "kubeconfig")))
            await create(client, "still-served")
            await client.close()

    asyncio.run(main())


@pytest.mark.parametrize("obstacle", ["a file", "no permission"])
def test_a_place_that_cannot_be_written_is_refused(tmp_path, obstacle):
    data = tmp_path / "data"
    wrapper = ()
    if obstacle == "a file":
        data.write_text("no directory")
    else:
        data.mkdir(mode=0o500)
        if os.getuid() == 0:
            # Root may write everywhere; without that one capability it is like anybody.
            if shutil.which("setpriv") is None:
                pytest.skip("not run: root without setpriv")
            wrapper = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
    lines = asyncio.run(refused(data, tmp_path, wrapper=wrapper))
    assert str(data) in lines[0]


def test_a_disk_that_is_full_at_the_start_is_refused(tmp_path):
    wrapper = on_small_disk(tmp_path / "disk", "1536k")
    lines = asyncio.run(refused(tmp_path / "disk" / "data", tmp_path, wrapper=wrapper))
    assert "cannot be written" in lines[0]
    assert "oom on its disk" in lines[1]


def on_small_disk(place, size):
    """Return what runs a command in a mount namespace where `place` is a full disk."""
    place.mkdir()
    script = (
        f"mount -t tmpfs -o size={size} none {place} && mkdir -p {place}/data && "
        f"head -c 1500k /dev/zero > {place}/ballast && exec \"$@\""
    )  # fmt: skip
    unshare = ("unshare", "--mount") if os.getuid() == 0 else ("unshare", "-Urm")
    wrapper = (*unshare, "sh", "-c", script, "sh")
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
        pytest.skip("not run: no mount namespace for a small disk")
    return wrapper


def test_a_disk_that_fills_up_refuses_writes_and_loses_nothing(tmp_path):
    # No file may pass 2 MB: to SQLite that is a disk without room.
    wrapper = ("sh", "-c", 'ulimit -f 4096 && exec "$@"', "sh")

    async def main():
        async with up(tmp_path, wrapper=wrapper) as server:
            client = Client(HttpsTransport(load(tmp_path / "kubeconfig")))
            written = set()
            with pytest.raises(InternalError, match="cannot be written"):
                for number in range(1000):
                    await create(client, f"c{number}", 5000)
                    written.add(f"c{number}")
            assert 10 < len(written) < 1000
            found = await client.list(CONFIG_MAP, "default")
            assert written <= {one["metadata"]["name"] for one in found}, "reading goes on"
            await client.close()
            assert await server.end() == 0, server.errors
            assert "Traceback" not in server.errors
        assert {one for one in await names(tmp_path) if one.startswith("c")} == written

    asyncio.run(main())


def test_a_kubeconfig_that_is_none_is_refused_before_anything_starts(tmp_path):
    async def main():
        path = tmp_path / "theirs"
        path.write_text("- a list\n")
        status, _, errors = await arubeki(
            "up", "--data", tmp_path / "data", "--kubeconfig", path, home=tmp_path
        )
        assert status == 1
        assert errors.startswith("error: ") and "is no kubeconfig" in errors
        assert path.read_text() == "- a list\n"
        assert not (tmp_path / "data").exists()

    asyncio.run(main())


def test_the_helper_sees_a_small_disk(tmp_path):
    """The disk is full in the namespace, and not there outside of it."""
    wrapper = on_small_disk(tmp_path / "disk", "1536k")
    done = subprocess.run(
        [*wrapper, "sh", "-c", f"head -c 200k /dev/zero > {tmp_path}/disk/more"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "No space left" in done.stderr
    assert list(Path(tmp_path / "disk").iterdir()) == []
