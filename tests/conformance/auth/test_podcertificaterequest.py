"""Requests for the certificates of Pods, as objects.

Source: kubernetes test/e2e/auth/podcertificaterequest.go.
"""

import datetime

from cryptography.hazmat.primitives.serialization import Encoding

from tests.conformance.auth import certificates
from tests.conformance.kit import conformance, discovered, named
from tests.conformance.kit.crud import Crud

GROUP = "certificates.k8s.io/v1"
PLURAL = "podcertificaterequests"
LABEL = "test.podcertificaterequest.example.com"


def uid(digit):
    return f"12345678-1234-1234-1234-12345678901{digit}"


@conformance(
    "[sig-auth] PodCertificateRequest API [Privileged:ClusterAdmin] should support "
    "PodCertificateRequest API operations [Conformance]"
)
def test_pod_certificate_requests_have_all_verbs(api, namespace):
    discovered(api, GROUP, PLURAL, f"{PLURAL}/status")
    key, begin = certificates.new_key(), certificates.this_hour()
    spec = {
        "signerName": f"example.com/{namespace}",
        "podName": "test-pod",
        "podUID": uid(2),
        "serviceAccountName": "default",
        "serviceAccountUID": uid(3),
        "nodeName": "test-node",
        "nodeUID": uid(4),
        "maxExpirationSeconds": 86400,
        "stubPKCS10Request": certificates.request(key, Encoding.DER),
    }
    condition = {
        "type": "Issued",
        "status": "True",
        "reason": "E2E",
        "message": "Issued by a test",
        "lastTransitionTime": certificates.stamp(begin),
    }
    status = {
        "certificateChain": certificates.certificate(key, begin, 24),
        "notBefore": certificates.stamp(begin),
        "notAfter": certificates.stamp(begin + datetime.timedelta(hours=24)),
        "beginRefreshAt": certificates.stamp(begin + datetime.timedelta(minutes=15)),
        "conditions": [condition],
    }
    Crud(
        api.of(GROUP, "PodCertificateRequest", namespace),
        named("request", spec=spec),
        part={"metadata": {"labels": {LABEL: "test"}}},
        operations=[{"op": "add", "path": f"/metadata/labels/{LABEL}", "value": "test"}],
        status_part={"status": status},
        status_operations=[
            {"op": "add", "path": f"/status/{name}", "value": value}
            for name, value in status.items()
        ],
    ).run()
