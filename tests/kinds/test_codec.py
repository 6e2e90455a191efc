import json
import timeit
import types
from collections.abc import Mapping
from typing import Any

import pytest

from arubeki.errors import Invalid
from arubeki.kinds import core_v1 as core
from arubeki.kinds import rbac_v1 as rbac
from arubeki.kinds.codec import decode, encode, from_dict, from_yaml, to_dict, to_yaml
from arubeki.kinds.model import UNSET, Model
from tests.kinds.pods import big_pod, big_pod_bytes


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


def test_a_pod_survives_the_way_through_its_class_but_for_managed_fields() -> None:
    pod = big_pod()
    expected = without_nulls(pod)
    del expected["metadata"]["managedFields"]
    assert json.loads(encode(from_dict(core.Pod, pod))) == expected


def test_null_is_an_absent_field() -> None:
    data = (
        b'{"metadata":{"name":"a","creationTimestamp":null,"labels":{"x":null,"y":"1"}},'
        b'"spec":{"nodeName":null,"containers":[{"name":"c","env":null},{"name":"d","env":'
        b'[{"name":"E","value":null}],"args":["a",null]}]},"status":null}'
    )
    pod = decode(core.Pod, data)
    assert pod.metadata.creationTimestamp is UNSET
    assert pod.labels == {"y": "1"}
    assert [one.env for one in pod.spec.containers] == [UNSET, (core.EnvVar(name="E"),)]
    assert pod.spec.containers[1].args == ("a",)
    assert pod.status == core.PodStatus()
    assert b"null" not in encode(pod)


def test_null_for_a_required_list_reads_as_empty() -> None:
    role = decode(rbac.ClusterRole, b'{"metadata":{"name":"a"},"rules":null}')
    assert not role.rules


def test_null_stays_where_the_type_has_it() -> None:
    class Loose(Model):
        count: int = 1
        colour: str | None = "red"
        anything: Any = UNSET

    loose = decode(Loose, b'{"count":null,"colour":null,"anything":{"deep":null}}')
    assert (loose.count, loose.colour, loose.anything) == (1, None, {"deep": None})


def test_unknown_fields_are_ignored() -> None:
    config = decode(core.ConfigMap, b'{"data":{"a":"1"},"later":{"x":[1]},"metadata":{"new":2}}')
    assert config.data == {"a": "1"}


def test_secret_values_are_bytes_and_may_be_broken_into_lines() -> None:
    secret = decode(core.Secret, b'{"data":{"a":"aGVs\\nbG8=\\n","b":"eA=="}}')
    assert secret.data == {"a": b"hello", "b": b"x"}
    assert json.loads(encode(secret))["data"] == {"a": "aGVsbG8=", "b": "eA=="}


def test_a_number_where_text_is_expected_is_text() -> None:
    pod = from_yaml(
        core.Pod,
        "spec: {containers: [{name: c, resources: {limits: {cpu: 1, memory: 1.5}}}]}",
    )
    assert pod.spec.containers[0].resources
    assert pod.spec.containers[0].resources.limits == {"cpu": "1", "memory": "1.5"}


def test_python_keywords_get_an_underscore() -> None:
    from arubeki.kinds import networking_v1 as networking

    rule = networking.NetworkPolicyIngressRule(from_=(networking.NetworkPolicyPeer(),))
    assert encode(rule) == b'{"from":[{}]}'
    assert decode(networking.NetworkPolicyIngressRule, b'{"from":[{}]}') == rule


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b'{"metadata":{"name":"a"},"spec":{"containers":7}}', "spec.containers"),
        (b'{"metadata":{"name":"a"},"spec":{"containers":[{"ports":[{"containerPort":"x"}]}]}}',
         "spec.containers[0].ports[0].containerPort"),
        (b'{"metadata":{"name":"a"},"spec":true}', "spec"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name_and_field(data: bytes, field: str) -> None:
    with pytest.raises(Invalid, match='Pod "a" does not fit') as caught:
        decode(core.Pod, data)
    assert [cause["field"] for cause in caught.value.causes] == [field]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"7", b'{"metadata":[]}'])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        decode(core.Pod, data)


def test_an_error_does_not_show_a_secret() -> None:
    with pytest.raises(Invalid) as caught:
        decode(core.Secret, b'{"metadata":{"name":"a"},"data":{"a":"hunter2!"}}')
    assert "hunter2" not in str(caught.value)
    assert "data" in caught.value.message


def test_many_kinds_of_misfit_are_bounded() -> None:
    names = [f"f{i}" for i in range(101)]
    body = {"__annotations__": dict.fromkeys(names, str), **dict.fromkeys(names, "")}
    wide = types.new_class("Wide", (Model,), {}, lambda namespace: namespace.update(body))
    assert decode(wide, json.dumps({f"f{i}": None for i in range(100)}).encode()) == wide()
    with pytest.raises(Invalid):
        decode(wide, json.dumps({f"f{i}": None for i in range(101)}).encode())


def test_many_places_of_one_misfit_are_mended_at_once() -> None:
    pod: Mapping[str, Any] = {
        "spec": {"containers": [{"name": "c", "env": None} for _ in range(5000)]}
    }
    assert len(from_dict(core.Pod, pod).spec.containers) == 5000


def test_from_dict_leaves_its_argument_alone() -> None:
    pod = big_pod()
    from_dict(core.Pod, pod)
    assert pod == big_pod()


def test_yaml_there_and_back() -> None:
    pod = from_dict(core.Pod, big_pod())
    text = to_yaml(pod)
    assert text.startswith("apiVersion: v1\nkind: Pod\nmetadata:\n")
    assert from_yaml(core.Pod, text) == pod


@pytest.mark.parametrize("text", ["", "- a", "a: [", "a: 1\n---\nb: 2", "7"])
def test_yaml_that_is_not_one_mapping_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        from_yaml(core.Pod, text)


def test_to_dict_is_the_wire() -> None:
    pod = from_dict(core.Pod, big_pod())
    assert to_dict(pod) == json.loads(encode(pod))


def test_decoding_a_pod_is_fast() -> None:
    # 20 us measured, 60 with nulls to mend; the bound only catches a lost fast path.
    for data, bound in ((big_pod_bytes(), 250e-6), (big_pod_bytes(nulls=True), 700e-6)):
        decode(core.Pod, data)
        seconds = min(timeit.repeat(lambda: decode(core.Pod, data), number=50, repeat=5)) / 50  # noqa: B023
        assert seconds < bound
