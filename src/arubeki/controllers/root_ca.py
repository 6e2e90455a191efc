"""Root CA: every namespace has the certificate by which its Pods know the API server.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/certificates/rootcacertpublisher/publisher.go.
"""

from collections.abc import Iterable

from arubeki.errors import Forbidden, NotFound
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller
from arubeki.runtime.session import Session

NAME, FILE = "kube-root-ca.crt", "ca.crt"
_ABOUT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
    "guaranteed across distributions of Kubernetes clusters."
)


def controller(certificate: bytes) -> Controller[Key]:
    """Return the controller; its keys are namespaces."""

    async def reconcile(key: Key, session: Session) -> None:
        namespace = await session.get(core.Namespace, key.name, "")
        if namespace is None:
            session.forget()
            return
        if namespace.deleting or namespace.status.phase == "Terminating":
            return
        metadata = meta.ObjectMeta(
            name=NAME, namespace=key.name, annotations={"kubernetes.io/description": _ABOUT}
        )
        try:
            await session.apply(
                core.ConfigMap(metadata=metadata, data={FILE: certificate.decode()})
            )
        except (Forbidden, NotFound) as error:
            # A namespace that ends needs none, and one that is gone neither.
            if isinstance(error, Forbidden) and not error.has_cause("NamespaceTerminating"):
                raise

    def namespace_of(found: core.ConfigMap) -> Iterable[Key]:
        yield Key("", found.namespace)

    result = Controller[Key]("root-ca-certificate-publisher", reconcile)
    result.watch(core.Namespace)
    result.watch(core.ConfigMap, namespace_of, fields=f"metadata.name={NAME}")
    return result
