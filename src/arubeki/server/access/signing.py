"""The key that signs the tokens of service accounts, and tokens as JSON Web Tokens.

The key lies in the storage, made when it is first needed, so that a token which one server has
issued is good at every server of that storage and after a restart. It is P-256 (`ES256`), like the
certificates, and never logged.

On the ring: [HTTP > **server** > storage]. Source: RFC 7515, 7517, 7518; kubernetes
pkg/serviceaccount/jwt.go (the key's id).
"""

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from arubeki import clock
from arubeki.errors import RevisionMismatch
from arubeki.storage.base import Storage

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

KEY = "/arubeki/service-account-key"
ALGORITHM = "ES256"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of P-256: private keys are below it. Source: FIPS 186-4, D.1.2.3."""
_BYTES = 32
_REMEMBERED = 1024
"""Tokens whose signature need not be looked at again."""

_FORGED = "go-jose/go-jose: error in cryptographic primitive"
"""What Kubernetes says of a signature that does not hold."""

Claims = dict[str, Any]


class BadSignature(ValueError):
    """A token that this key has not signed, or that is none."""


class SigningKey:
    """A private key and what it is good for."""

    def __init__(self, number: int) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        self._key: EllipticCurvePrivateKey = ec.derive_private_key(number, ec.SECP256R1())
        public = self._key.public_key()
        der = public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.id = _text(hashlib.sha256(der).digest())
        numbers = public.public_numbers()
        self.document: dict[str, str] = {
            "use": "sig",
            "kty": "EC",
            "kid": self.id,
            "crv": "P-256",
            "alg": ALGORITHM,
            "x": _text(numbers.x.to_bytes(_BYTES, "big")),
            "y": _text(numbers.y.to_bytes(_BYTES, "big")),
        }
        """The public key as a JSON Web Key."""
        self._verified: dict[bytes, Claims] = {}

    def __repr__(self) -> str:
        """Tell the key's id alone: a repr ends in logs."""
        return f"SigningKey({self.id})"

    def sign(self, claims: Claims) -> str:
        """Return the token that says `claims`."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils

        head = _text(msgspec.json.encode({"alg": ALGORITHM, "kid": self.id}))
        said = f"{head}.{_text(msgspec.json.encode(claims))}"
        r, s = utils.decode_dss_signature(self._key.sign(said.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{said}.{_text(r.to_bytes(_BYTES, 'big') + s.to_bytes(_BYTES, 'big'))}"

    def claims_of(self, token: str) -> Claims:
        """Return what a token of this key says; it is not to be changed. Raises: BadSignature."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = self._verified.get(digest)
        if claims is None:
            claims = self._verify(token)
            if len(self._verified) >= _REMEMBERED:
                self._verified.pop(next(iter(self._verified)))
            self._verified[digest] = claims
        return claims

    def _verify(self, token: str) -> Claims:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils

        said, _, end = token.rpartition(".")
        head = unverified(said, 0)
        signature = _bytes(end)
        if head.get("alg") != ALGORITHM or len(signature) != 2 * _BYTES:
            raise BadSignature(_FORGED)
        r, s = (int.from_bytes(part, "big") for part in (signature[:_BYTES], signature[_BYTES:]))
        encoded = utils.encode_dss_signature(r, s)
        try:
            self._key.public_key().verify(encoded, said.encode(), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise BadSignature(_FORGED) from error
        return unverified(said, 1)


def unverified(token: str, part: int = 1) -> Claims:
    """Return what a token says that nobody has vouched for. Raises: BadSignature if it is none."""
    parts = token.split(".")
    try:
        found = msgspec.json.decode(_bytes(parts[part]))
    except (IndexError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadSignature("not a token") from error
    if not isinstance(found, dict):
        raise BadSignature("not a token")
    return found


async def load(storage: Storage) -> SigningKey:
    """Return the key in the storage, made if there is none. Raises: StorageError."""
    entry = await storage.get(KEY)
    if entry is None:
        # Below the order, and not zero; that some numbers come up twice as often is no matter.
        number = int.from_bytes(clock.random_bytes(_BYTES), "big") % (_ORDER - 1) + 1
        try:
            await storage.commit(KEY, msgspec.json.encode({"number": f"{number:x}"}), expected=0)
            return SigningKey(number)
        except RevisionMismatch:  # another server was faster: its key is everybody's
            entry = await storage.get(KEY)
            assert entry is not None
    return SigningKey(int(msgspec.json.decode(entry.value, type=dict[str, str])["number"], 16))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, UnicodeEncodeError) as error:
        raise BadSignature("not a token") from error
