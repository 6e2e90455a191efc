"""Who the cluster is: its certificate authority and the administrator's credentials.

The authority lies in the storage, so that all servers of one storage have one, and a restart does
not make every kubeconfig worthless. Certificates are issued at each start. Nothing of it is logged.

Above both halves.
"""

import base64
from dataclasses import dataclass, field

import msgspec

from arubeki import clock
from arubeki.errors import RevisionMismatch
from arubeki.net import tls
from arubeki.net.message import User
from arubeki.storage.base import Storage

KEY = "/arubeki/identity"
ADMIN = User("kubernetes-admin", ("system:masters", "system:authenticated"))
_TOKEN_BYTES = 32


class _Stored(msgspec.Struct):
    certificate: str
    key: str
    token: str


@dataclass(frozen=True, slots=True)
class Identity:
    """The authority, the administrator's bearer token, and what they are used for."""

    authority: tls.Pair = field(repr=False)
    token: str = field(repr=False)

    def server(self, *names: str) -> tls.Pair:
        """Return a certificate for the API server, which is also called `names`."""
        return tls.issue_server(self.authority, [*tls.SERVER_NAMES, *names])

    def client(self, user: User) -> tls.Pair:
        """Return a certificate for a user."""
        groups = [one for one in user.groups if one != "system:authenticated"]
        return tls.issue_client(self.authority, user.name, groups)


async def load(storage: Storage) -> Identity:
    """Return the identity in the storage, made if there is none."""
    entry = await storage.get(KEY)
    if entry is None:
        made = _made()
        try:
            await storage.commit(KEY, msgspec.json.encode(made), expected=0)
            return _identity(made)
        except RevisionMismatch:  # another server was faster: its identity is everybody's
            entry = await storage.get(KEY)
            assert entry is not None
    return _identity(msgspec.json.decode(entry.value, type=_Stored))


def _made() -> _Stored:
    pair = tls.make_authority()
    token = base64.urlsafe_b64encode(clock.random_bytes(_TOKEN_BYTES)).rstrip(b"=").decode()
    return _Stored(pair.certificate.decode(), pair.key.decode(), token)


def _identity(stored: _Stored) -> Identity:
    pair = tls.Pair(stored.certificate.encode(), stored.key.encode())
    return Identity(pair, stored.token)
