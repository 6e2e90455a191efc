"""Whether they may: the one hook that every request passes, in process too.

For now members of `system:masters` and the cluster's own components may do everything and others
nothing. What replaces this has the same face.

On the ring: [HTTP > **server** > storage].
"""

from collections.abc import Mapping
from dataclasses import dataclass

from arubeki.errors import Forbidden
from arubeki.net.message import Request, User
from arubeki.server.access.authentication import Authenticator

MASTERS = "system:masters"


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


class Access:
    """Authentication and authorization as one thing that `App` is given."""

    def __init__(self, tokens: Mapping[str, User] | None = None) -> None:
        self.authenticator = Authenticator(tokens)

    def user_of(self, request: Request) -> User:
        """Return who asks. Raises: Unauthorized."""
        return self.authenticator.user_of(request)

    def authorize(self, user: User, attributes: Attributes) -> None:
        """Return if `user` may. Raises: Forbidden, in Kubernetes' words."""
        if MASTERS in user.groups or user.name.startswith("system:"):
            return
        raise refusal(user, attributes)


def refusal(user: User, attributes: Attributes) -> Forbidden:
    """Return the error for a user who may not.

    Source: apiserver pkg/endpoints/handlers/responsewriters/errors.go.
    """
    one = attributes
    if one.path:
        return Forbidden(f'forbidden: User "{user.name}" cannot {one.verb} path "{one.path}"')
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
