"""Requests for certificates: what is read from them, and what is issued for them."""

import ssl
import tempfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from arubeki import clock
from arubeki.net import requests, tls

AUTHORITY = tls.make_authority()
KEY = ec.generate_private_key(ec.SECP256R1())


def request(*names, alternatives=()):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one) for one in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if alternatives:
        found = x509.SubjectAlternativeName([x509.DNSName(one) for one in alternatives])
        builder = builder.add_extension(found, critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def is_usable(certificate):
    """See that OpenSSL takes a certificate and its key."""
    key = KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "pair.pem"
        path.write_bytes(certificate + key)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(path)
    return True


@pytest.mark.parametrize(
    ("usages", "allowed", "purposes"),
    [
        (["client auth"], set(), 1),
        (["digital signature", "key encipherment", "server auth", "client auth"],
         {"digital_signature", "key_encipherment"}, 2),
        (["signing"], {"digital_signature"}, 0),
    ],
)  # fmt: skip
def test_a_certificate_is_good_for_what_was_asked(usages, allowed, purposes):
    made = requests.issue(AUTHORITY, request("joe"), usages, 7200)
    assert is_usable(made)
    found = x509.load_pem_x509_certificate(made)
    kinds = [type(one.value) for one in found.extensions]
    assert (x509.KeyUsage in kinds) is bool(allowed)
    if allowed:
        usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
        names = ("digital_signature", "key_encipherment", "key_cert_sign", "crl_sign")
        assert {one for one in names if getattr(usage, one)} == allowed
    if purposes:
        extended = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        assert len(list(extended.value)) == purposes
    assert found.not_valid_after_utc.timestamp() == pytest.approx(clock.now() + 7200, abs=60)


def test_it_is_never_an_authority_and_never_outlives_its_own():
    short = tls.make_authority(days=1)
    found = x509.load_pem_x509_certificate(
        requests.issue(short, request("joe", alternatives=("a.example",)), ["cert sign"], 1e9)
    )
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    own = x509.load_pem_x509_certificate(short.certificate)
    assert found.not_valid_after_utc <= own.not_valid_after_utc
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["a.example"]


def test_what_is_no_request_is_refused_and_told():
    with pytest.raises(ValueError, match="PEM block type must be CERTIFICATE REQUEST"):
        requests.read_request(AUTHORITY.certificate)
    broken = request("joe").replace(b"M", b"N", 3)
    with pytest.raises(ValueError, match=r"."):
        requests.read_request(broken)
    assert requests.certificate_fault(b"x") == "must contain at least one CERTIFICATE PEM block"
    assert requests.certificate_fault(AUTHORITY.certificate) == ""
