"""The tokens of service accounts: what they say, and who their bearer is.

A token names an account and may be bound to a Pod, a Secret or a Node. It is good for the audiences
it names, until it expires, and only as long as the very account and object are there: so each use
looks into the storage.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/serviceaccount/{claims,jwt}.go, apiserver
pkg/authentication/serviceaccount/util.go.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from arubeki import clock
from arubeki.api import names
from arubeki.net.message import User
from arubeki.server import wire
from arubeki.server.access import legacy, signing
from arubeki.server.access.authentication import Refused
from arubeki.server.access.signing import BadSignature, Claims, SigningKey
from arubeki.server.resources import Registry
from arubeki.storage.base import Storage

PREFIX = "system:serviceaccount:"
GROUP = "system:serviceaccounts"
LEEWAY_SECONDS = 60
"""How far clocks may differ. Source: go-jose jwt.DefaultLeeway."""
WARN_ONLY_SECONDS = 3607
"""A Pod's token asked for just so long lives a year, and warns from then on."""
EXTENDED_SECONDS = 365 * 24 * 60 * 60
_EXTRA = "authentication.kubernetes.io/"
_BOUND = {"secret": "secrets", "pod": "pods", "node": "nodes"}

Object = Mapping[str, Any]


class Accounts:
    """Issues tokens of service accounts, and finds the user of one."""

    def __init__(self, storage: Storage, registry: Registry, issuer: str) -> None:
        self.issuer = issuer
        self.audiences = (issuer,)
        """Those of the API server itself."""
        self._storage = storage
        self._registry = registry
        self._key: SigningKey | None = None

    async def key(self) -> SigningKey:
        """Return the cluster's key. Raises: StorageError."""
        if self._key is None:
            self._key = await signing.load(self._storage)
        return self._key

    async def issue(
        self,
        account: Object,
        audiences: Sequence[str],
        seconds: int,
        *,
        bound: Mapping[str, Mapping[str, str]] | None = None,
        warn_after_seconds: int = 0,
    ) -> str:
        """Return a new token. `bound` gives name and uid by `pod`, `secret` and `node`."""
        now = int(clock.now())
        metadata = account["metadata"]
        said: dict[str, Any] = {
            "namespace": metadata["namespace"],
            **(bound or {}),
            "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
        }
        if warn_after_seconds:
            said["warnafter"] = now + warn_after_seconds
        claims = {
            "aud": list(audiences),
            "exp": now + seconds,
            "iat": now,
            "iss": self.issuer,
            "jti": clock.new_uid(),
            "kubernetes.io": said,
            "nbf": now,
            "sub": username(metadata["namespace"], metadata["name"]),
        }
        return (await self.key()).sign(claims)

    async def issue_lasting(self, namespace: str, name: str, uid: str, secret: str) -> str:
        """Return a token for a Secret to hold: good while the Secret and the account are there."""
        claims = legacy.claims(namespace, name, uid, secret, username(namespace, name))
        return (await self.key()).sign(claims)

    async def bearer(
        self, token: str, audiences: Sequence[str] = ()
    ) -> tuple[User, tuple[str, ...]] | None:
        """Return whose token it is, and which of the audiences it is good for.

        None for what is no token of this issuer. Without `audiences` it must be good for the API
        server. Raises: Refused, StorageError.
        """
        try:
            if token.count(".") != 2:
                return None
            issuer = signing.unverified(token).get("iss")
        except BadSignature:
            return None
        if issuer not in (self.issuer, legacy.ISSUER):
            return None
        try:
            claims = (await self.key()).claims_of(token)
        except BadSignature as error:
            raise Refused(str(error)) from error
        wanted = tuple(audiences) or self.audiences
        given = claims.get("aud") or list(self.audiences)
        good = tuple(one for one in given if one in wanted)
        if not good:
            raise Refused(
                f"token audiences {_quoted(given)} is invalid for the target audiences "
                f"{_quoted(wanted)}"
            )
        if issuer == legacy.ISSUER:
            namespace, name, uid = await legacy.check(token, claims, self.look_up)
            return User(username(namespace, name), groups(namespace), uid), good
        return await self._user(claims), good

    async def _user(self, claims: Claims) -> User:
        """Return the user that verified claims stand for, if they still hold. Raises: Refused."""
        now = clock.now()
        if now - LEEWAY_SECONDS > claims["exp"]:
            raise Refused("service account token has expired")
        if now + LEEWAY_SECONDS < claims["nbf"]:
            raise Refused("service account token is not valid yet")
        said = claims["kubernetes.io"]
        namespace, account = said["namespace"], said["serviceaccount"]
        found = await self.look_up("serviceaccounts", namespace, account["name"])
        if found is None:
            raise Refused(f'serviceaccounts "{account["name"]}" not found')
        uid = found["metadata"]["uid"]
        if uid != account["uid"]:
            raise Refused(f"service account UID ({uid}) does not match claim ({account['uid']})")
        if _is_gone(found, now):
            raise Refused(f"service account {namespace}/{account['name']} has been deleted")
        for kind in _BOUND:
            if kind in said and not (kind == "node" and "pod" in said):
                await self._check_bound(kind, namespace, said[kind], now)
        extra: dict[str, Sequence[str]] = {f"{_EXTRA}credential-id": (f"JTI={claims['jti']}",)}
        for kind in ("node", "pod"):
            for name in ("name", "uid"):
                if said.get(kind, {}).get(name):
                    extra[f"{_EXTRA}{kind}-{name}"] = (said[kind][name],)
        return User(username(namespace, account["name"]), groups(namespace), uid, extra)

    async def _check_bound(
        self, kind: str, namespace: str, claim: Mapping[str, str], now: float
    ) -> None:
        """See that what a token is bound to is still there. Raises: Refused."""
        place = "" if kind == "node" else namespace
        found = await self.look_up(_BOUND[kind], place, claim["name"])
        if found is None or _is_gone(found, now):
            raise Refused("service account token has been invalidated")
        uid = found["metadata"]["uid"]
        if uid != claim["uid"]:
            shown = kind if kind == "pod" else kind.capitalize()
            raise Refused(
                f"{shown} UID ({uid}) does not match service account {kind} ref claim "
                f"({claim['uid']})"
            )

    async def look_up(self, plural: str, namespace: str, name: str) -> Object | None:
        """Return an object of the core group, None when it is not there."""
        resource = self._registry.find("", "v1", plural)
        assert resource is not None
        entry = await self._storage.get(resource.key(namespace, name))
        return None if entry is None else wire.decode(entry.value)


def username(namespace: str, name: str) -> str:
    """Return the user that a service account is."""
    return f"{PREFIX}{namespace}:{name}"


def groups(namespace: str) -> tuple[str, ...]:
    """Return the groups that a namespace's accounts are in."""
    return (GROUP, f"{GROUP}:{namespace}")


def split_username(user: str) -> tuple[str, str] | None:
    """Return namespace and name of the account that a user is; None for any other user."""
    namespace, found, name = user.removeprefix(PREFIX).partition(":")
    if not user.startswith(PREFIX) or not found:
        return None
    if names.dns_label(namespace) or names.dns_subdomain(name):
        return None
    return namespace, name


def _is_gone(obj: Object, now: float) -> bool:
    deleted = obj["metadata"].get("deletionTimestamp")
    return bool(deleted) and clock.parse_timestamp(deleted) < now - LEEWAY_SECONDS


def _quoted(texts: Sequence[str]) -> str:
    return "[" + " ".join(f'"{one}"' for one in texts) + "]"
