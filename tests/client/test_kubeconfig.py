"""Contexts written into a kubeconfig, and taken out again."""

import stat
import threading
from pathlib import Path

import pytest
import yaml

from arubeki.client import config, kubeconfig
from arubeki.errors import ConfigError
from arubeki.net.tls import Pair

CLUSTER = kubeconfig.cluster_entry("https://127.0.0.1:6443", b"authority")
USER = kubeconfig.user_entry(pair=Pair(b"certificate", b"key"), token="t")

THEIRS = """\
apiVersion: v1
kind: Config
preferences: {colors: true}
current-context: work
clusters:
- {name: work, cluster: {server: "https://work", extensions: [{name: x, extension: {a: 1}}]}}
users:
- {name: work, user: {token: abc}}
contexts:
- {name: work, context: {cluster: work, user: work}}
"""


def merge(path: Path, name: str = "arubeki") -> None:
    kubeconfig.merge_context(path, name, cluster=CLUSTER, user=USER, namespace="x")


def read(path: Path) -> dict[str, object]:
    document: dict[str, object] = yaml.safe_load(path.read_text())
    return document


def test_what_is_written_can_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config"
    merge(path)
    found = config.load(path)
    assert (found.server, found.namespace, found.context) == (
        "https://127.0.0.1:6443",
        "x",
        "arubeki",
    )
    assert (found.authority, found.pair, found.token) == (
        b"authority",
        Pair(b"certificate", b"key"),
        "t",
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_taking_a_context_out_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(THEIRS)
    merge(path)
    assert read(path)["current-context"] == "arubeki"
    kubeconfig.remove_context(path, "arubeki")
    assert read(path) == yaml.safe_load(THEIRS)


def test_after_a_crash_the_next_start_still_knows_the_context_before(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(THEIRS)
    merge(path)
    merge(path)  # a second start, the first one never having removed its context
    assert len(read(path)["contexts"]) == 2  # type: ignore[arg-type]
    kubeconfig.remove_context(path, "arubeki")
    assert read(path)["current-context"] == "work"


def test_a_context_that_someone_chose_since_stays_chosen(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(THEIRS)
    merge(path)
    document = read(path)
    document["current-context"] = "work"
    path.write_text(yaml.safe_dump(document))
    kubeconfig.remove_context(path, "arubeki")
    assert read(path)["current-context"] == "work"


def test_a_context_that_is_gone_is_not_chosen_again(tmp_path: Path) -> None:
    path = tmp_path / "config"
    merge(path, "first")
    merge(path, "second")
    kubeconfig.remove_context(path, "first")
    assert read(path)["current-context"] == "second"
    kubeconfig.remove_context(path, "second")
    assert not path.exists(), "it was made for them"


def test_a_file_that_others_have_come_into_stays(tmp_path: Path) -> None:
    path = tmp_path / "config"
    merge(path)
    document = read(path)
    for plural, entries in yaml.safe_load(THEIRS).items():
        if isinstance(entries, list):
            document[plural] += entries  # type: ignore[operator]
    path.write_text(yaml.safe_dump(document))
    kubeconfig.remove_context(path, "arubeki")
    assert [one["name"] for one in read(path)["contexts"]] == ["work"]  # type: ignore[attr-defined]


def test_an_empty_file_that_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("apiVersion: v1\nkind: Config\nclusters: []\n")
    merge(path)
    kubeconfig.remove_context(path, "arubeki")
    assert path.exists()


def test_ours_are_told_from_theirs(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(THEIRS)
    merge(path)
    assert kubeconfig.marked(path) == {"arubeki": CLUSTER}
    assert kubeconfig.marked(tmp_path / "none") == {}


def test_with_other_names_to_take_nothing_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(THEIRS)
    names = [
        kubeconfig.merge_context(path, "work", cluster=CLUSTER, user=USER, others=["b", "c"])
        for _ in range(2)
    ]
    assert names == ["b", "c"]
    kubeconfig.remove_context(path, "b")
    kubeconfig.remove_context(path, "c")
    assert read(path) == yaml.safe_load(THEIRS)


def test_two_clusters_may_be_taken_out_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(THEIRS)
    merge(path, "first")
    merge(path, "second")
    kubeconfig.remove_context(path, "second")
    assert read(path)["current-context"] == "first"
    kubeconfig.remove_context(path, "first")
    assert read(path) == yaml.safe_load(THEIRS)


def test_taking_out_what_is_not_there_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config"
    kubeconfig.remove_context(path, "arubeki")
    assert not path.exists()
    path.write_text(THEIRS)
    kubeconfig.remove_context(path, "arubeki")
    assert path.read_text() == THEIRS


def test_a_link_stays_one(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text(THEIRS)
    link.symlink_to(target)
    merge(link)
    assert link.is_symlink()
    assert read(target)["current-context"] == "arubeki"


def test_a_file_that_is_no_kubeconfig_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "config"
    for text in ("- a list\n", "{", "contexts: 5\n"):
        path.write_text(text)
        with pytest.raises(ConfigError):
            merge(path)
        assert path.read_text() == text
        assert [each.name for each in tmp_path.iterdir()] == ["config"]


def test_a_locked_file_is_waited_for_and_then_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lock = tmp_path / "config", tmp_path / "config.lock"
    lock.touch()
    release = threading.Timer(0.06, lock.unlink)
    release.start()
    merge(path)
    release.join()
    assert not lock.exists()

    monkeypatch.setattr(kubeconfig, "LOCK_SECONDS", 0.05)
    lock.touch()
    with pytest.raises(ConfigError, match="locked by another program"):
        merge(path, "other")
    assert lock.exists()  # it is not ours
    assert "other" not in path.read_text()


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(THEIRS)
    threads = [threading.Thread(target=merge, args=(path, f"c{number}")) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = {each["name"] for each in read(path)["contexts"]}  # type: ignore[attr-defined]
    assert names == {"work", *(f"c{number}" for number in range(6))}
