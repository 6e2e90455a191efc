"""What can be said of etcd's client without an etcd."""

import asyncio
from pathlib import Path

import pytest

from arubeki.errors import ConfigError
from arubeki.storage.etcd import EtcdStorage, Tls, parse_endpoints
from arubeki.storage.etcd.schema import Messages


def test_missing_tls_files_are_named(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(ConfigError, match=r"ca\.crt cannot be read"):
            await EtcdStorage(["127.0.0.1:1"], tls=Tls(tmp_path / "ca.crt")).open()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "endpoints"),
    [
        ("etcd://127.0.0.1:2379", ["127.0.0.1:2379"]),
        ("etcd://a:1,b:2,c", ["a:1", "b:2", "c:2379"]),
        ("host.example/", ["host.example:2379"]),
        ("etcd://[::1]:4,[fe80::1]", ["[::1]:4", "[fe80::1]:2379"]),
    ],
)
def test_endpoints_are_read_from_one_text(text: str, endpoints: list[str]) -> None:
    assert parse_endpoints(text) == endpoints


@pytest.mark.parametrize(
    "text", ["", "etcd://", "http://a:1", "etcd://a:b", "etcd://a:0", "etcd://a,,b", "etcd://::1:4"]
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="etcd://host:port"):
        parse_endpoints(text)


def test_messages_look_on_the_wire_as_etcd_wants_them() -> None:
    messages = Messages()
    request = messages.TxnRequest(
        compare=[{"result": 0, "target": 2, "key": b"k", "mod_revision": 7}],
        success=[{"request_put": {"key": b"k", "value": b"v"}}],
    )
    assert request.SerializeToString() == bytes.fromhex(
        "0a0710021a016b3007"  # compare: target MOD, key, mod_revision 7
        "1208120612016b1a0176".replace("12016b1a0176", "0a016b120176")  # success: put
    )
    assert request.success[0].WhichOneof("request") == "request_put"
