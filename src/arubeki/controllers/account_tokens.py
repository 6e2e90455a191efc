"""Account tokens: a Secret of type service-account-token is filled, and goes with its account.

Who wants a token that lasts makes such a Secret, names the account in an annotation, and finds in it
the token, the cluster's certificate and the namespace.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/serviceaccount/tokens_controller.go.
"""

import base64
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from arubeki.errors import Conflict, NotFound
from arubeki.kinds import core_v1 as core
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller
from arubeki.runtime.session import Session

Issue: TypeAlias = Callable[[str, str, str, str], Awaitable[str]]
"""Returns a token for namespace, account, the account's uid, and the Secret that holds it."""

TYPE = "kubernetes.io/service-account-token"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"


def controller(issue: Issue, certificate: bytes) -> Controller[Key]:
    """Return the controller; its keys are Secrets."""

    def secrets_of(account: core.ServiceAccount) -> Iterable[Key]:
        for secret in found.lookup.list(core.Secret, account.namespace):
            if secret.annotations.get(NAME) == account.name:
                yield Key(secret.namespace, secret.name)

    async def reconcile(key: Key, session: Session) -> None:
        secret = await session.get(core.Secret, key.name, key.namespace)
        if secret is None or secret.type != TYPE:
            session.forget()
            return
        if secret.deleting:
            return
        name = secret.annotations.get(NAME, "")
        account = await session.get(core.ServiceAccount, name, key.namespace)
        if account is None:  # it may have come a moment ago
            account = await session.get(core.ServiceAccount, name, key.namespace, live=True)
        known = secret.annotations.get(UID)
        if account is None or (known and known != account.uid):
            await session.delete(secret)
            return
        await _fill(secret, account, issue, certificate, session)

    found = Controller[Key]("tokens-controller", reconcile)
    found.watch(core.Secret, fields=f"type={TYPE}")
    found.watch(core.ServiceAccount, secrets_of)
    return found


async def _fill(
    secret: core.Secret,
    account: core.ServiceAccount,
    issue: Issue,
    certificate: bytes,
    session: Session,
) -> None:
    """Put in what is missing or wrong."""
    data = dict(secret.data or {})
    wanted = {"ca.crt": certificate, "namespace": secret.namespace.encode()}
    missing = {name: value for name, value in wanted.items() if data.get(name) != value}
    if not data.get("token"):
        token = await issue(secret.namespace, account.name, account.uid, secret.name)
        missing["token"] = token.encode()
    if not missing and secret.annotations.get(UID) == account.uid:
        return
    patch = {
        "metadata": {
            "uid": secret.uid,
            "resourceVersion": secret.resource_version,
            "annotations": {UID: account.uid},
        },
        "data": {name: base64.b64encode(value).decode() for name, value in missing.items()},
    }
    try:
        await session.patch(core.Secret, secret.name, secret.namespace, patch=patch)
    except (NotFound, Conflict):
        return  # the watch tells
