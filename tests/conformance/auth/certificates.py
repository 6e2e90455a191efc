"""Keys, requests and certificates for the tests."""

import base64
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "e2e.example.com")])


def request(key, encoding=serialization.Encoding.PEM):
    """Return a signed request for a certificate, in base64."""
    made = x509.CertificateSigningRequestBuilder().subject_name(NAME).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(encoding)).decode()


def certificate(key, begin, hours):
    """Return a certificate that a key signs for itself, as PEM."""
    made = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(hours=hours))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def this_hour():
    return datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0)


def stamp(moment):
    """Return a moment as the API writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
