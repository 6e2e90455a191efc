"""`arubeki run`: the controllers of a file, against a cluster that is there or that it starts."""

import asyncio
import re
import signal

import pytest

from arubeki.api.objects import Kind
from arubeki.client.client import Client
from arubeki.client.config import load
from arubeki.client.https import HttpsTransport
from tests.support.child import Up, arubeki, marked

CONTROLLER = '''\
"""Copies what a Note says into a ConfigMap."""

from arubeki import App, Context, Model, Resource, crd
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from text import decorated


class Spec(Model):
    text: str = ""


class Status(Model):
    copied: str = ""


@crd("notes.example.com/v1")
class Note(Resource[Spec, Status]):
    ...


app = App("notes")
notes = app.controller(Note, owns=[core.ConfigMap])


@notes.reconcile
async def reconcile(note: Note, ctx: Context[Note]) -> None:
    await ctx.apply(
        core.ConfigMap(
            metadata=meta.ObjectMeta(name=note.name, namespace=note.namespace),
            data={"text": decorated(note.spec.text)},
        )
    )
'''
NEIGHBOUR = "def decorated(text):\n    return f'* {text} *'\n"
NOTE = {
    "apiVersion": "notes.example.com/v1",
    "kind": "Note",
    "metadata": {"name": "n", "namespace": "default"},
    "spec": {"text": "hello"},
}
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")


@pytest.fixture
def file(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "text.py").write_text(NEIGHBOUR)
    path = folder / "note-controller.py"
    path.write_text(CONTROLLER)
    return path


class Run(Up):
    """A running `arubeki run`."""

    def __init__(self, *words, home):
        super().__init__(home=home)
        self.words[self.words.index("up") :] = ["run", *map(str, words)]

    async def ready(self):
        async with asyncio.timeout(30):
            while "Ctrl-C ends it" not in self.block:
                line = await self.process.stdout.readline()
                assert line, self.block + self.errors
                self.block += line.decode()


async def copied(home):
    """Create a Note and wait for its copy."""
    client = Client(HttpsTransport(load(home / ".kube" / "config")))
    try:
        await client.create(NOTE)
        async with asyncio.timeout(20):
            while True:
                found = await client.list(CONFIG_MAP, "default")
                for one in found:
                    if one["metadata"]["name"] == "n":
                        return one
                await asyncio.sleep(0.02)
    finally:
        await client.close()


def test_it_runs_a_files_controllers_against_the_cluster_of_the_kubeconfig(tmp_path, file):
    async def main():
        async with (
            Up("--memory", "--runtime", "fake", "--port", 0, home=tmp_path) as server,
            Run(file, home=tmp_path) as run,
        ):
            assert run.block == "running notes; Ctrl-C ends it\n"
            made = await copied(tmp_path)
            assert made["data"] == {"text": "* hello *"}
            assert made["metadata"]["ownerReferences"][0]["name"] == "n"
            assert await run.end(signal.SIGINT) == 0
            line = run.block.splitlines()[1]
            assert re.fullmatch(
                r"\d\d:\d\d:\d\d  notes default/n +applied ConfigMap/n +because Note default/n ADDED",
                line,
            )
            assert run.errors == ""
            assert await server.end() == 0, server.errors

    asyncio.run(main())


def test_it_starts_a_cluster_first_when_told_to(tmp_path, file):
    async def main():
        words = ["--up", "--memory", "--runtime", "fake", "--port", 0]
        async with Run(file, *words, home=tmp_path) as run:
            assert "cluster ready at https://127.0.0.1:" in run.block
            assert (await copied(tmp_path))["data"] == {"text": "* hello *"}
            assert await run.end() == 0, run.errors
            assert run.errors == ""
        assert not (tmp_path / ".kube").exists()
        assert marked(run.mark) == set()

    asyncio.run(main())


def test_a_file_that_cannot_be_run_is_told(tmp_path, file):
    def fails(path, text=None):
        if text is not None:
            path.write_text(text)
        status, output, errors = asyncio.run(arubeki("run", path, home=tmp_path))
        assert (status, output) == (1, "")
        assert "Traceback" not in errors
        return errors

    assert fails(tmp_path / "nope.py") == f"error: there is no file {tmp_path / 'nope.py'}\n"
    assert "makes no arubeki.App\nhelp: app = App(" in fails(file, "x = 1\n")
    assert f"{file}:2 is no Python" in fails(file, "x = 1\ny = (\n")
    errors = fails(file, "import nothing_of_that_name\n")
    assert "No module named 'nothing_of_that_name'" in errors and "help: " in errors
    assert "no cluster is configured" in fails(file, CONTROLLER)


def test_a_mistake_of_the_files_own_is_shown_where_it_is(tmp_path, file):
    file.write_text("def broken():\n    raise ValueError('mine')\n\nbroken()\n")
    status, _, errors = asyncio.run(arubeki("run", file, home=tmp_path))
    assert status == 1
    assert "note-controller.py" in errors and "ValueError: mine" in errors
    assert "importlib" not in errors and "cli/run.py" not in errors
    assert errors.endswith(f"error: {file} could not be loaded: ValueError\n")


def test_without_the_definitions_the_controller_waits_for_them(tmp_path, file):
    async def main():
        async with (
            Up("--memory", "--runtime", "fake", "--port", 0, home=tmp_path) as server,
            Run(file, "--no-crds", home=tmp_path) as run,
        ):
            client = Client(HttpsTransport(load(tmp_path / ".kube" / "config")))
            definitions = Kind(
                "apiextensions.k8s.io", "v1", "CustomResourceDefinition",
                "customresourcedefinitions", namespaced=False,
            )  # fmt: skip
            assert await client.list(definitions) == []
            await client.close()
            assert await run.end() == 0, run.errors
            assert await server.end() == 0, server.errors

    asyncio.run(main())
