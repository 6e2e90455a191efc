"""Certificates that are made, and contexts that accept the right ones alone."""

import asyncio
import ipaddress
import os
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from arubeki import clock
from arubeki.errors import ConfigError
from arubeki.net import tls
from arubeki.net.message import Request, Response
from tests.net.support import STACKS, authority, client_pair, server_pair

TLS_STACK = next(stack for stack in STACKS if stack.name == "uvloop-tls")


async def answer(request: Request) -> Response:
    return Response(200)


async def greet(port: int, context: ssl.SSLContext, name: str) -> bytes:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=name
    )
    try:
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("name", tls.SERVER_NAMES)
def test_a_server_is_known_by_each_of_its_names(name: str) -> None:
    async def main() -> None:
        async with TLS_STACK.serving(answer) as served:
            context = tls.client_context(authority().certificate)
            assert (await greet(served.server.port, context, name)).startswith(b"HTTP/1.1 200")

    TLS_STACK.run(main())


def test_a_foreign_name_or_authority_is_not_trusted() -> None:
    async def main() -> None:
        async with TLS_STACK.serving(answer) as served:
            port = served.server.port
            for context, name in (
                (tls.client_context(authority().certificate), "elsewhere"),
                (tls.client_context(tls.make_authority().certificate), "localhost"),
                (tls.client_context(), "localhost"),
            ):
                with pytest.raises(ssl.SSLCertVerificationError):
                    await greet(port, context, name)
            context = tls.client_context(verify=False)
            assert await greet(port, context, "elsewhere")

    TLS_STACK.run(main())


def test_a_client_certificate_of_a_foreign_authority_is_refused() -> None:
    async def main() -> None:
        foreign = tls.issue_client(tls.make_authority(), "system:admin", ["system:masters"])
        async with TLS_STACK.serving(answer) as served:
            context = tls.client_context(authority().certificate, foreign)
            # In TLS 1.3 the client believes the handshake done when the server refuses it.
            try:
                got = await greet(served.server.port, context, "localhost")
            except (ssl.SSLError, ConnectionError):
                got = b""
            assert got == b""

    TLS_STACK.run(main())


def test_a_server_certificate_is_renewed_while_it_listens() -> None:
    async def main() -> None:
        context = tls.server_context(server_pair(), authority().certificate)
        renewed = tls.issue_server(authority(), ["renewed.example"])
        tls.load_pair(context, renewed)
        from arubeki.net.http1 import serve

        server = await serve(answer, "127.0.0.1", 0, tls=context)
        client = tls.client_context(authority().certificate)
        assert await greet(server.port, client, "renewed.example")
        await server.close(0)

    TLS_STACK.run(main())


def test_only_http_1_1_is_offered_and_nothing_older_than_tls_1_2() -> None:
    context = tls.server_context(server_pair())
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_NONE

    async def main() -> None:
        async with TLS_STACK.serving(answer) as served:
            client = tls.client_context(authority().certificate)
            client.set_alpn_protocols(["h2", "http/1.1"])
            _, writer = await asyncio.open_connection(
                "127.0.0.1", served.server.port, ssl=client, server_hostname="localhost"
            )
            found = writer.get_extra_info("ssl_object").selected_alpn_protocol()
            writer.close()
            assert found == "http/1.1"

    TLS_STACK.run(main())


def test_a_client_certificate_names_user_and_groups() -> None:
    found = x509.load_pem_x509_certificate(client_pair().certificate)
    names = [(each.rfc4514_attribute_name, each.value) for each in found.subject]
    assert names == [("O", "dev"), ("O", "ops"), ("CN", "alice")]


def test_a_server_certificate_covers_its_names_and_addresses() -> None:
    pair = tls.issue_server(authority(), ["a.example", "10.0.0.1", "::1"])
    assert tls.covers(pair.certificate, ["10.0.0.1", "a.example"])
    assert tls.covers(pair.certificate, ["::1"])
    assert not tls.covers(pair.certificate, ["b.example"])
    assert not tls.covers(client_pair().certificate, ["a.example"])
    found = x509.load_pem_x509_certificate(pair.certificate)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert ipaddress.ip_address("10.0.0.1") in names.get_values_for_type(x509.IPAddress)


def test_who_issued_a_certificate_can_be_told() -> None:
    assert tls.is_issued_by(server_pair().certificate, authority().certificate)
    assert not tls.is_issued_by(server_pair().certificate, tls.make_authority().certificate)


def test_a_certificate_is_due_when_a_third_of_its_time_is_left() -> None:
    async def main() -> None:
        pair = tls.issue_server(tls.make_authority(), days=30)
        assert tls.expiry(pair.certificate) == pytest.approx(clock.now() + 30 * 86_400, abs=1)
        await asyncio.sleep(19 * 86_400)
        assert not tls.is_due(pair.certificate)
        await asyncio.sleep(2 * 86_400)
        assert tls.is_due(pair.certificate)

    clock.run_virtual(main())


def test_serial_numbers_are_positive_and_differ() -> None:
    pairs = [tls.issue_server(authority()) for _ in range(3)]
    serials = {x509.load_pem_x509_certificate(each.certificate).serial_number for each in pairs}
    assert len(serials) == 3
    assert all(0 < serial < 1 << 159 for serial in serials)


def test_what_cannot_be_used_is_named() -> None:
    with pytest.raises(ConfigError, match="64"):
        tls.issue_client(authority(), "x" * 65)
    with pytest.raises(ConfigError, match="certificate"):
        tls.expiry(b"nothing")
    with pytest.raises(ConfigError, match="key"):
        tls.issue_server(tls.Pair(authority().certificate, b"nothing"))
    with pytest.raises(ConfigError, match="authority"):
        tls.client_context(b"nothing")
    with pytest.raises(ConfigError, match="cannot be used"):
        tls.server_context(tls.Pair(server_pair().certificate, client_pair().key))


def test_a_key_does_not_show_in_a_repr() -> None:
    assert "PRIVATE" not in repr(server_pair())


def test_no_file_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tls.server_context(server_pair(), authority().certificate)
    with pytest.raises(ConfigError):
        tls.server_context(tls.Pair(b"nothing", b"nothing"))
    assert list(tmp_path.iterdir()) == []


def test_a_private_file_is_its_owners_alone_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        tls.write_private(path, b"new")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["key"]


def test_a_private_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        tls.write_private(path, "text")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["key"]
