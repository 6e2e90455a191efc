"""Tokens that lie in Secrets: they never expire, and are good while Secret and account are there.

On the ring: [HTTP > **server** > storage]. Source: kubernetes pkg/serviceaccount/legacy.go.
"""

import base64
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from arubeki.server.access.authentication import Refused
from arubeki.server.access.signing import Claims

ISSUER = "kubernetes/serviceaccount"
INVALID_LABEL = "kubernetes.io/legacy-token-invalid-since"
_PREFIX = "kubernetes.io/serviceaccount/"
_NAMESPACE, _SECRET = f"{_PREFIX}namespace", f"{_PREFIX}secret.name"
_NAME, _UID = f"{_PREFIX}service-account.name", f"{_PREFIX}service-account.uid"

LookUp: TypeAlias = Callable[[str, str, str], Awaitable[Mapping[str, Any] | None]]
"""Returns an object by plural, namespace and name."""


def claims(namespace: str, name: str, uid: str, secret: str, subject: str) -> Claims:
    """Return what the token in a Secret says."""
    return {
        "iss": ISSUER,
        _NAMESPACE: namespace,
        _SECRET: secret,
        _NAME: name,
        _UID: uid,
        "sub": subject,
    }


async def check(token: str, said: Claims, look_up: LookUp) -> tuple[str, str, str]:
    """Return namespace, name and uid of the account whose token it is. Raises: Refused."""
    namespace, name = said.get(_NAMESPACE, ""), said.get(_NAME, "")
    secret = await look_up("secrets", namespace, said.get(_SECRET, ""))
    if secret is None or "deletionTimestamp" in secret["metadata"]:
        raise Refused("Token has been invalidated")
    kept = base64.b64decode((secret.get("data") or {}).get("token") or "")
    if not hmac.compare_digest(kept, token.encode()):
        raise Refused("Token does not match server's copy")
    account = await look_up("serviceaccounts", namespace, name)
    if account is None:
        raise Refused(f'serviceaccounts "{name}" not found')
    uid: str = account["metadata"]["uid"]
    if "deletionTimestamp" in account["metadata"]:
        raise Refused(f"ServiceAccount {namespace}/{name} has been deleted")
    if uid != said.get(_UID):
        raise Refused(f"ServiceAccount UID ({uid}) does not match claim ({said.get(_UID)})")
    if (secret["metadata"].get("labels") or {}).get(INVALID_LABEL):
        raise Refused(
            f"the token in secret {namespace}/{said[_SECRET]} for service account "
            f"{namespace}/{name} has been marked invalid. Use tokens from the TokenRequest API or "
            "manually created secret-based tokens, or remove the "
            f"'{INVALID_LABEL}' label from the secret to temporarily allow use of this token"
        )
    return namespace, name, uid
