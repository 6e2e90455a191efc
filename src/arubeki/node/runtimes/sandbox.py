"""Containers in namespaces of their own, without images and without root.

A container sees the machine's files with the Pod's volumes at their mountPaths, the Pod's host name
and /etc/hosts, and no process but its own. Containers of one Pod share name, address and volumes;
process numbers and mounts are each container's own. It is no security boundary: the files are the
machine's, and the network is shared.

As root the namespaces are made directly, and a container may run as another user. Otherwise, and
where a container manager has taken root's rights away, a user namespace comes around them, in which
one user and one group exist: our own, under the numbers that the Pod asks for.

Below the node agent: one of the runtimes. Linux only; `probe` tries it and says what is missing.
"""

import asyncio
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from arubeki.node.runtimes.base import Command, Mount, Notice, PodSandbox, StartError
from arubeki.node.runtimes.processes import ProcessContainer, ProcessRuntime, base_environment

_PROBE_SECONDS = 10.0


class SandboxRuntime(ProcessRuntime):
    """Runs containers in Linux namespaces."""

    name = "sandbox"
    mounts_volumes = True

    def __init__(self) -> None:
        super().__init__()
        # root may do without; `probe` finds out whether it must not.
        self._user_namespace = os.name != "posix" or os.geteuid() != 0

    async def probe(self) -> str:
        """Run a container with a volume at a path that does not exist; return why it cannot."""
        if sys.platform != "linux":
            return f"namespaces are Linux' own, this is {sys.platform}"
        reason = await self._try()
        if reason and not self._user_namespace:
            self._user_namespace = True
            again = await self._try()
            if again:
                self._user_namespace = False
                return f"{reason}; in a user namespace: {again}"
            return ""
        return reason

    async def _try(self) -> str:
        with TemporaryDirectory(prefix="arubeki-probe-") as name:
            directory = Path(name)
            (directory / "volume").mkdir()
            (directory / "volume" / "seen").write_text("yes")
            sandbox = PodSandbox("probe", "", "probe", directory / "pod", hostname="probe")
            command = Command(
                "probe",
                ("sh", "-c", '[ "$(cat /arubeki-probe/volume/seen)" = yes ] && [ $$ -lt 10 ]'),
                {},
                directory / "log",
                mounts=(Mount("/arubeki-probe/volume", directory / "volume", read_only=True),),
            )
            await self.create(sandbox)
            try:
                async with asyncio.timeout(_PROBE_SECONDS):
                    container = await self.start(sandbox, command)
                    code = (await container.wait()).code
            except StartError as error:
                return str(error)
            except TimeoutError:
                return f"no answer within {_PROBE_SECONDS:.0f} s"
            finally:
                await self.remove(sandbox)
            return "" if code == 0 else "a volume is not where it was mounted"

    async def create(self, sandbox: PodSandbox) -> None:
        """Make the place for the new root, and the Pod's /etc/hosts."""
        await super().create(sandbox)
        _root(sandbox).mkdir(exist_ok=True)
        _hosts(sandbox).write_text(hosts_file(sandbox), encoding="utf-8")

    async def remove(self, sandbox: PodSandbox) -> None:
        """Kill what still runs of a Pod, and drop what `create` made."""
        await super().remove(sandbox)
        if _root(sandbox).is_dir():
            _root(sandbox).rmdir()
        _hosts(sandbox).unlink(missing_ok=True)

    def job(
        self, sandbox: PodSandbox, command: Command
    ) -> tuple[dict[str, Any], tuple[Notice, ...]]:
        """Describe root, mounts and names to the supervisor."""
        mounts = list(command.mounts)
        if all(mount.path != "/etc/hosts" for mount in mounts):
            mounts.append(Mount("/etc/hosts", _hosts(sandbox)))
        message = command.message
        if message and any(mount.path == message.path for mount in mounts):
            message = None
        other = command.user is not None or command.group is not None
        job = {
            "argv": list(command.argv),
            "env": base_environment(sandbox) | dict(command.environment),
            "cwd": command.working_directory or "/",
            "user": command.user,
            "group": command.group,
            "set_user": other and not self._user_namespace,
            "sandbox": {
                "root": str(_root(sandbox)),
                "hostname": sandbox.hostname or sandbox.name,
                "user_namespace": self._user_namespace,
                "mounts": [(one.path, str(one.source), one.read_only) for one in mounts],
                "message": (message.path, str(message.source)) if message else None,
            },
        }
        return job, ()

    def exec_job(self, container: ProcessContainer, argv: list[str]) -> dict[str, Any]:
        """Enter the container's namespaces."""
        job = container.job
        return {
            **{name: job[name] for name in ("env", "cwd", "user", "group", "set_user")},
            "argv": argv,
            "enter": container.init,
            "user_namespace": job["sandbox"]["user_namespace"],
        }


def hosts_file(sandbox: PodSandbox) -> str:
    """Return the Pod's /etc/hosts as the kubelet writes it.

    Source: kubelet pkg/kubelet/kubelet_pods.go, managedHostsFileContent.
    """
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::0\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
    ]
    if sandbox.ip:
        lines.append(f"{sandbox.ip}\t{sandbox.hostname or sandbox.name}")
    if sandbox.host_aliases:
        lines += ["", "# Entries added by HostAliases."]
        lines += ["\t".join((address, *names)) for address, names in sandbox.host_aliases]
    return "\n".join(lines) + "\n"


def _root(sandbox: PodSandbox) -> Path:
    return sandbox.directory / "root"


def _hosts(sandbox: PodSandbox) -> Path:
    return sandbox.directory / "etc-hosts"
