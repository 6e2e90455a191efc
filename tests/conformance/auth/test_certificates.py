"""Requests for certificates, as objects.

Source: kubernetes test/e2e/auth/certificates.go.
"""

import base64

import pytest

from tests.conformance.auth import certificates
from tests.conformance.kit import Refused, conformance, discovered

GROUP = "certificates.k8s.io/v1"
PLURAL = "certificatesigningrequests"


def annotate(obj, key):
    return {"metadata": {"annotations": {key: "true"}}, **obj}


@conformance(
    "[sig-auth] Certificates API [Privileged:ClusterAdmin] should support CSR API operations "
    "[Conformance]"
)
def test_certificate_signing_requests_have_all_verbs(api, unique):
    discovered(api, GROUP, PLURAL, f"{PLURAL}/approval", f"{PLURAL}/status")
    objects = api.of(GROUP, "CertificateSigningRequest")
    signer = f"example.com/{unique}"
    key = certificates.new_key()
    template = {
        "metadata": {"generateName": "conformance-csr-"},
        "spec": {
            "request": certificates.request(key),
            "signerName": signer,
            "expirationSeconds": 3600,
            "usages": ["digital signature", "key encipherment", "server auth"],
        },
    }
    made = [objects.create(template) for _ in range(3)][-1]
    name, uid = made["metadata"]["name"], made["metadata"]["uid"]
    found = objects.get(name)
    assert found["metadata"]["uid"] == uid and found["spec"]["expirationSeconds"] == 3600
    select = {"fieldSelector": f"spec.signerName={signer}"}
    listed = objects.list(**select)
    assert len(listed["items"]) == 3
    since = listed["metadata"]["resourceVersion"]
    with objects.watch(resourceVersion=since, fieldSelector=f"metadata.name={name}") as watch:
        patched = objects.patch(name, annotate({}, "patched"))
        assert patched["metadata"]["annotations"] == {"patched": "true"}
        patched["metadata"]["annotations"]["updated"] = "true"
        updated = objects.update(patched)
        assert updated["metadata"]["annotations"] == {"patched": "true", "updated": "true"}
        assert watch.expect("MODIFIED", name)["metadata"]["annotations"] == {"patched": "true"}
        assert watch.expect("MODIFIED", name) == updated
        check_approval(objects, name, uid)
        check_status(objects, name, uid, certificates.certificate(key, certificates.this_hour(), 1))
        objects.delete(name)
        watch.until("DELETED", name)
    with pytest.raises(Refused) as refused:
        objects.get(name)
    assert (refused.value.code, refused.value.reason) == (404, "NotFound")
    assert len(objects.items(**select)) == 2
    objects.delete_collection(**select)
    assert objects.items(**select) == []


def check_approval(objects, name, uid):
    found = objects.get(name, "approval")
    assert (found["apiVersion"], found["kind"]) == (GROUP, "CertificateSigningRequest")
    assert found["metadata"]["uid"] == uid
    condition = {"type": "ApprovalPatch", "status": "True", "reason": "e2e"}
    patch = annotate({"status": {"conditions": [condition]}}, "patchedapproval")
    patched = objects.patch(name, patch, "approval")
    assert [one["type"] for one in patched["status"]["conditions"]] == ["ApprovalPatch"]
    assert patched["metadata"]["annotations"]["patchedapproval"] == "true"
    patched["status"]["conditions"].append(
        {"type": "Approved", "status": "True", "reason": "E2E", "message": "Set from a test"}
    )
    updated = objects.update(patched, "approval")
    types = [one["type"] for one in updated["status"]["conditions"]]
    assert types == ["ApprovalPatch", "Approved"]


def check_status(objects, name, uid, certificate):
    found = objects.get(name, "status")
    assert (found["apiVersion"], found["kind"]) == (GROUP, "CertificateSigningRequest")
    assert found["metadata"]["uid"] == uid
    encoded = base64.b64encode(certificate.encode()).decode()
    patch = annotate({"status": {"certificate": encoded}}, "patchedstatus")
    patched = objects.patch(name, patch, "status")
    assert patched["status"]["certificate"] == encoded
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
    before = patched["status"]["conditions"]
    more = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set"}
    patched["status"]["conditions"] = [*before, more]
    updated = objects.update(patched, "status")
    assert len(updated["status"]["conditions"]) == len(before) + 1
    assert updated["status"]["conditions"][-1]["type"] == "StatusUpdate"
    assert objects.get(name) == updated
