"""The service account of a Pod, as its programs see it: a token, the root certificate, a namespace.

A Pod whose account wants it finds these three where clients look for them. Kubernetes' admission
writes that volume into each Pod; here the node adds it to what it runs, so that a Pod stays what its
author wrote. Tokens, there or in volumes of the Pod's own, are asked of the server, bound to the Pod,
and renewed before they end.

Below the node agent. Source: kubernetes plugin/pkg/admission/serviceaccount/admission.go,
pkg/kubelet/token/token_manager.go.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from arubeki import clock
from arubeki.errors import ApiError
from arubeki.kinds import core_v1 as core
from arubeki.kinds import pods
from arubeki.kinds.base import UnsetType
from arubeki.runtime.session import Session

PLACE = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME = "kube-api-access"
ROOT_CA = "kube-root-ca.crt"
DEFAULT_SECONDS, OWN_SECONDS = 3600, 3607
RENEWED_AT, OLDEST_SECONDS = 0.8, 24 * 3600.0
"""When a token is renewed: with so much of its time over, and at the latest at this age."""
RETRY_SECONDS = 5.0


def with_account(pod: core.Pod, account: core.ServiceAccount | None) -> core.Pod:
    """Return the Pod with the volume of its account, mounted where a container has none there."""
    if account is None or not _wants_token(pod, account):
        return pod
    spec = pod.spec
    mains = tuple(_mounted(one) for one in spec.containers or ())
    inits = tuple(_mounted(one) for one in spec.initContainers or ())
    if mains == spec.containers and inits == (spec.initContainers or ()):
        return pod
    return pod.evolve(
        spec=spec.evolve(
            containers=mains,
            initContainers=inits or spec.initContainers,
            volumes=(*(spec.volumes or ()), _volume()),
        )
    )


def _wants_token(pod: core.Pod, account: core.ServiceAccount) -> bool:
    for said in (pod.spec.automountServiceAccountToken, account.automountServiceAccountToken):
        if not isinstance(said, UnsetType):
            return said
    return True


def _mounted(container: core.Container) -> core.Container:
    mounts = container.volumeMounts or ()
    if any(one.mountPath.rstrip("/") == PLACE for one in mounts):
        return container
    own = core.VolumeMount(name=VOLUME, mountPath=PLACE, readOnly=True)
    return container.evolve(volumeMounts=(*mounts, own))


def _volume() -> core.Volume:
    namespace = core.DownwardAPIVolumeFile(
        path="namespace", fieldRef=core.ObjectFieldSelector(fieldPath="metadata.namespace")
    )
    sources = (
        core.VolumeProjection(
            serviceAccountToken=core.ServiceAccountTokenProjection(
                path="token", expirationSeconds=OWN_SECONDS
            )
        ),
        core.VolumeProjection(
            # A cluster without a port has no certificate to publish.
            configMap=core.ConfigMapProjection(
                name=ROOT_CA, items=(core.KeyToPath(key="ca.crt", path="ca.crt"),), optional=True
            )
        ),
        core.VolumeProjection(downwardAPI=core.DownwardAPIProjection(items=(namespace,))),
    )
    return core.Volume(name=VOLUME, projected=core.ProjectedVolumeSource(sources=sources))


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renewed_at: float


class Tokens:
    """The tokens of the Pods of one node, by audience ("": the API server's)."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, _Token]] = {}
        self.faults: dict[str, str] = {}
        """Why a Pod has not all of its tokens, by its uid."""

    def of(self, uid: str) -> Mapping[str, str]:
        """Return a Pod's tokens."""
        return {audience: one.text for audience, one in self._kept.get(uid, {}).items()}

    def forget(self, uid: str) -> None:
        """Drop the tokens of a Pod that is gone."""
        self._kept.pop(uid, None)
        self.faults.pop(uid, None)

    async def renew(self, pod: core.Pod, session: Session) -> float:
        """See that a Pod has the tokens that it needs; return after how long to look again."""
        if pod.deleting or pods.is_terminal(pod):
            return math.inf
        now, next_at = clock.now(), math.inf
        kept = self._kept.get(pod.uid, {})
        self.faults.pop(pod.uid, None)
        for audience, seconds in _needed(pod):
            token = kept.get(audience)
            if token is None or token.renewed_at <= now:
                try:
                    token = await _request(pod, audience, seconds, session)
                except ApiError as error:
                    self.faults[pod.uid] = f"failed to fetch token: {error.message}"
                    next_at = min(next_at, now + RETRY_SECONDS)
                    continue
                kept = self._kept.setdefault(pod.uid, {})
                kept[audience] = token
            next_at = min(next_at, token.renewed_at)
        return next_at - now


def _needed(pod: core.Pod) -> Iterator[tuple[str, int]]:
    """Yield audience and seconds of the tokens in a Pod's volumes."""
    for volume in pod.spec.volumes or ():
        for one in (volume.projected and volume.projected.sources) or ():
            if one.serviceAccountToken:
                seconds = one.serviceAccountToken.expirationSeconds or DEFAULT_SECONDS
                yield one.serviceAccountToken.audience or "", seconds


async def _request(pod: core.Pod, audience: str, seconds: int, session: Session) -> _Token:
    account = pod.spec.serviceAccountName or "default"
    bound = {"kind": "Pod", "apiVersion": "v1", "name": pod.name, "uid": pod.uid}
    spec = {
        "audiences": [audience] if audience else [],
        "expirationSeconds": seconds,
        "boundObjectRef": bound,
    }
    path = f"/api/v1/namespaces/{pod.namespace}/serviceaccounts/{account}/token"
    session.record.requests += 1
    answer = await session.client.request("POST", path, body=msgspec.json.encode({"spec": spec}))
    text: str = msgspec.json.decode(answer)["status"]["token"]
    return _Token(text, clock.now() + min(RENEWED_AT * seconds, OLDEST_SECONDS))
