"""Requests for certificates (PKCS#10): what is asked for, and what is issued.

Like `tls`, all is PEM in bytes, and `cryptography` is imported only when it is needed.

Between the halves: [client > **sockets** > server].
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from arubeki import clock
from arubeki.net.tls import Pair

if TYPE_CHECKING:
    from cryptography import x509

_REQUEST = b"-----BEGIN CERTIFICATE REQUEST-----"
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_SKEW_SECONDS = 300
"""How far a peer's clock may be behind. Source: kubernetes signer, Backdate."""
_KEY_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
_PURPOSES = {
    "server auth": "SERVER_AUTH",
    "client auth": "CLIENT_AUTH",
    "code signing": "CODE_SIGNING",
    "email protection": "EMAIL_PROTECTION",
    "timestamping": "TIME_STAMPING",
    "ocsp signing": "OCSP_SIGNING",
}


def read_request(pem: bytes) -> "x509.CertificateSigningRequest":
    """Return a request that bears its own signature. Raises: ValueError that says what is wrong."""
    from cryptography import x509

    if not pem.lstrip().startswith(_REQUEST):
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    found = x509.load_pem_x509_csr(pem)
    if not found.is_signature_valid:
        raise ValueError("x509: the request's signature does not hold")
    return found


def subject_of(request: "x509.CertificateSigningRequest") -> tuple[str, tuple[str, ...]]:
    """Return the common name and the organizations of a request: the user and its groups."""
    from cryptography.x509.oid import NameOID

    names = [str(one.value) for one in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    organizations = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return names[0] if names else "", tuple(str(one.value) for one in organizations)


def alternatives_of(request: "x509.CertificateSigningRequest") -> bool:
    """Tell whether a request asks for names beside its subject."""
    from cryptography import x509

    try:
        request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    return True


def certificate_fault(pem: bytes) -> str:
    """Return what is wrong with certificates in PEM; "" if nothing is."""
    from cryptography import x509

    if _CERTIFICATE not in pem:
        return "must contain at least one CERTIFICATE PEM block"
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        return str(error)
    return ""


def issue(authority: Pair, pem: bytes, usages: Iterable[str], seconds: float) -> bytes:
    """Return a certificate for what a request asks, but no longer good than the authority is.

    Raises: ValueError for a request that is none.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
    from cryptography.x509.oid import ExtendedKeyUsageOID

    request = read_request(pem)
    above = x509.load_pem_x509_certificate(authority.certificate)
    signer = load_pem_private_key(authority.key, None)
    now, wanted = clock.now(), set(usages)
    asked = dict.fromkeys(_KEY_USAGES.values(), False)
    asked |= {_KEY_USAGES[one]: True for one in wanted if one in _KEY_USAGES}
    purposes = [
        getattr(ExtendedKeyUsageOID, name) for one, name in _PURPOSES.items() if one in wanted
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(above.subject)
        .public_key(request.public_key())
        .serial_number(int.from_bytes(clock.random_bytes(16), "big") >> 1 | 1)
        .not_valid_before(clock.utc(now - _SKEW_SECONDS))
        .not_valid_after(min(clock.utc(now + seconds), above.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key()),  # type: ignore[arg-type]
            critical=False,
        )
    )
    if any(asked.values()):  # one that allows nothing is no extension at all
        builder = builder.add_extension(x509.KeyUsage(**asked), critical=True)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if alternatives_of(request):
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        builder = builder.add_extension(names.value, critical=names.critical)
    certificate = builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]
    return certificate.public_bytes(Encoding.PEM)
