"""Ingresses and their classes, as objects.

Source: kubernetes test/e2e/network/ingress.go, ingressclass.go.
"""

from tests.conformance.kit import conformance, discovered, life_of

GROUP = "networking.k8s.io/v1"


def backend(name):
    return {"service": {"name": name, "port": {"number": 8080}}}


INGRESS = {
    "spec": {
        "defaultBackend": backend("default-backend"),
        "rules": [
            {
                "host": "foo.bar.com",
                "http": {
                    "paths": [
                        {
                            "path": "/",
                            "pathType": "ImplementationSpecific",
                            "backend": backend("test-backend"),
                        }
                    ]
                },
            }
        ],
    }
}


def balanced(ip):
    return {"loadBalancer": {"ingress": [{"ip": ip}]}}


@conformance(
    "[sig-network] Ingress API should support creating Ingress API operations [Conformance]"
)
def test_ingresses_have_all_verbs(api, namespace):
    discovered(api, GROUP, "ingresses", "ingresses/status")
    objects = api.of(GROUP, "Ingress", namespace)
    for one in life_of(objects, INGRESS, elsewhere=True):
        name = one["metadata"]["name"]
        patch = {
            "metadata": {"annotations": {"patchedstatus": "true"}},
            "status": balanced("169.1.1.1"),
        }
        patched = objects.patch(name, patch, "status")
        assert patched["status"] == balanced("169.1.1.1")
        assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
        updated = objects.change(
            name, lambda obj: obj.update(status=balanced("169.1.1.2")), "status"
        )
        assert updated["status"] == balanced("169.1.1.2")
        found = objects.get(name, "status")
        assert found["metadata"]["uid"] == one["metadata"]["uid"]
        assert found["status"] == balanced("169.1.1.2")
        assert found["spec"] == one["spec"]


@conformance(
    "[sig-network] IngressClass API should support creating IngressClass API operations "
    "[Conformance]"
)
def test_ingress_classes_have_all_verbs(api):
    discovered(api, GROUP, "ingressclasses")
    template = {"spec": {"controller": "example.com/controller"}}
    for one in life_of(api.of(GROUP, "IngressClass"), template):
        assert one["spec"] == template["spec"]
