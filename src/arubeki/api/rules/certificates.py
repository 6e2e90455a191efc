"""Rules of the certificates' group that need no cryptography.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/certificates/validation/validation.go, pkg/apis/core/validation/names.go.
"""

from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

_PATH_MAX = names.SUBDOMAIN_MAX_BYTES + names.LABEL_MAX_BYTES + 1
_SIGNER_MAX = names.SUBDOMAIN_MAX_BYTES + _PATH_MAX + 1
_UID_MAX = 128
_LONGEST, _LONGEST_OF_KUBERNETES, _SHORTEST = 91 * 86400, 86400, 3600


def signer_name(name: str, path: str, faults: Faults) -> None:
    """The name of a signer is a domain and a path: `example.com/signer`."""
    if not name:
        faults.append(FieldError.required(path))
        return
    domain, slash, rest = name.partition("/")
    if not slash or "/" in rest:
        form = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        faults.append(FieldError.invalid(path, name, form))
        return
    if len(domain.encode()) > names.SUBDOMAIN_MAX_BYTES:
        faults.append(FieldError.too_long(path, names.SUBDOMAIN_MAX_BYTES))
    _first_wrong(domain, names.dns_label, path, faults)
    if "." not in domain:
        fault = "should be a domain with at least two segments separated by dots"
        faults.append(FieldError.invalid(path, domain, fault))
    _first_wrong(rest, names.dns_subdomain, path, faults)
    if len(name.encode()) > _SIGNER_MAX:
        faults.append(FieldError.too_long(path, _SIGNER_MAX))


def bundle_name_faults(name: str, signer: str) -> list[str]:
    """Return what is wrong with the name of a ClusterTrustBundle, which begins with its signer."""
    if not signer:
        if ":" in name:
            return ['ClusterTrustBundle without signer name must not have ":" in its name']
        return names.dns_subdomain(name)
    prefix = signer.replace("/", ":") + ":"
    if not name.startswith(prefix):
        return [f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"]
    return names.dns_subdomain(name.removeprefix(prefix))


def pod_request(new: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    """Check a PodCertificateRequest, but for the keys themselves; its spec never changes."""
    spec = new.get("spec", {})
    if old is not None:
        common.unchanged(spec, old.get("spec", {}), "spec", faults)
        return
    signer = spec.get("signerName", "")
    signer_name(signer, "spec.signerName", faults)
    for who in ("pod", "serviceAccount", "node"):
        name, uid, path = spec.get(f"{who}Name", ""), spec.get(f"{who}UID", ""), f"spec.{who}"
        common.named(name, f"{path}Name", faults, names.dns_subdomain)
        if not uid:
            faults.append(FieldError.invalid(f"{path}UID", uid, "must not be empty"))
        if len(uid.encode()) > _UID_MAX:
            faults.append(FieldError.too_long(f"{path}UID", _UID_MAX))
    seconds, path = spec.get("maxExpirationSeconds", 0), "spec.maxExpirationSeconds"
    domain = signer.partition("/")[0]
    own = domain == "kubernetes.io" or domain.endswith(".kubernetes.io")
    most = _LONGEST_OF_KUBERNETES if own else _LONGEST
    if not _SHORTEST <= seconds <= most:
        fault = f"must be in the range [{_SHORTEST}, {most}]"
        faults.append(FieldError.invalid(path, seconds, fault))
    request, key, proof = (
        bool(spec.get(name)) for name in ("stubPKCS10Request", "pkixPublicKey", "proofOfPossession")
    )
    if (request, key, proof) not in ((True, False, False), (False, True, True)):
        fault = (
            "exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set"
        )
        faults.append(FieldError.invalid_omitted("spec", fault))


def _first_wrong(text: str, rule: Any, path: str, faults: Faults) -> None:
    for label in text.split("."):
        if messages := rule(label):
            for message in messages:
                fault = f'validating label "{label}": {message}'
                faults.append(FieldError.invalid(path, text, fault))
            return


RULES = {"PodCertificateRequest": pod_request}
