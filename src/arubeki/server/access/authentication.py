"""Who asks: from a client certificate or a bearer token to a `User`.

The certificate's chain was verified by TLS, so only its subject is read here: the common name is
the user, each organization a group. Tokens are kept as digests, in a table: neither a look at the
process' memory nor the time of a comparison tells one.

On the ring: [HTTP > **server** > storage].
"""

import hashlib
from collections.abc import Iterable, Mapping

from arubeki.errors import Unauthorized
from arubeki.net.message import Request, User

AUTHENTICATED = "system:authenticated"


class Authenticator:
    """Finds the user of a request by what it carries."""

    def __init__(self, tokens: Mapping[str, User] | None = None) -> None:
        self._users: dict[bytes, User] = {}
        for token, user in (tokens or {}).items():
            self.add_token(token, user)

    def add_token(self, token: str, user: User) -> None:
        """Let `token` stand for `user` from now on."""
        if not token:
            raise ValueError("an empty token would let everybody in")
        self._users[_digest(token)] = _authenticated(user)

    def user_of(self, request: Request) -> User:
        """Return who asks. Raises: Unauthorized."""
        if request.user is not None:
            return request.user
        if request.peer_certificate:
            name, groups = _subject(request.peer_certificate)
            if name:
                return _authenticated(User(name, groups))
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            user = self._users.get(_digest(token.strip()))
            if user is not None:
                return user
        raise Unauthorized("Unauthorized")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _authenticated(user: User) -> User:
    if AUTHENTICATED in user.groups:
        return user
    return User(user.name, (*user.groups, AUTHENTICATED), user.uid, user.extra)


def _subject(certificate: Mapping[str, object]) -> tuple[str, tuple[str, ...]]:
    name, groups = "", []
    subject = certificate.get("subject", ())
    for part in subject if isinstance(subject, Iterable) else ():
        for key, value in part:
            if key == "commonName":
                name = str(value)
            elif key == "organizationName":
                groups.append(str(value))
    return name, tuple(groups)
