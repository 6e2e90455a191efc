"""Who asks: from a client certificate or a bearer token to a `User`.

The certificate's chain was verified by TLS, so only its subject is read here: the common name is
the user, each organization a group. Tokens given at the start are kept as digests, in a table:
neither a look at the process' memory nor the time of a comparison tells one. Others (those of
service accounts) are for a `Bearer` to know, which may have to look into the storage.

On the ring: [HTTP > **server** > storage].
"""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from arubeki.errors import ArubekiError, Unauthorized
from arubeki.net.message import Request, User

AUTHENTICATED = "system:authenticated"

Bearer: TypeAlias = Callable[[str, Sequence[str]], Awaitable[tuple[User, tuple[str, ...]] | None]]
"""Returns whose token it is, and which of the audiences it is good for; None if it is not for this
one to say. Raises: `Refused`, a token that is known and not good."""

_log = logging.getLogger("arubeki.server.access")


class Refused(ArubekiError):
    """A token of this cluster that is not good; `str()` says why."""


class Authenticator:
    """Finds the user of a request by what it carries."""

    def __init__(self, tokens: Mapping[str, User] | None = None) -> None:
        self.bearers: list[Bearer] = []
        """Who else knows tokens."""
        self._users: dict[bytes, User] = {}
        for token, user in (tokens or {}).items():
            self.add_token(token, user)

    def add_token(self, token: str, user: User) -> None:
        """Let `token` stand for `user` from now on."""
        if not token:
            raise ValueError("an empty token would let everybody in")
        self._users[_digest(token)] = _authenticated(user)

    async def user_of(self, request: Request) -> User:
        """Return who asks. Raises: Unauthorized, StorageError."""
        if request.user is not None:
            return request.user
        if request.peer_certificate:
            name, groups = _subject(request.peer_certificate)
            if name:
                return _authenticated(User(name, groups))
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            try:
                found = await self.bearer(token.strip())
            except Refused as error:
                _log.info("a bearer token was refused: %s", error)
            else:
                if found is not None:
                    return found[0]
        raise Unauthorized("Unauthorized")

    async def bearer(
        self, token: str, audiences: Sequence[str] = ()
    ) -> tuple[User, tuple[str, ...]] | None:
        """Return whose token it is and which of the audiences it is good for; None if nobody's.

        A token of the table is good for every audience. Raises: Refused, StorageError.
        """
        user = self._users.get(_digest(token))
        if user is not None:
            return user, tuple(audiences)
        for knows in self.bearers:
            found = await knows(token, audiences)
            if found is not None:
                return _authenticated(found[0]), found[1]
        return None


def _digest(token: str) -> bytes:
    # Of the safe digests the cheapest for so little: every request with a token pays for it.
    return hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=32).digest()


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
