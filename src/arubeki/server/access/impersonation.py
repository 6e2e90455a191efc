"""Acting as somebody else: the `Impersonate-*` headers.

Whoever asks must be allowed to `impersonate` each thing that he wants to be: the user (or service
account), each group, the uid, each value of each extra. From then on the request is that user's.

On the ring: [HTTP > **server** > storage].
Source: apiserver pkg/endpoints/filters/impersonation/{constrained_impersonation,mode}.go.
"""

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from arubeki.api import fields
from arubeki.errors import BadRequest
from arubeki.net.message import User
from arubeki.server.access import accounts
from arubeki.server.access.authentication import AUTHENTICATED
from arubeki.server.access.authorization import Access, Attributes

ANONYMOUS = "system:anonymous"
UNAUTHENTICATED = "system:unauthenticated"
_PREFIX = "impersonate-"
_EXTRA = "impersonate-extra-"
_GROUP = "authentication.k8s.io"
_NODE = "system:node:"


def is_asked(headers: Mapping[str, str]) -> bool:
    """Tell whether a request wants to be somebody else's; every request pays for this look."""
    return "\nimpersonate-" in "\n" + "\n".join(headers)


def impersonated(access: Access, user: User, headers: Mapping[str, str]) -> User:
    """Return the user that `user` acts as. Raises: Forbidden, BadRequest."""
    name = headers.get("impersonate-user", "")
    groups = list(_groups(headers))
    uid = headers.get("impersonate-uid", "")
    extra = _extra(headers)
    if not name:
        if not (groups or uid or extra):
            return user  # a header that means nothing here
        raise BadRequest(_nobody(groups, uid, extra))
    account = accounts.split_username(name)
    for attributes in _wishes(name, groups, uid, extra):
        access.authorize(user, attributes)
    if account is not None and not groups:
        groups = list(accounts.groups(account[0]))
    if name.startswith(_NODE) and not (groups or uid or extra):
        groups = ["system:nodes"]
    if name == ANONYMOUS:
        if UNAUTHENTICATED not in groups:
            groups.append(UNAUTHENTICATED)
    elif AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
        groups.append(AUTHENTICATED)
    return User(name, tuple(groups), uid, extra)


def _groups(headers: Mapping[str, str]) -> Iterator[str]:
    """Yield the groups. What was sent in several headers arrives here joined by commas."""
    if "impersonate-group" in headers:
        yield from headers["impersonate-group"].split(", ")


def _extra(headers: Mapping[str, str]) -> dict[str, list[str]]:
    return {
        unquote(name.removeprefix(_EXTRA)): value.split(", ")
        for name, value in headers.items()
        if name.startswith(_EXTRA)
    }


def _wishes(
    name: str, groups: list[str], uid: str, extra: Mapping[str, list[str]]
) -> Iterator[Attributes]:
    account = accounts.split_username(name)
    if account is not None:
        namespace, own = account
        yield Attributes("impersonate", "", "", "serviceaccounts", namespace=namespace, name=own)
    else:
        yield Attributes("impersonate", resource="users", name=name)
    for group in groups:
        yield Attributes("impersonate", resource="groups", name=group)
    for key, values in extra.items():
        for value in values:
            yield Attributes("impersonate", _GROUP, "v1", "userextras", key, name=value)
    if uid:
        yield Attributes("impersonate", _GROUP, "v1", "uids", name=uid)


def _nobody(groups: list[str], uid: str, extra: Mapping[str, list[str]]) -> str:
    """Return what Kubernetes says: the user without a name, as Go prints it."""
    listed = f"[]string{{{_listed(groups)}}}" if groups else "[]string(nil)"
    more = ", ".join(
        f"{_quoted(key)}:[]string{{{_listed(values)}}}" for key, values in sorted(extra.items())
    )
    shown = f"map[string][]string{{{more}}}" if extra else "map[string][]string(nil)"
    user = f'&user.DefaultInfo{{Name:"", UID:{_quoted(uid)}, Groups:{listed}, Extra:{shown}}}'
    return f"requested {user} without impersonating a user name"


def _listed(texts: list[str]) -> str:
    return ", ".join(map(_quoted, texts))


def _quoted(text: str) -> str:
    return fields.shown(text)
