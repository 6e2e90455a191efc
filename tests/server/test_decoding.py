"""Bodies: three media types, and everything that is none."""

import json

import pytest

from tests.server.support import CONFIG_MAPS, DEPLOYMENTS, World, config_map, deployment, run

YAML = {"content-type": "application/yaml"}


def test_yaml_is_as_good_as_json() -> None:
    async def test(world: World) -> None:
        text = b"""\
apiVersion: v1
kind: ConfigMap
metadata:
  name: a   # a comment
data:
  when: 2001-12-14t21:59:43.10-05:00
  text: |
    two
    lines
"""
        made = await world.json("POST", CONFIG_MAPS, text, headers=YAML)
        assert made["data"] == {"when": "2001-12-14t21:59:43.10-05:00", "text": "two\nlines\n"}

    run(test)


def test_no_content_type_means_json_and_parameters_do_not_matter() -> None:
    async def test(world: World) -> None:
        await world.json("POST", CONFIG_MAPS, config_map("a"))
        headers = {"content-type": "Application/JSON; charset=utf-8"}
        await world.json("POST", CONFIG_MAPS, config_map("b"), headers=headers)

    run(test)


def test_protobuf_is_read_for_built_in_kinds() -> None:
    # kubectl create configmap c1 --from-literal=a=b, as recorded.
    body = (
        b'k8s\x00\n\x0f\n\x02v1\x12\tConfigMap\x12\x1c\n\x12\n\x02c1\x12\x00\x1a\x00"\x00*\x002'
        b'\x008\x00B\x00\x12\x06\n\x01a\x12\x01b\x1a\x00"\x00'
    )
    headers = {"content-type": "application/vnd.kubernetes.protobuf"}

    async def test(world: World) -> None:
        made = await world.json("POST", CONFIG_MAPS, body, headers=headers)
        assert made["metadata"]["name"] == "c1"
        assert made["data"] == {"a": "b"}
        for bad in (b"", body[:40], b"\xff" * 50, body.replace(b"ConfigMap", b"SomeThing")):
            await world.fails(400, "POST", CONFIG_MAPS, bad, headers=headers)

    run(test)


def test_an_unknown_type_lists_what_is_read() -> None:
    async def test(world: World) -> None:
        headers = {"content-type": "text/plain"}
        status = await world.fails(415, "POST", CONFIG_MAPS, b"{}", headers=headers)
        assert status["message"] == (
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        )

    run(test)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"1",
        b"{}garbage",
        b'{"metadata":[]}',
        b'{"metadata":"x"}',
        b'{"metadata":{"name":1}}',
        b'{"metadata":{"name":"a","labels":"x"}}',
        b'{"metadata":{"name":"a","labels":{"x":1}}}',
        b'{"metadata":{"name":"a"},"data":{"x":1}}',
        b'{"metadata":{"name":"a"},"data":[]}',
        b'{"metadata":{"name":"a","ownerReferences":[1]}}',
        b'{"metadata":{"name":"a","namespace":5}}',
        b'{"kind":5,"metadata":{"name":"a"}}',
        b'{"apiVersion":{},"metadata":{"name":"a"}}',
        b'{"metadata":{"name":"a\xff"}}',
        b'{"a":' * 300 + b"1" + b"}" * 300,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"metadata":{"name":"a","labels":{"x":"\\ud800"}}}',
    ],
)
def test_what_is_no_object_is_a_bad_request_and_stores_nothing(body: bytes) -> None:
    async def test(world: World) -> None:
        revision = world.storage.revision
        await world.fails(400, "POST", CONFIG_MAPS, body)
        await world.fails(400, "PUT", f"{CONFIG_MAPS}/a", body)
        assert world.storage.revision == revision

    run(test)


@pytest.mark.parametrize(
    "body",
    [b"a: [", b"- a", b"text", b"a: &a [*a]", b"{a: " * 300, b"? [x]\n: y", b"a: .inf", b"\t"],
)
def test_what_is_no_yaml_is_a_bad_request(body: bytes) -> None:
    async def test(world: World) -> None:
        revision = world.storage.revision
        await world.fails(400, "POST", CONFIG_MAPS, body, headers=YAML)
        assert world.storage.revision == revision

    run(test)


def test_a_body_over_the_limit_is_refused() -> None:
    async def test(world: World) -> None:
        status = await world.fails(413, "POST", CONFIG_MAPS, b" " * (3 * 1024 * 1024 + 1))
        assert status["reason"] == "RequestEntityTooLarge"

    run(test)


def test_a_wrong_type_is_told_in_gos_words() -> None:
    async def test(world: World) -> None:
        body = deployment("d")
        body["spec"]["replicas"] = "three"
        status = await world.fails(400, "POST", DEPLOYMENTS, body)
        assert status["message"] == (
            'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal '
            "string into Go struct field DeploymentSpec.spec.replicas of type int32"
        )

    run(test)


def test_nulls_are_absent_fields() -> None:
    async def test(world: World) -> None:
        body = deployment("d")
        body["metadata"]["creationTimestamp"] = None
        body["spec"]["template"]["metadata"]["creationTimestamp"] = None
        body["spec"]["strategy"] = None
        made = await world.json("POST", DEPLOYMENTS, body)
        assert made["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"
        assert "creationTimestamp" not in made["spec"]["template"]["metadata"]

    run(test)


def test_duplicates_are_found_however_the_body_is_written() -> None:
    compact = b'{"metadata":{"name":"a"},"data":{"k":"1","k":"2"}}'
    spread = json.dumps(config_map("a"), indent=2).encode()
    spread = spread.replace(b'"key": "value"', b'"key": "1", "key": "2"')

    async def test(world: World) -> None:
        for body, path in ((compact, "data.k"), (spread, "data.key")):
            status = await world.fails(400, "POST", CONFIG_MAPS, body, fieldValidation="Strict")
            assert f'duplicate field "{path}"' in status["message"]
        plain = json.dumps(config_map("b"), indent=2).encode()
        await world.json("POST", CONFIG_MAPS, plain, fieldValidation="Strict")

    run(test)
