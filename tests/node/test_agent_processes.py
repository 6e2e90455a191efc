"""Pods that are real processes: what they are given, how they end, what is left of them."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
import uvloop

from arubeki.kinds import core_v1 as core
from arubeki.node.runtimes.plain import PlainRuntime
from arubeki.node.runtimes.sandbox import SandboxRuntime
from tests.node.kit import (
    NAMESPACE,
    NODE,
    ProcessWorld,
    condition,
    config_map,
    container,
    main_status,
    once,
    pod,
    secret,
    shell,
)

BOTH = [
    pytest.param(PlainRuntime, id="plain"),
    pytest.param(SandboxRuntime, id="sandbox", marks=pytest.mark.sandbox),
]


@pytest.fixture(params=BOTH)
def run(request, tmp_path):
    """Run `scenario(world)` with real processes; none may be left after it."""

    def runner(scenario):
        async def main():
            runtime = request.param()
            async with ProcessWorld(runtime, tmp_path) as world:
                await scenario(world)
                await world.stop_node()
                assert runtime.containers() == []

        uvloop.run(main())

    return runner


def volume(name, **source):
    return core.Volume(name=name, **source)


def mount(name, path, **fields):
    return core.VolumeMount(name=name, mountPath=path, **fields)


# What a Pod is given.


def test_files_of_every_kind_of_volume(run):
    items = (
        core.DownwardAPIVolumeFile(
            path="labels", fieldRef=core.ObjectFieldSelector(fieldPath="metadata.labels")
        ),
    )
    sources = (
        core.VolumeProjection(
            configMap=core.ConfigMapProjection(
                name="cm", items=(core.KeyToPath(key="a", path="deep/a"),)
            )
        ),
        core.VolumeProjection(secret=core.SecretProjection(name="s")),
        core.VolumeProjection(downwardAPI=core.DownwardAPIProjection(items=items)),
    )
    volumes = (
        volume("cm", configMap=core.ConfigMapVolumeSource(name="cm")),
        volume("s", secret=core.SecretVolumeSource(secretName="s", defaultMode=0o400)),
        volume("down", downwardAPI=core.DownwardAPIVolumeSource(items=items)),
        volume("all", projected=core.ProjectedVolumeSource(sources=sources)),
        volume("tmp", emptyDir=core.EmptyDirVolumeSource()),
    )
    mounts = (
        mount("cm", "/data/cm"),
        mount("s", "/data/secret"),
        mount("down", "/data/down"),
        mount("all", "/data/all"),
        mount("tmp", "/data/tmp"),
        mount("cm", "/data/one", subPath="a"),
    )
    script = """
        cat /data/cm/a /data/cm/b /data/secret/password /data/down/labels; echo
        cat /data/all/deep/a /data/all/password /data/all/labels; echo
        cat /data/one; stat -Lc %a /data/secret/password
        echo mine > /data/tmp/mine; cat /data/tmp/mine
    """

    async def scenario(world):
        await world.create(config_map(a="one\n", b="two\n"), secret(password="hidden\n"))
        await world.create(
            once(shell(script, volumeMounts=mounts), volumes=volumes, labels={"app": "web"})
        )
        assert await world.output() == (
            'one\ntwo\nhidden\napp="web"\none\nhidden\napp="web"\none\n400\nmine\n'
        )

    run(scenario)


def test_changes_of_files_reach_the_pod_within_two_seconds(run):
    volumes = (
        volume("cm", configMap=core.ConfigMapVolumeSource(name="cm")),
        volume("s", secret=core.SecretVolumeSource(secretName="s")),
        volume(
            "down",
            downwardAPI=core.DownwardAPIVolumeSource(
                items=(
                    core.DownwardAPIVolumeFile(
                        path="x",
                        fieldRef=core.ObjectFieldSelector(fieldPath="metadata.annotations['x']"),
                    ),
                )
            ),
        ),
    )
    mounts = (mount("cm", "/data/cm"), mount("s", "/data/s"), mount("down", "/data/down"))
    script = """
        for file in /data/cm/text /data/s/text /data/down/x; do
            until grep -q new $file; do sleep 0.02; done; echo seen $file
        done
        ls /data/cm
        exec sleep 1000
    """

    async def scenario(world):
        await world.create(config_map(text="old"), secret(text="old"))
        made = await world.create(pod(shell(script, volumeMounts=mounts), volumes=volumes))
        await world.phase("Running")
        loop = asyncio.get_running_loop()
        files = world.directory / NODE / "pods" / made.uid / "volumes"
        for kind, name, patch, file in (
            (core.ConfigMap, "cm", {"data": {"text": "new", "more": "x"}}, "configmap/cm/text"),
            (core.Secret, "s", {"stringData": {"text": "new"}}, "secret/s/text"),
            (core.Pod, "p", {"metadata": {"annotations": {"x": "new"}}}, "downwardapi/down/x"),
        ):
            await world.client.patch(kind, name, NAMESPACE, patch)
            begun = loop.time()
            while (files / f"kubernetes.io~{file}").read_text() != "new":
                assert loop.time() - begun < 2
                await asyncio.sleep(0.01)
        # What the program makes of it takes as long as this machine is busy.
        await world.said("more\ntext\n", seconds=30)

    run(scenario)


def env(name, **source):
    return core.EnvVar(name=name, valueFrom=core.EnvVarSource(**source))


def test_the_environment_of_all_kinds(run):
    variables = (
        core.EnvVar(name="PLAIN", value="x"),
        core.EnvVar(name="EXPANDED", value="$(PLAIN)-$(POD_IP)-$$(PLAIN)"),
        env("NAME", fieldRef=core.ObjectFieldSelector(fieldPath="metadata.name")),
        env("NODE_NAME", fieldRef=core.ObjectFieldSelector(fieldPath="spec.nodeName")),
        env("HOST", fieldRef=core.ObjectFieldSelector(fieldPath="status.hostIP")),
        env("LIMIT", resourceFieldRef=core.ResourceFieldSelector(resource="limits.memory")),
        env("KEY", configMapKeyRef=core.ConfigMapKeySelector(name="cm", key="a")),
        env("HIDDEN", secretKeyRef=core.SecretKeySelector(name="s", key="b")),
        env("NONE", secretKeyRef=core.SecretKeySelector(name="s", key="no", optional=True)),
    )
    first = env("POD_IP", fieldRef=core.ObjectFieldSelector(fieldPath="status.podIP"))
    spec = container(
        command=("sh", "-c", 'echo "$0 $1"; env', "$(NAME)"),
        args=("$(PLAIN)",),
        env=(first, *variables),
        envFrom=(
            core.EnvFromSource(prefix="ALL_", configMapRef=core.ConfigMapEnvSource(name="cm")),
        ),
        resources=core.ResourceRequirements(limits={"memory": "64Mi"}),
    )

    async def scenario(world):
        await world.create(config_map(a="1", c="3"), secret(b="2"))
        await world.create(once(spec))
        lines = (await world.output()).splitlines()
        found = await world.pod()
        ip = found.status.podIP
        assert ip.startswith(f"127.{world.block.octet}.")
        assert lines[0] == "p x"
        assert set(lines[1:]) >= {
            "PLAIN=x", f"EXPANDED=x-{ip}-$(PLAIN)", "NAME=p", f"NODE_NAME={NODE}", f"POD_IP={ip}",
            f"HOST={world.block.first}", f"LIMIT={64 << 20}", "KEY=1", "HIDDEN=2", "ALL_a=1",
            "ALL_c=3",
        }  # fmt: skip
        assert not any(line.startswith("NONE=") for line in lines)

    run(scenario)


def test_the_working_directory_and_the_hosts_name(run):
    async def scenario(world):
        await world.create(once(shell("pwd; echo $HOSTNAME", workingDir="/usr"), hostname="web-0"))
        assert await world.output() == "/usr\nweb-0\n"

    run(scenario)


def test_init_containers_prepare_what_others_find(run):
    shared = (mount("tmp", "/shared"),)
    found = once(
        shell("cat /shared/made", volumeMounts=shared),
        initContainers=(
            shell("echo one > /shared/made", "i", volumeMounts=shared),
            shell("echo two >> /shared/made", "j", volumeMounts=shared),
        ),
        volumes=(volume("tmp", emptyDir=core.EmptyDirVolumeSource()),),
    )

    async def scenario(world):
        await world.create(found)
        await world.phase("Succeeded")
        assert await world.logs(container="main") == "one\ntwo\n"

    run(scenario)


SERVER = """
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(os.environ["NAME"].encode())
    def log_message(self, *_): pass
http.server.HTTPServer((os.environ["POD_IP"], 18438), Page).serve_forever()
"""


def test_two_pods_listen_on_one_port_and_a_probe_finds_each(run):
    def server(name):
        variables = (
            env("POD_IP", fieldRef=core.ObjectFieldSelector(fieldPath="status.podIP")),
            core.EnvVar(name="NAME", value=name),
        )
        probe = core.Probe(httpGet=core.HTTPGetAction(port="http"), periodSeconds=1)
        spec = container(
            command=(sys.executable, "-S", "-c", SERVER),
            env=variables,
            ports=(core.ContainerPort(name="http", containerPort=18438),),
            readinessProbe=probe,
        )
        return pod(spec, name=name)

    async def page(address):
        reader, writer = await asyncio.open_connection(address, 18438)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer.rpartition(b"\r\n")[2]

    async def scenario(world):
        await world.create(server("one"), server("two"))
        for name in ("one", "two"):
            found = await world.until(
                lambda one: (ready := condition(one, "Ready")) and ready.status == "True", name
            )
            assert await page(found.status.podIP) == name.encode()

    run(scenario)


def test_a_command_inside_tells_whether_it_is_ready(run):
    shared = (mount("tmp", "/shared"),)
    probe = core.Probe(exec=core.ExecAction(command=("test", "-e", "/shared/up")), periodSeconds=1)
    script = "until [ -e /shared/go ]; do sleep 0.02; done; touch /shared/up; exec sleep 1000"
    found = pod(
        shell(script, volumeMounts=shared, readinessProbe=probe),
        volumes=(volume("tmp", emptyDir=core.EmptyDirVolumeSource()),),
    )

    async def scenario(world):
        made = await world.create(found)
        await world.phase("Running")
        assert condition(await world.pod(), "Ready").status == "False"
        place = world.directory / NODE / "pods" / made.uid / "volumes/kubernetes.io~empty-dir/tmp"
        (place / "go").touch()
        await world.until(lambda one: condition(one, "Ready").status == "True")

    run(scenario)


# How it ends.


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        ("exit 0", 0, "Completed"),
        ("exit 3", 3, "Error"),
        ("kill -9 $$$$", 137, "Error"),  # $$ is a dollar sign in Kubernetes
        ("kill -15 $$$$", 143, "Error"),
    ],
)
def test_exit_codes_and_reasons(run, script, code, reason):
    async def scenario(world):
        # Not the first process itself: what protects it from signals is the kernel's business.
        await world.create(once(shell(f"sh -c '{script}'; code=$?; exit $code")))
        found = await world.phase("Failed" if code else "Succeeded")
        ended = main_status(found).state.terminated
        assert (ended.exitCode, ended.reason) == (code, reason)

    run(scenario)


def test_last_words(run):
    log = "echo line one; echo line two; exit 1"
    fallback = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    containers = (
        shell("echo because > /dev/termination-log; exit 1", "a"),
        shell("echo elsewhere > /last/words", "b", terminationMessagePath="/last/words"),
        shell(log, "c"),
        shell(log, "d", **fallback),
        shell("echo because > /dev/termination-log; echo log; exit 1", "e", **fallback),
        shell("printf x%.0s $(seq 5000) > /dev/termination-log", "f"),
    )

    async def scenario(world):
        await world.create(once(*containers))
        found = await world.phase("Failed")

        def message(name):
            return main_status(found, name).state.terminated.message or ""

        assert message("a") == "because\n"
        assert message("b") == "elsewhere\n"
        assert message("c") == ""
        assert message("d") == "line one\nline two\n"
        assert message("e") == "because\n"
        assert message("f") == "x" * 4096

    run(scenario)


def test_a_program_that_cannot_be_started(run):
    async def scenario(world):
        await world.create(once(container(command=("no-such-program",))))
        found = await world.phase("Failed")
        ended = main_status(found).state.terminated
        assert (ended.exitCode, ended.reason) == (128, "StartError")
        assert "no-such-program" in ended.message

    run(scenario)


@pytest.mark.parametrize("spec", [{}, {"args": ("serve",)}])
def test_a_container_without_a_command_never_runs_and_says_what_it_needs(run, spec):
    async def scenario(world):
        await world.create(pod(container(command=(), image="nginx:1.27", **spec)))
        found = await world.until(
            lambda one: (
                one.status.containerStatuses
                and main_status(one).state.waiting.reason == "CreateContainerConfigError"
            )
        )
        assert main_status(found).state.waiting.message == (
            f'container "main" needs a command: the {world.runtime.name} runtime has no images, '
            'so it cannot know what "nginx:1.27" would run'
        )
        assert found.status.phase == "Pending"
        assert not main_status(found).containerID

    run(scenario)


def test_root_that_must_not_be_is_refused(run):
    async def scenario(world):
        context = core.SecurityContext(runAsNonRoot=True, runAsUser=0)
        await world.create(pod(shell("true", securityContext=context)))
        found = await world.until(
            lambda one: one.status.containerStatuses and main_status(one).state.waiting.message
        )
        assert "breaks non-root policy" in main_status(found).state.waiting.message

    run(scenario)


def test_a_deleted_pod_may_say_goodbye(run):
    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done"

    async def scenario(world):
        await world.create(pod(shell(script), finalizers=["example.com/hold"]))
        await world.said("up")
        await world.delete()
        await world.phase("Succeeded")
        assert await world.logs() == "up\nbye\n"

    run(scenario)


def test_one_that_does_not_listen_is_killed(run):
    script = "trap '' TERM; echo up; while :; do sleep 0.02; done"

    async def scenario(world):
        await world.create(pod(shell(script), finalizers=["example.com/hold"]))
        await world.said("up")
        begun = asyncio.get_running_loop().time()
        await world.delete(grace=1)
        found = await world.phase("Failed")
        assert 1.9 < asyncio.get_running_loop().time() - begun < 6
        assert main_status(found).state.terminated.exitCode == 137

    run(scenario)


@pytest.mark.parametrize("crash", [False, True])
def test_no_process_outlives_its_agent(run, crash):
    marker = f"7531{os.getpid()}.5"

    def processes():
        found = []
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found.append(marker.encode() in place.read_bytes())
            except OSError:
                continue
        return any(found)

    async def scenario(world):
        await world.create(pod(shell(f"trap '' TERM; sleep {marker} & sleep {marker}")))
        await world.phase("Running")
        while not processes():
            await asyncio.sleep(0.01)
        begun = asyncio.get_running_loop().time()
        await world.stop_node(crash=crash)
        assert asyncio.get_running_loop().time() - begun < 5
        assert not processes()
        await world.start_node()
        await world.until(lambda one: main_status(one).restartCount == 1)

    run(scenario)
