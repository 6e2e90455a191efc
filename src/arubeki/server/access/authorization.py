"""Whether they may: the one hook that every request passes, in process too.

For now members of `system:masters` and the cluster's own components may do everything; every other
user that is known may find out what is served, who he is and what he may. What replaces this has
the same face.

On the ring: [HTTP > **server** > storage].
Source: kubernetes plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go (what everybody may).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arubeki.errors import Forbidden
from arubeki.net.message import Request, User
from arubeki.server.access.authentication import AUTHENTICATED, Authenticator

MASTERS = "system:masters"
_COMPONENTS = (
    "system:apiserver",
    "system:controller:",
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:node:",
)
"""The cluster's own parts; after a colon comes the name of one of several."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a request wants to do. `path` is set, and the rest empty, where no resource is meant."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that is allowed: verbs on resources of groups, or on `paths`. `*` is all."""

    verbs: Sequence[str]
    groups: Sequence[str] = ()
    resources: Sequence[str] = ()
    paths: Sequence[str] = ()


_ALL = (Rule(("*",), ("*",), ("*",)), Rule(("*",), paths=("*",)))
_LIVE = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_EVERYBODY = (
    Rule(
        ("create",),
        ("authorization.k8s.io",),
        ("selfsubjectaccessreviews", "selfsubjectrulesreviews"),
    ),
    Rule(("create",), ("authentication.k8s.io",), ("selfsubjectreviews",)),
    Rule(("get",), paths=_LIVE),
    Rule(
        ("get",),
        paths=(
            "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*",
            "/readyz", "/version", "/version/",
        ),
    ),
)  # fmt: skip


class Access:
    """Authentication and authorization as one thing that `App` is given."""

    def __init__(self, tokens: Mapping[str, User] | None = None) -> None:
        self.authenticator = Authenticator(tokens)

    async def user_of(self, request: Request) -> User:
        """Return who asks. Raises: Unauthorized."""
        return await self.authenticator.user_of(request)

    def authorize(self, user: User, attributes: Attributes) -> None:
        """Return if `user` may. Raises: Forbidden, in Kubernetes' words."""
        if _is_own(user):
            return
        if not self.allows(user, attributes):
            raise refusal(user, attributes)

    def allows(self, user: User, attributes: Attributes) -> bool:
        """Tell whether `user` may."""
        return any(_covers(rule, attributes) for rule in self.rules(user))

    def rules(self, user: User) -> Sequence[Rule]:
        """Return what `user` may, in any namespace."""
        found: tuple[Rule, ...] = _EVERYBODY if AUTHENTICATED in user.groups else ()
        if _is_own(user):
            found += _ALL
        return found


def _is_own(user: User) -> bool:
    """Tell whether a user is a master or a part of the cluster: most requests are theirs."""
    return MASTERS in user.groups or user.name.startswith(_COMPONENTS)


def _covers(rule: Rule, asked: Attributes) -> bool:
    if not _has(rule.verbs, asked.verb):
        return False
    if asked.path:
        return any(_fits(one, asked.path) for one in rule.paths)
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    return _has(rule.groups, asked.group) and _has(rule.resources, resource)


def _has(names: Sequence[str], name: str) -> bool:
    return "*" in names or name in names


def _fits(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def refusal(user: User, attributes: Attributes) -> Forbidden:
    """Return the error for a user who may not.

    Source: apiserver pkg/endpoints/handlers/responsewriters/errors.go.
    """
    one = attributes
    if one.path:
        error = Forbidden(f'forbidden: User "{user.name}" cannot {one.verb} path "{one.path}"')
        error.bare_details = True
        return error
    qualified = f"{one.resource}.{one.group}" if one.group else one.resource
    subject = f'{qualified} "{one.name}"' if one.name else qualified
    resource = f"{one.resource}/{one.subresource}" if one.subresource else one.resource
    where = f'in the namespace "{one.namespace}"' if one.namespace else "at the cluster scope"
    details = {"name": one.name, "group": one.group, "kind": one.resource}
    return Forbidden(
        f'{subject} is forbidden: User "{user.name}" cannot {one.verb} resource "{resource}" '
        f'in API group "{one.group}" {where}',
        details={key: value for key, value in details.items() if value},
    )
