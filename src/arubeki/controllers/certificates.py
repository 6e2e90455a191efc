"""Certificates: sign what was approved, and clear away requests that are done.

Of the signers that Kubernetes knows this one is `kubernetes.io/kube-apiserver-client`: certificates
with which users come to the API. What is asked of another signer waits for that one.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/certificates/{signer/signer,cleaner/cleaner}.go.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from arubeki import clock
from arubeki.errors import Conflict, NotFound
from arubeki.kinds import certificates_v1 as certificates
from arubeki.kinds import meta_v1 as meta
from arubeki.runtime.cache import Key
from arubeki.runtime.controller import Controller
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session

Sign: TypeAlias = Callable[[bytes, Sequence[str], float], bytes]
"""Returns the certificate for a request, for these usages and seconds. Raises: ValueError."""

SIGNER = "kubernetes.io/kube-apiserver-client"
MOST_SECONDS, LEAST_SECONDS = 365 * 24 * 3600.0, 600.0
DONE_SECONDS, PENDING_SECONDS = 3600.0, 24 * 3600.0
"""How long a request is kept that is decided, and one that nobody decides."""
_OPTIONAL = ("digital signature", "key encipherment")
_NEEDED = "client auth"


def controller(sign: Sign) -> Controller[Key]:
    """Return the controller; its keys are requests."""

    async def reconcile(key: Key, session: Session) -> Again | None:
        found = await session.get(certificates.CertificateSigningRequest, key.name, "")
        if found is None:
            session.forget()
            return None
        if _is_due(found):
            await _sign(found, sign, session)
        return await _tidy(found, session)

    result = Controller[Key]("certificate-controller", reconcile)
    result.watch(certificates.CertificateSigningRequest)
    return result


def _has(found: certificates.CertificateSigningRequest, kind: str) -> bool:
    return any(one.type == kind and one.status == "True" for one in found.status.conditions or ())


def _is_due(found: certificates.CertificateSigningRequest) -> bool:
    """Tell whether a request is approved, ours to sign, and not signed."""
    is_open = not found.status.certificate and not _has(found, "Failed")
    return is_open and found.spec.signerName == SIGNER and _has(found, "Approved")


async def _sign(
    found: certificates.CertificateSigningRequest, sign: Sign, session: Session
) -> None:
    usages = tuple(found.spec.usages or ())
    status = certificates.CertificateSigningRequestStatus()
    why = _usage_fault(usages)
    if not why:
        asked = found.spec.expirationSeconds
        seconds = min(max(float(asked), LEAST_SECONDS), MOST_SECONDS) if asked else MOST_SECONDS
        try:
            status = status.evolve(certificate=sign(found.spec.request, usages, seconds))
        except ValueError as error:
            why = str(error)
    if why:
        failed = certificates.CertificateSigningRequestCondition(
            type="Failed", status="True", reason="SignerValidationFailure", message=why
        )
        status = status.evolve(conditions=(failed,))
    metadata = meta.ObjectMeta(name=found.name, uid=found.uid)
    signed = certificates.CertificateSigningRequest(metadata=metadata, status=status)
    try:
        await session.apply(signed, subresource="status")
    except (NotFound, Conflict):
        return


def _usage_fault(usages: Sequence[str]) -> str:
    for one in usages:
        if one not in (*_OPTIONAL, _NEEDED):
            return f"invalid usage for client certificate: {one}"
    return "" if _NEEDED in usages else f"missing required usage for client certificate: {_NEEDED}"


async def _tidy(found: certificates.CertificateSigningRequest, session: Session) -> Again | None:
    """Delete a request that has been there for long enough."""
    decided = [
        clock.parse_timestamp(one.lastUpdateTime)
        for one in found.status.conditions or ()
        if one.type in ("Approved", "Denied", "Failed") and one.lastUpdateTime
    ]
    # One that was approved waits for its certificate as long as it takes.
    waits = _has(found, "Approved") and not found.status.certificate and not _has(found, "Failed")
    if decided and waits:
        return None
    created = clock.parse_timestamp(found.metadata.creationTimestamp or clock.timestamp())
    due = min(decided) + DONE_SECONDS if decided else created + PENDING_SECONDS
    left = due - clock.now()
    if left > 0:
        return Again(left + 1)
    try:
        await session.delete(found)
    except Conflict:
        return None
    return None
