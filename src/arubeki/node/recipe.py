"""What a run of a container is made of: environment, command, mounts, identity, files.

Below the node agent: data and a few empty files.
Source: kubernetes pkg/kubelet/kuberuntime/{kuberuntime_container,security_context}.go,
pkg/securitycontext/util.go.
"""

import os
from pathlib import Path

from arubeki.kinds import core_v1 as core
from arubeki.kinds.base import UNSET
from arubeki.node import ending, expand
from arubeki.node.expand import ContainerConfigError, Surroundings
from arubeki.node.runtimes.base import Command, Runtime
from arubeki.node.volumes import Volumes


def log_path(directory: Path, container: str, run: int) -> Path:
    """Return where the log of a container's run is, in its Pod's directory; runs count from 0."""
    return directory / "logs" / container / f"{run}.log"


def command(
    pod: core.Pod,
    spec: core.Container,
    run: int,
    *,
    runtime: Runtime,
    directory: Path,
    volumes: Volumes,
    around: Surroundings,
) -> Command:
    """Describe a run of a container.

    Raises: ContainerConfigError for what is missing or may not be, OSError for want of space.
    """
    if runtime.needs_command and not spec.command:
        raise ContainerConfigError(
            f'container "{spec.name}" needs a command: the {runtime.name} runtime has no images, '
            f'so it cannot know what "{spec.image or ""}" would run'
        )
    environment = expand.environment(pod, spec, around)
    user, group = _identity(pod, spec, runtime)
    message = None
    if runtime.needs_command:
        message = ending.prepare(spec, directory / "messages", run)
    return Command(
        container=spec.name,
        argv=expand.command(spec, environment),
        environment=environment,
        log=log_path(directory, spec.name, run),
        working_directory=spec.workingDir or "/",
        mounts=volumes.mounts(pod, spec, environment),
        user=user,
        group=group,
        message=message,
    )


def _identity(
    pod: core.Pod, spec: core.Container, runtime: Runtime
) -> tuple[int | None, int | None]:
    """Return user and group, each from the container or else from the Pod; None: our own.

    Raises: ContainerConfigError where that would be root and must not.
    """
    own, shared = spec.securityContext, pod.spec.securityContext

    def said(name: str) -> object:
        of_container = getattr(own, name) if own else UNSET
        return getattr(shared, name) if of_container is UNSET and shared else of_container

    user, group = said("runAsUser"), said("runAsGroup")
    if said("runAsNonRoot") is True and runtime.needs_command:
        where = f'(pod: "{pod.name}_{pod.namespace}({pod.uid})", container: {spec.name})'
        if user == 0:
            raise ContainerConfigError(f"container's runAsUser breaks non-root policy {where}")
        if not isinstance(user, int) and os.geteuid() == 0:
            raise ContainerConfigError(f"container has runAsNonRoot and would run as root {where}")
    return user if isinstance(user, int) else None, group if isinstance(group, int) else None
