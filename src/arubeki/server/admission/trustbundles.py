"""ClusterTrustBundles: certificates of authorities, named after who signs with them.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/registry/certificates/clustertrustbundle/strategy.go,
pkg/apis/certificates/validation/validation.go.
"""

from typing import Any

from arubeki.api.fields import FieldError
from arubeki.api.rules import certificates as rules
from arubeki.api.rules import common
from arubeki.server.admission.strategy import Object, Strategy
from arubeki.server.resources import Resource

BUNDLE_MAX_BYTES = 1024 * 1024
_HIDDEN = "<value omitted>"


class TrustBundleStrategy(Strategy):
    """ClusterTrustBundles: certificates of authorities, named after who signs with them."""

    unconditional_update = False

    def name_faults(self, name: str) -> list[str]:
        """The name is judged with the signer at hand."""
        del name
        return []

    def validate(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> list[FieldError]:
        """Return what is wrong with a bundle."""
        del resource, subresource
        faults: list[FieldError] = []
        spec, name = new.get("spec", {}), new["metadata"].get("name", "")
        signer = spec.get("signerName", "")
        faults += [
            FieldError.invalid("metadata.name", name, why)
            for why in rules.bundle_name_faults(name, signer)
        ]
        if signer:
            rules.signer_name(signer, "spec.signerName", faults)
        was = (old or {}).get("spec", {})
        if old is None or spec.get("trustBundle") != was.get("trustBundle"):
            faults += _bundle_faults(spec.get("trustBundle", ""))
        if old is not None:
            common.unchanged(signer, was.get("signerName", ""), "spec.signerName", faults)
        return faults


def _bundle_faults(text: str) -> list[FieldError]:
    from cryptography import x509

    path = "spec.trustBundle"
    if len(text.encode()) > BUNDLE_MAX_BYTES:
        return [FieldError.too_long(path, BUNDLE_MAX_BYTES)]
    found: list[bytes] = []
    faults = []
    for index, block in enumerate(_blocks(text)):
        kind = block.partition("-----BEGIN ")[2].partition("-----")[0]
        why = f"entry {index} has bad block type: {kind}" if kind != "CERTIFICATE" else ""
        if not why:
            try:
                one = x509.load_pem_x509_certificate(block.encode())
                found.append(one.fingerprint(one.signature_hash_algorithm or _sha256()))
                why = "" if _is_authority(one) else f"entry {index} does not have the CA bit set"
            except ValueError:
                why = f"entry {index} does not parse as X.509"
        if why:
            faults.append(FieldError.invalid(path, _HIDDEN, why))
    if faults:
        return faults
    if not found:
        why = "at least one trust anchor must be provided"
        return [FieldError.invalid(path, _HIDDEN, why)]
    for mark in dict.fromkeys(found):
        places = [index for index, other in enumerate(found) if other == mark]
        if len(places) > 1:
            listed = " ".join(map(str, places))
            why = f"duplicate trust anchor (indices [{listed}])"
            faults.append(FieldError.invalid(path, _HIDDEN, why))
    return faults


def _sha256() -> Any:
    from cryptography.hazmat.primitives import hashes

    return hashes.SHA256()


def _is_authority(one: Any) -> bool:
    from cryptography import x509

    try:
        return bool(one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def _blocks(text: str) -> list[str]:
    """Return the PEM blocks of a text; what stands around them is no matter."""
    found = []
    rest = text
    while "-----BEGIN " in rest:
        start = rest.index("-----BEGIN ")
        kind = rest[start:].partition("-----BEGIN ")[2].partition("-----")[0]
        end = f"-----END {kind}-----"
        if end not in rest[start:]:
            break
        stop = rest.index(end, start) + len(end)
        found.append(rest[start:stop] + "\n")
        rest = rest[stop:]
    return found
