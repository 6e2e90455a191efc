"""Certificates are signed once they are approved, and requests do not stay for ever."""

import asyncio
import functools

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from arubeki import clock
from arubeki.controllers import certificates, root_ca
from arubeki.kinds import certificates_v1 as kinds
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.net import requests, tls
from tests.controllers.kit import run
from tests.support.play import NAMESPACE

AUTHORITY = tls.make_authority()
SIGN = functools.partial(requests.issue, AUTHORITY)


def request(user="joe", group="devs"):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, user),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, group),
        ]
    )
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


async def ask(world, name="r", **more):
    more.setdefault("usages", ("client auth",))
    more.setdefault("signerName", certificates.SIGNER)
    spec = kinds.CertificateSigningRequestSpec(request=request(), **more)
    metadata = meta.ObjectMeta(name=name)
    return await world.client.create(kinds.CertificateSigningRequest(metadata=metadata, spec=spec))


async def decide(world, kind="Approved", name="r"):
    conditions = [{"type": kind, "status": "True", "reason": "r", "message": "m"}]
    await world.client.patch(
        kinds.CertificateSigningRequest,
        name,
        "",
        {"status": {"conditions": conditions}},
        subresource="approval",
    )


async def current(world, manager, name="r"):
    await manager.settle()
    found = await world.client.list(kinds.CertificateSigningRequest, "")
    return next((one for one in found if one.name == name), None)


def test_what_is_approved_is_signed_for_who_asked_and_for_as_long_as_asked():
    async def scenario(world, manager):
        await ask(world, expirationSeconds=7200)
        found = await current(world, manager)
        assert not found.status.certificate
        assert found.spec.username
        await decide(world)
        found = await current(world, manager)
        made = x509.load_pem_x509_certificate(found.status.certificate)
        made.verify_directly_issued_by(x509.load_pem_x509_certificate(AUTHORITY.certificate))
        assert made.subject.rfc4514_string() == "O=devs,CN=joe"
        assert made.not_valid_after_utc.timestamp() - clock.now() == pytest.approx(7200, abs=5)
        assert [one.type for one in found.status.conditions] == ["Approved"]

    run(scenario, certificates.controller(SIGN))


def test_what_is_denied_or_for_another_signer_is_not_signed():
    async def scenario(world, manager):
        await ask(world)
        await decide(world, "Denied")
        await ask(world, "other", signerName="example.com/own")
        await decide(world, name="other")
        assert not (await current(world, manager)).status.certificate
        assert not (await current(world, manager, "other")).status.certificate

    run(scenario, certificates.controller(SIGN))


@pytest.mark.parametrize(
    ("usages", "why"),
    [
        (("server auth",), "invalid usage for client certificate: server auth"),
        (("digital signature",), "missing required usage for client certificate: client auth"),
    ],
)
def test_what_is_no_users_certificate_fails(usages, why):
    async def scenario(world, manager):
        await ask(world, usages=usages)
        await decide(world)
        found = await current(world, manager)
        assert not found.status.certificate
        assert [one.type for one in found.status.conditions] == ["Approved", "Failed"]
        assert found.status.conditions[1].message == why

    run(scenario, certificates.controller(SIGN))


def test_requests_go_when_they_are_done_or_nobody_decides():
    async def scenario(world, manager):
        await ask(world, "signed")
        await decide(world, name="signed")
        await ask(world, "pending")
        await asyncio.sleep(3500)
        assert await current(world, manager, "signed")
        await asyncio.sleep(200)
        assert await current(world, manager, "signed") is None
        await asyncio.sleep(22 * 3600)
        assert await current(world, manager, "pending")
        await asyncio.sleep(2 * 3600)
        assert await current(world, manager, "pending") is None

    run(scenario, certificates.controller(SIGN))


def test_every_namespace_has_the_root_certificate_whatever_is_done_to_it():
    async def scenario(world, manager):
        found = await world.client.get(core.ConfigMap, root_ca.NAME, NAMESPACE)
        assert found.data[root_ca.FILE].encode() == AUTHORITY.certificate
        await world.client.patch(
            core.ConfigMap, root_ca.NAME, NAMESPACE, {"data": {root_ca.FILE: "x"}}
        )
        await manager.settle()
        found = await world.client.get(core.ConfigMap, root_ca.NAME, NAMESPACE)
        assert found.data[root_ca.FILE].encode() == AUTHORITY.certificate
        await world.client.delete(core.ConfigMap, root_ca.NAME, NAMESPACE)
        await manager.settle()
        assert await world.client.get(core.ConfigMap, root_ca.NAME, NAMESPACE)

    run(scenario, root_ca.controller(AUTHORITY.certificate))
