"""Certificates: a small authority, what it issues, and TLS contexts made of them.

Keys are P-256: a server signs eleven times faster with them than with RSA-2048. All is PEM in bytes;
where it is kept is the caller's business. `cryptography` is imported only when a certificate must be
made or looked into, not by a server that finds a good one.

Between the halves: [client > **sockets** > server].
"""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from arubeki import clock
from arubeki.errors import ConfigError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_DAY_SECONDS = 86_400
_SKEW_SECONDS = 3_600
"""How far a peer's clock may be behind ours and still find a new certificate valid."""

SERVER_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "127.0.0.1",
    "::1",
)
"""What an API server is called from outside and from inside a cluster. The address of its Service
comes on top. Source: kubeadm app/util/pkiutil, GetAPIServerAltNames."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, each PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        """Tell nothing: a repr ends in logs."""
        return "Pair(...)"


def make_authority(name: str = "kubernetes", *, days: float = 3650) -> Pair:
    """Return a new certificate authority that signs itself."""
    from cryptography import x509

    key = _new_key()
    subject = _name(name)
    builder = _builder(subject, subject, key, days)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return _signed(builder, key, key)


def issue_server(
    authority: Pair,
    names: Iterable[str] = SERVER_NAMES,
    *,
    name: str = "kube-apiserver",
    days: float = 365,
) -> Pair:
    """Return a server's certificate for `names`, DNS names and IP addresses alike."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    alternatives = x509.SubjectAlternativeName([_general_name(each) for each in names])
    return _issue(authority, _name(name), days, ExtendedKeyUsageOID.SERVER_AUTH, alternatives)


def issue_client(
    authority: Pair, user: str, groups: Iterable[str] = (), *, days: float = 365
) -> Pair:
    """Return a client's certificate: the user's name is its CN, the groups are its O.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication, X.509.
    Raises: ConfigError if the user's name has more than the 64 characters that X.509 allows.
    """
    from cryptography.x509.oid import ExtendedKeyUsageOID

    return _issue(authority, _name(user, groups), days, ExtendedKeyUsageOID.CLIENT_AUTH, None)


# Looking into certificates.


def expiry(certificate: bytes) -> float:
    """Return when a certificate ends, in seconds since 1970."""
    return _load(certificate).not_valid_after_utc.timestamp()


def is_due(certificate: bytes) -> bool:
    """Whether a certificate should be renewed: a third or less of its time is left."""
    found = _load(certificate)
    start = found.not_valid_before_utc.timestamp()
    end = found.not_valid_after_utc.timestamp()
    return clock.now() > end - (end - start) / 3


def covers(certificate: bytes, names: Iterable[str]) -> bool:
    """Whether a server's certificate holds for all of `names`."""
    from cryptography import x509

    try:
        extension = _load(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return False
    return {_general_name(name) for name in names} <= set(extension.value)


def is_issued_by(certificate: bytes, authority: bytes) -> bool:
    """Whether `authority` has signed a certificate."""
    from cryptography.exceptions import InvalidSignature

    try:
        _load(certificate).verify_directly_issued_by(_load(authority))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


# Contexts.


def server_context(pair: Pair, authority: bytes | None = None) -> ssl.SSLContext:
    """Return the context of a server.

    With an `authority` a client may show a certificate of it (`CERT_OPTIONAL`); one of a foreign
    authority breaks the handshake. HTTP/2 is not offered, and clients go by that.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # No client of the field resumes a session; tickets would only lengthen every handshake.
    context.num_tickets = 0
    if authority is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=authority.decode())
    load_pair(context, pair)
    return context


def client_context(
    authority: bytes | None = None, pair: Pair | None = None, *, verify: bool = True
) -> ssl.SSLContext:
    """Return the context of a client that trusts `authority` (None: the system's) alone.

    Raises: ConfigError if the certificates are none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif authority is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(cadata=authority.decode("latin-1"))
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(
                f"the certificate authority is no PEM certificate: {error}"
            ) from error
    if pair is not None:
        load_pair(context, pair)
    return context


def load_pair(context: ssl.SSLContext, pair: Pair) -> None:
    """Have a context show a certificate. A server's can be renewed so while it listens.

    Raises: ConfigError if the two do not belong together or are no PEM.
    """
    # The ssl module reads certificates from files alone; these are 0600 and gone at once.
    with _private_file(pair.certificate) as certificate, _private_file(pair.key) as key:
        try:
            context.load_cert_chain(certificate, key)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(f"the certificate and its key cannot be used: {error}") from error


def write_private(path: Path | str, data: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path = Path(path)
    # mkstemp makes files 0600.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def _private_file(data: bytes) -> Iterator[str]:
    descriptor, name = tempfile.mkstemp(prefix="arubeki-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        yield name
    finally:
        os.unlink(name)


# How certificates are made.


def _issue(
    authority: Pair,
    subject: "x509.Name",
    days: float,
    purpose: "x509.ObjectIdentifier",
    alternatives: "x509.SubjectAlternativeName | None",
) -> Pair:
    from cryptography import x509

    issuer = _load(authority.certificate)
    signer = _load_key(authority.key)
    key = _new_key()
    builder = _builder(subject, issuer.subject, key, days)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    if alternatives is not None:
        builder = builder.add_extension(alternatives, critical=False)
    return _signed(builder, key, signer)


def _builder(
    subject: "x509.Name", issuer: "x509.Name", key: "EllipticCurvePrivateKey", days: float
) -> "x509.CertificateBuilder":
    from cryptography import x509

    now = clock.now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(clock.random_bytes(16), "big") >> 1 | 1)
        .not_valid_before(clock.utc(now - _SKEW_SECONDS))
        .not_valid_after(clock.utc(now + days * _DAY_SECONDS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _signed(
    builder: "x509.CertificateBuilder",
    key: "EllipticCurvePrivateKey",
    signer: "EllipticCurvePrivateKey",
) -> Pair:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    certificate = builder.sign(signer, hashes.SHA256())
    return Pair(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _new_key() -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _load(certificate: bytes) -> "x509.Certificate":
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(certificate)
    except ValueError as error:
        raise ConfigError(f"this is no PEM certificate: {error}") from error


def _load_key(key: bytes) -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found = load_pem_private_key(key, None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"this is no PEM key: {error}") from error
    if not isinstance(found, EllipticCurvePrivateKey):
        raise ConfigError("the authority's key is not on an elliptic curve")
    return found


def _name(user: str, groups: Iterable[str] = ()) -> "x509.Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in groups]
        return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)])
    except ValueError as error:
        raise ConfigError(f"{user!r} cannot stand in a certificate: {error}") from error


def _general_name(name: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> "x509.KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
