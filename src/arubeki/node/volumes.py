"""A Pod's volumes as directories of this machine.

What a ConfigMap, a Secret, the downward API or a projection holds is a pure function of objects:
a mapping from path to content and mode. `write_files` brings it to disk so that a program sees
either all of the old or all of the new: the files lie in a directory named after the time, `..data`
is a link to it that is swapped by rename, and what the program opens are links through `..data`.

The Pod's directory is private (0700). Inside it files have the modes that Kubernetes gives them,
since a container sees them through its mount, not through the path that leads here.

Below the node agent: files, no network.
Source: kubelet pkg/volume/util/atomic_writer.go, pkg/volume/{configmap,secret,projected,hostpath}.
"""

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from arubeki import clock
from arubeki.errors import ArubekiError
from arubeki.kinds import core_v1 as core
from arubeki.kinds.model import UnsetType
from arubeki.node import expand
from arubeki.node.expand import ContainerConfigError, Surroundings
from arubeki.node.runtimes.base import Mount

Files = dict[str, tuple[bytes, int]]
"""Content and mode by relative path."""

DEFAULT_MODE = 0o644
_DATA = "..data"
_DATA_NEW = "..data_tmp"


class MountError(ArubekiError):
    """A volume cannot be set up; `str()` is the message of the Event `FailedMount`."""

    reason = "FailedMount"


class Volumes:
    """The volumes of one Pod, below its private directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "volumes"

    def prepare(self, pod: core.Pod, around: Surroundings) -> list[str]:
        """Make or update every volume; return the names of those whose files changed.

        Raises: MountError for the first that cannot be set up.
        """
        changed = []
        for volume in pod.spec.volumes or ():
            try:
                if self._prepare(volume, pod, around):
                    changed.append(volume.name)
            except (ArubekiError, OSError) as error:
                raise MountError(
                    f'MountVolume.SetUp failed for volume "{volume.name}" : {error}'
                ) from error
        return changed

    def _prepare(self, volume: core.Volume, pod: core.Pod, around: Surroundings) -> bool:
        if volume.hostPath:
            check_host_path(volume.hostPath)
            return False
        files = None if volume.emptyDir else volume_files(volume, pod, around)
        place = self._place(volume)
        if not place.is_dir():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.mkdir(parents=True)
            place.chmod(0o777)
        return files is not None and write_files(place, files)

    def mounts(
        self, pod: core.Pod, container: core.Container, environment: Mapping[str, str]
    ) -> tuple[Mount, ...]:
        """Return where the container sees which directory or file. After `prepare`.

        Raises: ContainerConfigError for an unknown volume or a bad subPath.
        """
        volumes = {volume.name: volume for volume in pod.spec.volumes or ()}
        result = []
        for mount in container.volumeMounts or ():
            volume = volumes.get(mount.name)
            if volume is None:
                raise ContainerConfigError(
                    f'cannot find volume "{mount.name}" to mount into container "{container.name}"'
                )
            source = Path(volume.hostPath.path) if volume.hostPath else self._place(volume)
            inside = mount.subPath or expand.expand(mount.subPathExpr or "", environment)
            if inside:
                source = sub_path(source, inside)
            # Files of the API are always mounted read-only, since the node rewrites them.
            read_only = bool(mount.readOnly) or not (volume.hostPath or volume.emptyDir)
            result.append(Mount(mount.mountPath, source, read_only))
        return tuple(result)

    def remove(self) -> None:
        """Delete them, whatever modes the program gave to its files."""
        remove_tree(self._directory)

    def _place(self, volume: core.Volume) -> Path:
        for kind in ("emptyDir", "configMap", "secret", "downwardAPI", "projected"):
            if getattr(volume, kind):
                kind = "empty-dir" if kind == "emptyDir" else kind.lower()
                return self._directory / f"kubernetes.io~{kind}" / volume.name
        return self._directory / "kubernetes.io~empty-dir" / volume.name


def volume_files(volume: core.Volume, pod: core.Pod, around: Surroundings) -> Files | None:
    """Return what is in a volume made of API objects; None for an empty directory.

    Raises: MountError, ContainerConfigError if something it needs is missing, or for a kind of
    volume that this node does not have.
    """
    if volume.configMap:
        source = volume.configMap
        return config_map_files(source, around.config_maps.get(source.name or ""))
    if volume.secret:
        return secret_files(volume.secret, around.secrets.get(volume.secret.secretName or ""))
    if volume.downwardAPI:
        mode = _mode(volume.downwardAPI.defaultMode)
        return downward_files(volume.downwardAPI.items or (), mode, pod, around)
    if volume.projected:
        return projected_files(volume.projected, pod, around)
    # A volume without any source is an emptyDir. Source: core v1 defaults.go, SetDefaults_Volume.
    other = [name for name in volume.__struct_fields__ if name != "name" and getattr(volume, name)]
    if other:
        raise MountError(f"volumes of type {other[0]} are not supported by this node")
    return None


def config_map_files(
    source: core.ConfigMapVolumeSource | core.ConfigMapProjection,
    found: core.ConfigMap | None,
    default_mode: int | None = None,
) -> Files:
    """Return the files of a ConfigMap. Raises: MountError if it, or a key asked for, is missing."""
    if isinstance(source, core.ConfigMapVolumeSource):
        default_mode = _mode(source.defaultMode)
    if found is None and not source.optional:
        raise MountError(f'configmap "{source.name or ""}" not found')
    data: dict[str, bytes] = {}
    if found is not None:
        data = {
            key: text.encode("utf-8", "surrogatepass") for key, text in (found.data or {}).items()
        }
        data.update(found.binaryData or {})
    return _items(
        data,
        source.items or (),
        DEFAULT_MODE if default_mode is None else default_mode,
        bool(source.optional),
        "configmap references non-existent config key",
    )


def secret_files(
    source: core.SecretVolumeSource | core.SecretProjection,
    found: core.Secret | None,
    default_mode: int | None = None,
) -> Files:
    """Return the files of a Secret. Raises: MountError if it, or a key asked for, is missing."""
    if isinstance(source, core.SecretVolumeSource):
        default_mode, name = _mode(source.defaultMode), source.secretName or ""
    else:
        name = source.name or ""
    if found is None and not source.optional:
        raise MountError(f'secret "{name}" not found')
    return _items(
        (found.data or {}) if found is not None else {},
        source.items or (),
        DEFAULT_MODE if default_mode is None else default_mode,
        bool(source.optional),
        "references non-existent secret key",
    )


def _items(
    data: Mapping[str, bytes],
    items: Sequence[core.KeyToPath],
    default_mode: int,
    optional: bool,
    missing: str,
) -> Files:
    if not items:
        return {key: (content, default_mode) for key, content in data.items()}
    files: Files = {}
    for item in items:
        if item.key in data:
            files[item.path] = (data[item.key], _mode(item.mode, default_mode))
        elif not optional:
            raise MountError(f"{missing}: {item.key}")
    return files


def downward_files(
    items: Sequence[core.DownwardAPIVolumeFile],
    default_mode: int,
    pod: core.Pod,
    around: Surroundings,
) -> Files:
    """Return the files of the downward API. Raises: ContainerConfigError for an unknown field."""
    files: Files = {}
    for item in items:
        text = ""
        if item.fieldRef:
            text = expand.field_value(pod, item.fieldRef.fieldPath, around)
        elif item.resourceFieldRef:
            text = expand.resource_value(pod, None, item.resourceFieldRef, around)
        files[item.path] = (text.encode(), _mode(item.mode, default_mode))
    return files


def projected_files(
    source: core.ProjectedVolumeSource, pod: core.Pod, around: Surroundings
) -> Files:
    """Return the files of all sources of a projected volume; of two with one path, the later.

    Raises: MountError, ContainerConfigError if something is missing or not supported.
    """
    mode = _mode(source.defaultMode)
    files: Files = {}
    for one in source.sources or ():
        if one.configMap:
            found = around.config_maps.get(one.configMap.name or "")
            files.update(config_map_files(one.configMap, found, mode))
        elif one.secret:
            files.update(secret_files(one.secret, around.secrets.get(one.secret.name or ""), mode))
        elif one.downwardAPI:
            files.update(downward_files(one.downwardAPI.items or (), mode, pod, around))
        elif one.serviceAccountToken:
            token = around.tokens.get(one.serviceAccountToken.audience or "")
            if token is None:
                raise MountError(around.token_fault or "the token has not been fetched yet")
            files[one.serviceAccountToken.path] = (token.encode(), mode)
        else:
            kind = "clusterTrustBundle" if one.clusterTrustBundle else "podCertificate"
            raise MountError(f"projections of type {kind} are not supported by this node")
    return files


def _mode(mode: int | UnsetType, default: int = DEFAULT_MODE) -> int:
    return default if isinstance(mode, UnsetType) else mode


def write_files(directory: Path, files: Mapping[str, tuple[bytes, int]]) -> bool:
    """Let `directory` hold exactly `files`, atomically; return whether that changed anything.

    What others put there beside them (the mount point of a nested volume) stays.
    Raises: MountError for a path that leads out of the directory.
    """
    for path in files:
        _check_path(path)
    former = directory / _DATA
    if former.is_symlink() and _holds(former, files):
        return False
    # Two updates in one microsecond are told apart by the number that follows.
    stamp = clock.timestamp_micro()[:-1].replace("-", "_").replace("T", "_").replace(":", "_")
    fresh = directory / f"..{stamp}{clock.random_suffix(3)}"
    fresh.mkdir()
    fresh.chmod(0o755)
    for path, (content, mode) in files.items():
        file = fresh / path
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as writer:
            writer.write(content)
        file.chmod(mode & 0o7777)  # whatever the umask
    old = os.readlink(former) if former.is_symlink() else ""
    new = directory / _DATA_NEW
    new.unlink(missing_ok=True)
    new.symlink_to(fresh.name)
    new.rename(former)
    _show(directory, {path.partition("/")[0] for path in files})
    if old:
        remove_tree(directory / old)
    return True


def _check_path(path: str) -> None:
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or parts[0].startswith(".."):
        raise MountError(f"invalid path {path!r} in a volume")


def _holds(data: Path, files: Mapping[str, tuple[bytes, int]]) -> bool:
    present = {
        os.path.relpath(os.path.join(where, name), data)
        for where, _, names in os.walk(data)
        for name in names
    }
    if present != {os.path.normpath(path) for path in files}:
        return False
    for path, (content, mode) in files.items():
        file = data / path
        if stat.S_IMODE(file.stat().st_mode) != mode & 0o7777 or file.read_bytes() != content:
            return False
    return True


def _show(directory: Path, names: set[str]) -> None:
    """Let each name be a link through `..data`, and drop the links of what is no more."""
    for name in names:
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(f"{_DATA}/{name}")
    for entry in list(directory.iterdir()):
        if entry.name in names or entry.name.startswith("..") or not entry.is_symlink():
            continue
        if os.readlink(entry).startswith(f"{_DATA}/"):
            entry.unlink()


def sub_path(volume: Path, inside: str) -> Path:
    """Return what a subPath names in a volume, made as a directory if it is missing.

    Raises: ContainerConfigError if it leads out of the volume, by `..` or by a link.
    """
    if inside.startswith("/") or ".." in inside.split("/"):
        raise ContainerConfigError(f'subPath "{inside}" must be a relative path without ".."')
    base = os.path.realpath(volume)
    target = os.path.realpath(volume / inside)
    if target != base and not target.startswith(base.rstrip("/") + "/"):
        raise ContainerConfigError(f'failed to prepare subPath: "{inside}" leads out of its volume')
    if not os.path.lexists(target):
        try:
            os.makedirs(target, exist_ok=True)
        except OSError as error:
            raise ContainerConfigError(
                f'failed to create subPath directory for volumeMount: "{inside}": {error.strerror}'
            ) from error
    return Path(target)


def check_host_path(source: core.HostPathVolumeSource) -> None:
    """Check, or make, what a hostPath names.

    Raises: MountError with the kubelet's message; OSError if it cannot be made.
    """
    path, kind = Path(source.path), source.type or ""
    if kind in ("", "DirectoryOrCreate") and not os.path.lexists(path):
        path.mkdir(mode=0o755, parents=True)
    if kind == "FileOrCreate" and not os.path.lexists(path):
        path.touch(mode=0o644)
    tests = {
        "DirectoryOrCreate": (Path.is_dir, "directory"),
        "Directory": (Path.is_dir, "directory"),
        "FileOrCreate": (Path.is_file, "file"),
        "File": (Path.is_file, "file"),
        "Socket": (Path.is_socket, "socket file"),
        "CharDevice": (Path.is_char_device, "character device"),
        "BlockDevice": (Path.is_block_device, "block device"),
    }
    if kind in tests and not tests[kind][0](path):
        raise MountError(f"hostPath type check failed: {path} is not a {tests[kind][1]}")


def remove_tree(directory: Path) -> None:
    """Delete a directory with all in it, also where a program took its permissions away."""
    if not directory.is_dir():
        return
    try:
        shutil.rmtree(directory)
    except PermissionError:
        directory.chmod(0o700)
        for where, names, _ in os.walk(directory):
            for name in names:
                if not os.path.islink(os.path.join(where, name)):
                    os.chmod(os.path.join(where, name), 0o700)
        shutil.rmtree(directory)
