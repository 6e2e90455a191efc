"""ServiceAccount: every namespace has one named `default`, which its Pods run as.

The shortest of all controllers: one create.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/serviceaccount/serviceaccounts_controller.go.
"""

from collections.abc import Iterable

from arubeki.errors import AlreadyExists, Forbidden, NotFound
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller
from arubeki.runtime.session import Session

DEFAULT = "default"


def controller() -> Controller[Key]:
    """Return the controller; its keys are namespaces."""
    found = Controller[Key]("service-account-controller", reconcile)
    found.watch(core.Namespace)
    found.watch(core.ServiceAccount, namespace_of, fields=f"metadata.name={DEFAULT}")
    return found


def namespace_of(account: core.ServiceAccount) -> Iterable[Key]:
    """Wake the namespace of an account, which may have lost it."""
    yield Key("", account.namespace)


async def reconcile(key: Key, session: Session) -> None:
    """See that a namespace that lives has its account."""
    namespace = await session.get(core.Namespace, key.name, "")
    if namespace is None:
        session.forget()
        return
    if namespace.deleting or namespace.status.phase == "Terminating":
        return
    if await session.get(core.ServiceAccount, DEFAULT, key.name) is not None:
        return
    account = core.ServiceAccount(metadata=meta.ObjectMeta(name=DEFAULT, namespace=key.name))
    try:
        await session.create(account)
    except AlreadyExists:
        return  # we made it, and the watch has not told yet
    except (Forbidden, NotFound) as error:
        # A namespace that ends needs none, and one that is gone neither.
        if isinstance(error, Forbidden) and not error.has_cause("NamespaceTerminating"):
            raise
