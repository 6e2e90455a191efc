"""A container's environment and command."""

from typing import Any

import pytest

from arubeki.kinds import core_v1 as core
from arubeki.kinds.base import from_dict
from arubeki.node.expand import (
    ContainerConfigError,
    Surroundings,
    command,
    environment,
    expand,
    field_value,
    references,
    resource_value,
)


def pod(**spec: Any) -> core.Pod:
    return from_dict(
        core.Pod,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "web-0",
                "namespace": "shop",
                "uid": "u-1",
                "labels": {"app": "web", "b": 'say "hi"\n\x01'},
                "annotations": {"example.com/note": "x"},
            },
            "spec": {"nodeName": "n1", "serviceAccountName": "robot", "containers": [], **spec},
        },
    )


def container(**fields: Any) -> core.Container:
    return from_dict(core.Container, {"name": "main", **fields})


def config_map(**data: str) -> core.ConfigMap:
    return from_dict(core.ConfigMap, {"metadata": {"name": "c"}, "data": data})


def secret(**data: str) -> core.Secret:
    return from_dict(core.Secret, {"metadata": {"name": "s"}, "data": data})


def service(name: str, namespace: str = "shop", **spec: Any) -> core.Service:
    return from_dict(
        core.Service, {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
    )


AROUND = Surroundings(
    pod_ips=("127.1.0.2",), host_ips=("127.0.0.1",), allocatable={"cpu": "2", "memory": "1Gi"}
)


# The cases of Kubernetes' own expansion_test.go that tell rules apart.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(VAR_A)", "A"),
        ("___$(VAR_B)___", "___B___"),
        ("$(VAR_A)-$(VAR_B)", "A-B"),
        ("f000-$$VAR_A", "f000-$VAR_A"),
        ("foo\\$(VAR_C)bar", "foo\\Cbar"),
        ("$$(VAR_A)", "$(VAR_A)"),
        ("$$$$(VAR_B)", "$$(VAR_B)"),
        ("$$$(VAR_A)", "$A"),
        ("$(VAR_DNE)", "$(VAR_DNE)"),
        ("$(VAR_REF)", "$(VAR_A)"),
        ("$(VAR_A", "$(VAR_A"),
        ("foo)$(VAR_A)", "foo)A"),
        ("$", "$"),
        ("$$", "$"),
        ("$VAR_A", "$VAR_A"),
        ("$()", "$()"),
        ("$(VAR_A))", "A)"),
        ("$\n$(VAR_A)", "$\nA"),
        ("$(VAR_EMPTY)", ""),
    ],
)
def test_references_are_expanded_as_kubernetes_does(text: str, expected: str) -> None:
    values = {"VAR_A": "A", "VAR_B": "B", "VAR_C": "C", "VAR_REF": "$(VAR_A)", "VAR_EMPTY": ""}
    assert expand(text, values) == expected


def test_the_first_mapping_that_knows_a_name_decides() -> None:
    assert expand("$(A)$(B)", {"A": "1"}, {"A": "2", "B": "3"}) == "13"


def test_command_and_arguments_are_expanded() -> None:
    words = command(
        container(command=["serve", "$(HOST)"], args=["--port=$(PORT)"]), {"PORT": "80"}
    )
    assert words == ["serve", "$(HOST)", "--port=80"]


def test_arguments_alone_are_no_command() -> None:
    assert command(container(args=["--port=80"]), {}) == []


def test_variables_see_those_before_them() -> None:
    env = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)$(C)"},
        {"name": "C", "value": "3"},
        {"name": "EMPTY"},
    ]
    assert environment(pod(), container(env=env), AROUND) == {
        "A": "1",
        "B": "1$(C)",
        "C": "3",
        "EMPTY": "",
    }


def test_fields_of_the_pod() -> None:
    expected = {
        "metadata.name": "web-0",
        "metadata.namespace": "shop",
        "metadata.uid": "u-1",
        "metadata.labels['app']": "web",
        "metadata.labels['none']": "",
        "metadata.annotations['example.com/note']": "x",
        "metadata.labels": 'app="web"\nb="say \\"hi\\"\\n\\x01"',
        "spec.nodeName": "n1",
        "spec.serviceAccountName": "robot",
        "status.hostIP": "127.0.0.1",
        "status.podIP": "127.1.0.2",
        "status.podIPs": "127.1.0.2",
    }
    assert {path: field_value(pod(), path, AROUND) for path in expected} == expected
    with pytest.raises(ContainerConfigError, match=r"^field label not supported: spec\.x$"):
        field_value(pod(), "spec.x", AROUND)


@pytest.mark.parametrize(
    ("resource", "divisor", "expected"),
    [
        ("limits.cpu", "", "2"),  # 1.5 rounded up
        ("limits.cpu", "1m", "1500"),
        ("requests.cpu", "1m", "0"),
        ("limits.memory", "", "67108864"),
        ("limits.memory", "1Mi", "64"),
        ("limits.memory", "1Gi", "1"),
        ("requests.memory", "1Mi", "32"),
        ("limits.ephemeral-storage", "1", "0"),
    ],
)
def test_resources_in_units_of_the_divisor(resource: str, divisor: str, expected: str) -> None:
    limits = {"cpu": "1500m", "memory": "64Mi"}
    main = container(resources={"limits": limits, "requests": {"memory": "32Mi"}})
    selector = from_dict(core.ResourceFieldSelector, {"resource": resource, "divisor": divisor})
    assert resource_value(pod(), main, selector, AROUND) == expected


def test_a_limit_that_is_not_set_is_what_the_node_has() -> None:
    selector = from_dict(core.ResourceFieldSelector, {"resource": "limits.cpu", "divisor": "1m"})
    assert resource_value(pod(), container(), selector, AROUND) == "2000"


def test_a_resource_of_another_container() -> None:
    asked = {"resource": "limits.cpu", "containerName": "side"}
    selector = from_dict(core.ResourceFieldSelector, asked)
    with pytest.raises(ContainerConfigError, match="container side not found"):
        resource_value(pod(), container(), selector, AROUND)
    side = {"name": "side", "resources": {"limits": {"cpu": "3"}}}
    assert resource_value(pod(containers=[side]), container(), selector, AROUND) == "3"


def test_an_unknown_resource_is_said() -> None:
    selector = from_dict(core.ResourceFieldSelector, {"resource": "limits.luck"})
    with pytest.raises(
        ContainerConfigError, match=r"unsupported container resource : limits\.luck"
    ):
        resource_value(pod(), container(), selector, AROUND)


def from_key(kind: str, optional: bool = False) -> core.Container:
    key = {"name": "x", "key": "k", "optional": optional}
    return container(env=[{"name": "V", "valueFrom": {f"{kind}KeyRef": key}}])


@pytest.mark.parametrize(
    ("kind", "around", "message"),
    [
        ("configMap", Surroundings(), 'configmap "x" not found'),
        ("secret", Surroundings(), 'secret "x" not found'),
        (
            "configMap",
            Surroundings(config_maps={"x": config_map(other="1")}),
            "couldn't find key k in ConfigMap shop/x",
        ),
        (
            "secret",
            Surroundings(secrets={"x": secret(other="MQ==")}),
            "couldn't find key k in Secret shop/x",
        ),
    ],
)
def test_what_is_missing_is_named(kind: str, around: Surroundings, message: str) -> None:
    with pytest.raises(ContainerConfigError) as caught:
        environment(pod(), from_key(kind), around)
    assert str(caught.value) == message
    assert environment(pod(), from_key(kind, optional=True), around) == {}


def test_values_from_config_maps_and_secrets() -> None:
    around = Surroundings(config_maps={"x": config_map(k="v")}, secrets={"x": secret(k="cGFzcw==")})
    assert environment(pod(), from_key("configMap"), around) == {"V": "v"}
    assert environment(pod(), from_key("secret"), around) == {"V": "pass"}


def test_whole_config_maps_and_secrets_with_a_prefix_give_way_to_single_variables() -> None:
    around = Surroundings(
        config_maps={"c": config_map(a="1", b="2")}, secrets={"s": secret(k="cGFzcw==")}
    )
    main = container(
        envFrom=[
            {"configMapRef": {"name": "c"}},
            {"prefix": "S_", "secretRef": {"name": "s"}},
            {"configMapRef": {"name": "gone", "optional": True}},
        ],
        env=[{"name": "b", "value": "$(a)$(S_k)"}],
    )
    assert environment(pod(), main, around) == {"a": "1", "S_k": "pass", "b": "1pass"}
    with pytest.raises(ContainerConfigError, match='secret "s" not found'):
        environment(pod(), main, Surroundings(config_maps=around.config_maps))


def test_services_are_in_the_environment() -> None:
    port = {"port": 80, "name": "http", "protocol": "TCP"}
    around = Surroundings(
        services=(
            service("kubernetes", "default", clusterIP="127.96.0.1", ports=[{"port": 443}]),
            service("my-web", clusterIP="127.96.0.9", ports=[port, {"port": 9}]),
            service("headless", clusterIP="None", ports=[port]),
            service("elsewhere", "other", clusterIP="127.96.0.8", ports=[port]),
        )
    )
    main = container(env=[{"name": "URL", "value": "http://$(MY_WEB_SERVICE_HOST)"}])
    found = environment(pod(), main, around)
    assert found["URL"] == "http://127.96.0.9"
    assert found["KUBERNETES_SERVICE_HOST"] == "127.96.0.1"
    assert {name: value for name, value in found.items() if name.startswith("MY_WEB")} == {
        "MY_WEB_SERVICE_HOST": "127.96.0.9",
        "MY_WEB_SERVICE_PORT": "80",
        "MY_WEB_SERVICE_PORT_HTTP": "80",
        "MY_WEB_PORT": "tcp://127.96.0.9:80",
        "MY_WEB_PORT_80_TCP": "tcp://127.96.0.9:80",
        "MY_WEB_PORT_80_TCP_PROTO": "tcp",
        "MY_WEB_PORT_80_TCP_PORT": "80",
        "MY_WEB_PORT_80_TCP_ADDR": "127.96.0.9",
        "MY_WEB_PORT_9_TCP": "tcp://127.96.0.9:9",
        "MY_WEB_PORT_9_TCP_PROTO": "tcp",
        "MY_WEB_PORT_9_TCP_PORT": "9",
        "MY_WEB_PORT_9_TCP_ADDR": "127.96.0.9",
    }
    without = environment(pod(enableServiceLinks=False), main, around)
    assert "MY_WEB_SERVICE_HOST" not in without
    assert "KUBERNETES_SERVICE_HOST" in without


def test_the_containers_own_variable_beats_a_services() -> None:
    around = Surroundings(services=(service("web", clusterIP="127.96.0.9", ports=[{"port": 80}]),))
    main = container(env=[{"name": "WEB_SERVICE_HOST", "value": "mine"}])
    assert environment(pod(), main, around)["WEB_SERVICE_HOST"] == "mine"


def test_all_references_of_a_pod_are_found() -> None:
    name = {"name": "V", "valueFrom": {"configMapKeyRef": {"name": "c1", "key": "k"}}}
    hidden = {"name": "W", "valueFrom": {"secretKeyRef": {"name": "s1", "key": "k"}}}
    both = [{"configMapRef": {"name": "c2"}}, {"secretRef": {"name": "s2"}}]
    projected = [{"configMap": {"name": "c4"}}, {"secret": {"name": "s4"}}]
    found = references(
        pod(
            initContainers=[{"name": "i", "env": [name]}],
            containers=[{"name": "m", "env": [hidden], "envFrom": both}],
            volumes=[
                {"name": "a", "configMap": {"name": "c3"}},
                {"name": "b", "secret": {"secretName": "s3"}},
                {"name": "c", "projected": {"sources": projected}},
                {"name": "d", "emptyDir": {}},
            ],
        )
    )
    assert found.config_maps == {"c1", "c2", "c3", "c4"}
    assert found.secrets == {"s1", "s2", "s3", "s4"}
