"""Volumes as directories of this machine."""

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from arubeki.kinds import core_v1 as core
from arubeki.kinds.base import from_dict
from arubeki.node.expand import ContainerConfigError, Surroundings
from arubeki.node.volumes import (
    MountError,
    Volumes,
    check_host_path,
    config_map_files,
    projected_files,
    remove_tree,
    secret_files,
    sub_path,
    write_files,
)


def tree(directory: Path) -> dict[str, str]:
    """What a program sees: the visible files and their content."""
    return {
        os.path.relpath(os.path.join(where, name), directory): Path(where, name).read_text()
        for where, _, names in os.walk(directory, followlinks=True)
        for name in names
        if not os.path.relpath(os.path.join(where, name), directory).startswith("..")
    }


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def config_map(**fields: Any) -> core.ConfigMap:
    return from_dict(core.ConfigMap, {"metadata": {"name": "c"}, **fields})


def pod(volumes: list[Any], mounts: list[Any] | None = None) -> core.Pod:
    main = {"name": "main", "volumeMounts": mounts or []}
    return from_dict(
        core.Pod,
        {
            "metadata": {"name": "web-0", "namespace": "shop", "labels": {"app": "web"}},
            "spec": {"volumes": volumes, "containers": [main]},
        },
    )


def test_files_are_written_with_their_modes(tmp_path: Path) -> None:
    assert write_files(tmp_path, {"a": (b"1", 0o644), "dir/b": (b"2", 0o400)})
    assert tree(tmp_path) == {"a": "1", "dir/b": "2"}
    assert (mode(tmp_path / "a"), mode(tmp_path / "dir/b")) == (0o644, 0o400)
    assert os.readlink(tmp_path / "a") == "..data/a"
    assert os.readlink(tmp_path / "..data").startswith("..2")


def test_the_same_files_again_change_nothing(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": (b"1", 0o644)})
    before = os.readlink(tmp_path / "..data")
    assert not write_files(tmp_path, {"a": (b"1", 0o644)})
    assert os.readlink(tmp_path / "..data") == before


@pytest.mark.parametrize(
    "files",
    [
        {"a": (b"2", 0o644)},
        {"a": (b"1", 0o600)},
        {"b": (b"1", 0o644)},
        {"a": (b"1", 0o644), "b": (b"1", 0o644)},
        {"a/c": (b"1", 0o644)},
        {},
    ],
)
def test_an_update_replaces_everything(tmp_path: Path, files: Any) -> None:
    write_files(tmp_path, {"a": (b"1", 0o644)})
    assert write_files(tmp_path, files)
    assert tree(tmp_path) == {path: content.decode() for path, (content, _) in files.items()}
    assert len([one for one in tmp_path.iterdir() if one.name.startswith("..2")]) == 1
    assert not write_files(tmp_path, files)


def test_who_has_the_old_files_open_sees_all_old_ones(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": (b"1", 0o644), "b": (b"1", 0o644)})
    with (tmp_path / "a").open() as old:
        write_files(tmp_path, {"a": (b"2", 0o644), "b": (b"2", 0o644)})
        assert old.read() == "1"
    assert tree(tmp_path) == {"a": "2", "b": "2"}


def test_a_writer_that_was_interrupted_is_made_good(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": (b"1", 0o644)})
    (tmp_path / "..data_tmp").symlink_to("..nowhere")
    assert write_files(tmp_path, {"a": (b"2", 0o644)})
    assert tree(tmp_path) == {"a": "2"}


def test_the_mount_point_of_a_nested_volume_stays(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": (b"1", 0o644)})
    (tmp_path / "nested").mkdir()
    write_files(tmp_path, {"b": (b"1", 0o644)})
    assert (tmp_path / "nested").is_dir()


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "..data", "..x/y"])
def test_no_path_leads_out_of_a_volume(tmp_path: Path, path: str) -> None:
    with pytest.raises(MountError, match="invalid path"):
        write_files(tmp_path, {path: (b"", 0o644)})
    assert list(tmp_path.iterdir()) == []


def test_the_files_of_a_config_map() -> None:
    source = from_dict(core.ConfigMapVolumeSource, {"name": "c"})
    found = config_map(data={"a": "ä"}, binaryData={"b": "/w=="})
    assert config_map_files(source, found) == {
        "a": ("ä".encode(), 0o644),
        "b": (b"\xff", 0o644),
    }


def test_items_choose_and_rename_keys() -> None:
    items = [{"key": "a", "path": "x/y", "mode": 0o400}, {"key": "b", "path": "z", "mode": 0}]
    source = from_dict(
        core.ConfigMapVolumeSource, {"name": "c", "items": items, "defaultMode": 0o600}
    )
    found = config_map(data={"a": "1", "b": "2", "c": "3"})
    assert config_map_files(source, found) == {"x/y": (b"1", 0o400), "z": (b"2", 0)}


def test_what_is_missing_is_named_unless_it_is_optional() -> None:
    items = [{"key": "k", "path": "p"}]
    for kind, source, files in (
        ("configmap", core.ConfigMapVolumeSource, config_map_files),
        ("secret", core.SecretVolumeSource, secret_files),
    ):
        name = "secretName" if kind == "secret" else "name"
        make = files  # each pair belongs together
        asked = from_dict(source, {name: "x", "items": items})
        optional = from_dict(source, {name: "x", "items": items, "optional": True})
        with pytest.raises(MountError, match=f'^{kind} "x" not found$'):
            make(asked, None)  # type: ignore[operator]
        assert make(optional, None) == {}  # type: ignore[operator]
    empty = config_map()
    asked = from_dict(core.ConfigMapVolumeSource, {"name": "x", "items": items})
    with pytest.raises(MountError, match=r"^configmap references non-existent config key: k$"):
        config_map_files(asked, empty)
    hidden = from_dict(core.SecretVolumeSource, {"secretName": "x", "items": items})
    with pytest.raises(MountError, match=r"^references non-existent secret key: k$"):
        secret_files(hidden, from_dict(core.Secret, {"data": {}}))


def test_a_projection_brings_its_sources_together() -> None:
    down = {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}
    source = from_dict(
        core.ProjectedVolumeSource,
        {
            "defaultMode": 0o440,
            "sources": [
                {"configMap": {"name": "c", "items": [{"key": "a", "path": "ca.crt"}]}},
                {"secret": {"name": "s"}},
                {"downwardAPI": down},
                {"serviceAccountToken": {"path": "token"}},
            ],
        },
    )
    around = Surroundings(
        config_maps={"c": config_map(data={"a": "1"})},
        secrets={"s": from_dict(core.Secret, {"data": {"k": "Mg=="}})},
        tokens={"": "jwt"},
    )
    assert projected_files(source, pod([]), around) == {
        "ca.crt": (b"1", 0o440),
        "k": (b"2", 0o440),
        "labels": (b'app="web"', 0o440),
        "token": (b"jwt", 0o440),
    }


VOLUMES = [
    {"name": "conf", "configMap": {"name": "c"}},
    {"name": "work", "emptyDir": {}},
    {
        "name": "me",
        "downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]},
    },
]


def test_a_pods_volumes_are_made_updated_and_removed(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path / "pod")
    around = Surroundings(config_maps={"c": config_map(data={"a": "1"})})
    mounts = [
        {"name": "conf", "mountPath": "/conf"},
        {"name": "work", "mountPath": "/work"},
        {"name": "me", "mountPath": "/me"},
        {"name": "conf", "mountPath": "/single", "subPath": "a"},
        {"name": "work", "mountPath": "/deep", "subPathExpr": "of/$(NAME)", "readOnly": True},
    ]
    one = pod(VOLUMES, mounts)
    assert sorted(volumes.prepare(one, around)) == ["conf", "me"]
    assert mode(tmp_path / "pod/volumes") == 0o700
    made = volumes.mounts(one, one.spec.containers[0], {"NAME": "x"})
    conf, work, me, single, deep = made
    assert [mount.path for mount in made] == ["/conf", "/work", "/me", "/single", "/deep"]
    assert [mount.read_only for mount in made] == [True, False, True, True, True]
    assert tree(conf.source) == {"a": "1"}
    assert tree(me.source) == {"n": "web-0"}
    assert mode(work.source) == 0o777
    assert single.source.read_text() == "1"
    assert deep.source == (work.source / "of/x").resolve()
    assert deep.source.is_dir()
    (work.source / "kept").write_text("by the program")

    assert volumes.prepare(one, around) == []
    changed = Surroundings(config_maps={"c": config_map(data={"a": "2"})})
    assert volumes.prepare(one, changed) == ["conf"]
    assert tree(conf.source) == {"a": "2"}
    assert (work.source / "kept").exists()

    (work.source / "locked").mkdir(mode=0)
    volumes.remove()
    assert not (tmp_path / "pod/volumes").exists()


def test_a_volume_that_cannot_be_set_up_is_named(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path)
    with pytest.raises(MountError) as caught:
        volumes.prepare(pod(VOLUMES), Surroundings())
    assert str(caught.value) == (
        'MountVolume.SetUp failed for volume "conf" : configmap "c" not found'
    )
    claim = {"name": "disk", "persistentVolumeClaim": {"claimName": "x"}}
    with pytest.raises(MountError, match="persistentVolumeClaim are not supported by this node"):
        volumes.prepare(pod([claim]), Surroundings())


def test_a_mount_of_no_volume_is_said(tmp_path: Path) -> None:
    one = pod([], [{"name": "none", "mountPath": "/x"}])
    with pytest.raises(ContainerConfigError, match='cannot find volume "none" to mount into'):
        Volumes(tmp_path).mounts(one, one.spec.containers[0], {})


@pytest.mark.parametrize("inside", ["../x", "/etc", "out/passwd", "a/../../x"])
def test_a_sub_path_stays_in_its_volume(tmp_path: Path, inside: str) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "out").symlink_to("/etc")
    with pytest.raises(ContainerConfigError):
        sub_path(volume, inside)


def test_host_paths_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    def check(path: Path, kind: str = "") -> None:
        check_host_path(from_dict(core.HostPathVolumeSource, {"path": str(path), "type": kind}))

    check(file, "File")
    check(tmp_path, "Directory")
    check(tmp_path / "new/one")
    check(tmp_path / "made", "DirectoryOrCreate")
    check(tmp_path / "touched", "FileOrCreate")
    assert (tmp_path / "new/one").is_dir()
    assert (tmp_path / "made").is_dir()
    assert (tmp_path / "touched").is_file()
    with pytest.raises(
        MountError, match=r"^hostPath type check failed: .*/file is not a directory$"
    ):
        check(file, "Directory")
    with pytest.raises(MountError, match="is not a socket file"):
        check(file, "Socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        check(tmp_path / "socket", "Socket")


def test_a_directory_that_forbids_it_is_removed_too(tmp_path: Path) -> None:
    deep = tmp_path / "a/b/c"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    (tmp_path / "a/link").symlink_to("/etc")
    for directory in (deep, deep.parent):
        directory.chmod(0)
    remove_tree(tmp_path / "a")
    assert not (tmp_path / "a").exists()
