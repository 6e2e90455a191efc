"""Requests for certificates: who asks is noted, who approves and who signs are told apart.

After its creation a request never changes; `approval` writes the conditions, `status` the
certificate (and conditions other than those that decide).

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/registry/certificates/certificates/strategy.go,
pkg/apis/certificates/validation/validation.go, plugin/pkg/admission/certificates.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from arubeki import clock
from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules.certificates import signer_name
from arubeki.net import requests
from arubeki.net.message import User
from arubeki.server import failures
from arubeki.server.admission.strategy import Object, Strategy
from arubeki.server.resources import Resource

CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"
LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
_MASTERS = "system:masters"
_DECIDED = ("Approved", "Denied")
_TRUE_ONLY = (*_DECIDED, "Failed")
_USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign",
    "data encipherment", "decipher only", "digital signature", "email protection",
    "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement",
    "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth",
    "signing", "timestamping",
)  # fmt: skip
_LEAST_SECONDS = 600

Faults = list[FieldError]


class SigningRequestStrategy(Strategy):
    """The hooks of CertificateSigningRequests."""

    def name_faults(self, name: str) -> list[str]:
        """Any name will do that can stand in a path."""
        return names.path_segment(name)

    def note_user(self, new: Object, user: User) -> None:
        """Note who asks, whatever the body says of that."""
        spec = new.setdefault("spec", {})
        found = {
            "username": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {name: list(values) for name, values in user.extra.items()},
        }
        for name, value in found.items():
            spec.pop(name, None)
            if value:
                spec[name] = value

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """Give back what this path may not write."""
        del resource
        if old is None:
            new["status"] = {}
            return
        new["spec"] = old["spec"]
        before = old.get("status") or {}
        given = new.get("status") or {}
        conditions = given.get("conditions") or []
        if subresource == "status":
            new["status"] = {**given, "conditions": _dated(_decided_kept(conditions, old), old)}
        elif subresource == "approval":
            new["status"] = {**before, "conditions": _dated(conditions, old)}
        else:
            new["status"] = dict(before)
        if not new["status"].get("conditions"):
            new["status"].pop("conditions", None)

    async def admit(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> None:
        """Refuse a request that would make a master of who asks."""
        spec = new.get("spec") or {}
        if old is not None or subresource or spec.get("signerName") != CLIENT_SIGNER:
            return
        try:
            _, groups = requests.subject_of(requests.read_request(_decoded(spec.get("request"))))
        except ValueError:
            return  # validation says so
        if _MASTERS in groups:
            why = f"use of {CLIENT_SIGNER} signer with {_MASTERS} group is not allowed"
            raise failures.forbidden(resource, new["metadata"].get("name", ""), why)

    def validate(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> Faults:
        """Return what is wrong with a request, and with what has been written to it."""
        del resource
        found = [*_spec_faults(new.get("spec") or {}, old), *_status_faults(new, old)]
        if old is not None:
            found += _change_faults(new, old, subresource)
        return found


def _decoded(text: Any) -> bytes:
    """Return the bytes of base64; nothing for what is none."""
    try:
        return base64.b64decode(text or "")
    except (binascii.Error, TypeError, ValueError):
        return b""


def _conditions(obj: Mapping[str, Any]) -> list[Object]:
    found: list[Object] = (obj.get("status") or {}).get("conditions") or []
    return found


def _of_type(obj: Mapping[str, Any], kind: str) -> list[Object]:
    return [one for one in _conditions(obj) if one.get("type") == kind]


def _decided_kept(conditions: list[Object], old: Object) -> list[Object]:
    """Return conditions in which those that decide are as they were, if there are as many."""
    found = list(conditions)
    for kind in _DECIDED:
        places = [index for index, one in enumerate(found) if one.get("type") == kind]
        before = _of_type(old, kind)
        if len(places) == len(before):
            for index, one in zip(places, before, strict=True):
                found[index] = one
    return found


def _dated(conditions: list[Object], old: Object) -> list[Object]:
    """Return conditions that say since when they hold, and when they were last written."""
    now, found = clock.timestamp(), []
    for one in conditions:
        same = (
            before.get("lastTransitionTime")
            for before in _conditions(old)
            if (before.get("type"), before.get("status")) == (one.get("type"), one.get("status"))
        )
        since = one.get("lastTransitionTime") or next((time for time in same if time), now)
        written = one.get("lastUpdateTime") or now
        found.append({**one, "lastUpdateTime": written, "lastTransitionTime": since})
    return found


def _spec_faults(spec: Object, old: Object | None) -> Faults:
    found: Faults = []
    if old is None:  # it never changes, and was good when it came
        try:
            requests.read_request(_decoded(spec.get("request")))
        except ValueError as error:
            found.append(FieldError.invalid("spec.request", spec.get("request"), str(error)))
    usages = spec.get("usages") or []
    if not usages:
        found.append(FieldError.required("spec.usages"))
    for index, one in enumerate(usages):
        if one not in _USAGES:
            found.append(FieldError.not_supported(f"spec.usages[{index}]", one, _USAGES))
    for index, one in enumerate(usages):
        if one in usages[:index]:
            found.append(FieldError.duplicate(f"spec.usages[{index}]", one))
    signer = spec.get("signerName", "")
    if signer == LEGACY_SIGNER:
        why = "the legacy signerName is not allowed via this API version"
        found.append(FieldError.invalid("spec.signerName", signer, why))
    else:
        signer_name(signer, "spec.signerName", found)
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _LEAST_SECONDS:
        why = "may not specify a duration less than 600 seconds (10 minutes)"
        found.append(FieldError.invalid("spec.expirationSeconds", seconds, why))
    return found


def _status_faults(new: Object, old: Object | None) -> Faults:
    found: Faults = []
    path, seen = "status.conditions", set()
    for index, one in enumerate(_conditions(new)):
        kind, status = one.get("type", ""), one.get("status", "")
        place = f"{path}[{index}]"
        if not kind:
            found.append(FieldError.required(f"{place}.type"))
        allowed = ("True",) if kind in _TRUE_ONLY else ("False", "True", "Unknown")
        if not status:
            found.append(FieldError.required(f"{place}.status"))
        elif status not in allowed:
            found.append(FieldError.not_supported(f"{place}.status", status, allowed))
        if kind in seen:
            found.append(FieldError.duplicate(f"{place}.type", kind))
        seen.add(kind)
    if seen >= set(_DECIDED):
        both = [f'conditions[{{"type": "{kind}"}}]' for kind in _DECIDED]
        why = f"must specify at most one of: {', '.join(f'`{one}`' for one in both)}"
        found.append(FieldError.invalid(path, f"{{{', '.join(both)}}}", why))
    certificate = (new.get("status") or {}).get("certificate")
    if certificate and certificate != ((old or {}).get("status") or {}).get("certificate"):
        fault = requests.certificate_fault(_decoded(certificate))
        if fault:
            found.append(FieldError.invalid("status.certificate", "<certificate data>", fault))
    return found


def _change_faults(new: Object, old: Object, subresource: str) -> Faults:
    found: Faults = []
    path = "status.conditions"
    for kind in _TRUE_ONLY:
        if len(_of_type(new, kind)) < len(_of_type(old, kind)):
            why = f'updates may not remove a condition of type "{kind}"'
            found.append(FieldError.forbidden(path, why))
    if subresource != "approval":
        for kind in _DECIDED:
            if len(_of_type(new, kind)) > len(_of_type(old, kind)):
                why = f'updates may not add a condition of type "{kind}"'
                found.append(FieldError.forbidden(path, why))
    before = (old.get("status") or {}).get("certificate") or ""
    after = (new.get("status") or {}).get("certificate") or ""
    if before and before != after:
        why = "updates may not modify existing certificate content"
        found.append(FieldError.forbidden("status.certificate", why))
    return found
