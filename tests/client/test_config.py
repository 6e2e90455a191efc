"""Which server, and as whom."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from arubeki.client import config
from arubeki.errors import ConfigError
from arubeki.net.tls import Pair


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def write(path: Path, name: str, *, current: str = "", **fields: Mapping[str, Any]) -> Path:
    """Write a kubeconfig with one cluster, user and context of that name."""
    cluster = {"server": f"https://{name}:6443/", **fields.get("cluster", {})}
    context = {"cluster": name, "user": name, **fields.get("context", {})}
    document = {
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": dict(fields.get("user", {}))}],
        "contexts": [{"name": name, "context": context}],
        "current-context": current,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def account(tmp_path: Path) -> Path:
    folder = tmp_path / "account"
    folder.mkdir()
    (folder / "token").write_text("t0ken\n")
    (folder / "ca.crt").write_text("authority")
    (folder / "namespace").write_text("mine\n")
    return folder


IN_CLUSTER = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_everything_that_a_kubeconfig_says_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "config",
        "a",
        current="a",
        cluster={
            "certificate-authority-data": coded(b"authority"),
            "tls-server-name": "other",
            "proxy-url": "http://proxy:1",
            "insecure-skip-tls-verify": True,
        },
        user={
            "client-certificate-data": coded(b"certificate"),
            "client-key-data": coded(b"key"),
            "token": "t",
            "username": "u",
            "password": "p",
            "as": "bob",
            "as-uid": "1",
            "as-groups": ["g"],
            "as-user-extra": {"k": ["v"]},
            "exec": {
                "command": "get-token",
                "args": ["-x"],
                "env": [{"name": "N", "value": "V"}],
                "apiVersion": "client.authentication.k8s.io/v1beta1",
                "installHint": "install it",
                "provideClusterInfo": True,
            },
        },
        context={"namespace": "x"},
    )
    assert config.load(path) == config.Config(
        server="https://a:6443",
        namespace="x",
        context="a",
        authority=b"authority",
        verify=False,
        tls_server_name="other",
        pair=Pair(b"certificate", b"key"),
        token="t",
        username="u",
        password="p",
        impersonation=config.Impersonation("bob", "1", ("g",), {"k": ["v"]}),
        plugin=config.ExecPlugin(
            "get-token",
            ("-x",),
            {"N": "V"},
            "client.authentication.k8s.io/v1beta1",
            "install it",
            True,
            str(tmp_path),
        ),
        proxy="http://proxy:1",
    )


def test_files_are_relative_to_the_kubeconfig_and_data_win(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    path = write(
        folder / "config",
        "a",
        current="a",
        cluster={"certificate-authority": "ca.pem"},
        user={
            "client-certificate": "absent.pem",
            "client-certificate-data": coded(b"data"),
            "client-key": str(tmp_path / "key.pem"),
            "tokenFile": "token",
        },
    )
    (folder / "ca.pem").write_bytes(b"from the file")
    (tmp_path / "key.pem").write_bytes(b"key")
    found = config.load(path)
    assert found.authority == b"from the file"
    assert found.pair == Pair(b"data", b"key")
    assert found.token_file == str(folder / "token")
    assert found.namespace == "default"


def test_secrets_do_not_show_in_a_repr(tmp_path: Path) -> None:
    path = write(tmp_path / "c", "a", current="a", user={"token": "s3cret", "password": "s3cret"})
    assert "s3cret" not in repr(config.load(path))


def test_of_several_files_the_first_to_say_something_wins(tmp_path: Path) -> None:
    first = write(tmp_path / "1", "a", user={"token": "first"})
    second = write(tmp_path / "2", "a", current="b", user={"token": "second"})
    third = write(tmp_path / "3", "b", current="a", user={"token": "third"})
    env = {"KUBECONFIG": f"{first}:{tmp_path / 'absent'}:{second}::{third}"}
    assert config.load(environment=env).token == "third"
    assert config.load(environment=env, context="a").token == "first"


def test_what_is_named_goes_before_what_is_found(tmp_path: Path, account: Path) -> None:
    named = write(tmp_path / "named", "named", current="named")
    listed = write(tmp_path / "listed", "listed", current="listed")
    write(tmp_path / ".kube" / "config", "home", current="home")
    env = {"KUBECONFIG": str(listed), **IN_CLUSTER, "HOME": str(tmp_path)}

    def server(path: Path | None = None) -> str:
        return config.load(path, environment=env, account_folder=account).server

    assert server(named) == "https://named:6443"
    assert server() == "https://listed:6443"
    del env["KUBECONFIG"]
    assert server() == "https://10.0.0.1:443"
    del env["KUBERNETES_SERVICE_HOST"]
    assert server() == "https://home:6443"


def test_a_context_that_is_named_is_not_looked_for_in_the_pod(
    tmp_path: Path, account: Path
) -> None:
    write(tmp_path / ".kube" / "config", "home")
    env = {**IN_CLUSTER, "HOME": str(tmp_path)}
    found = config.load(context="home", environment=env, account_folder=account)
    assert found.server == "https://home:6443"


def test_a_pods_account_is_its_configuration(account: Path) -> None:
    found = config.load_in_cluster({**IN_CLUSTER, "KUBERNETES_SERVICE_HOST": "::1"}, account)
    assert found is not None
    assert found.server == "https://[::1]:443"
    assert (found.namespace, found.authority) == ("mine", b"authority")
    assert found.token_file == str(account / "token")
    assert config.load_in_cluster({}, account) is None
    (account / "token").unlink()
    assert config.load_in_cluster(IN_CLUSTER, account) is None


def test_without_any_configuration_one_is_helped(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    with pytest.raises(ConfigError, match="arubeki up"):
        config.load(environment=env, account_folder=tmp_path)
    with pytest.raises(ConfigError, match="no kubeconfig"):
        config.load(environment={"KUBECONFIG": str(tmp_path / "absent")})
    with pytest.raises(ConfigError, match="no kubeconfig"):
        config.load(tmp_path / "absent")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no YAML"),
        ("[]", "not a mapping"),
        ("", "no current-context"),
        ("current-context: a", "no context 'a'"),
        ("{current-context: a, contexts: [{name: a}]}", "no cluster ''"),
        ("{contexts: [{}]}", "contexts has no name"),
        ("{users: [{name: a, user: x}]}", "'a' is no mapping"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        config.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cluster": {"server": "nowhere"}}, "no server URL"),
        ({"cluster": {"certificate-authority": "absent"}}, "cannot be read"),
        ({"cluster": {"certificate-authority-data": "x"}}, "no base64"),
        ({"user": {"client-key-data": coded(b"k")}}, "not both"),
        ({"user": {"auth-provider": {"name": "gcp"}}}, "exec plugin"),
        ({"context": {"user": "nobody"}}, "no user 'nobody'"),
    ],
)
def test_a_broken_entry_is_named(
    tmp_path: Path, fields: dict[str, dict[str, Any]], message: str
) -> None:
    path = write(tmp_path / "config", "a", current="a", **fields)
    with pytest.raises(ConfigError, match=message):
        config.load(path)


def test_the_file_to_write_is_chosen_as_kubectl_does(tmp_path: Path) -> None:
    first, second, third = tmp_path / "1", tmp_path / "2", tmp_path / "3"
    env = {"KUBECONFIG": f"{first}:{second}:{third}", "HOME": str(tmp_path)}
    assert config.writable_path(env) == third
    second.touch()
    assert config.writable_path(env) == second
    assert config.writable_path({"HOME": str(tmp_path)}) == tmp_path / ".kube" / "config"
