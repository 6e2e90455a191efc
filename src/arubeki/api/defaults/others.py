"""Defaults of the small groups.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/{admissionregistration,authentication,discovery,networking,rbac,
scheduling,storage}/v1/defaults.go, apiextensions-apiserver pkg/apis/apiextensions/v1/defaults.go.
"""

from typing import Any

from arubeki.api.autoscalers import CPU_PERCENT, cpu_metric
from arubeki.api.defaults.fill import empty, struct, unset

_RBAC = "rbac.authorization.k8s.io"
_WEBHOOK_SECONDS = 10
_TOKEN_SECONDS = 3600
_CERTIFICATE_SECONDS = 86400
_HTTPS = 443


def custom_resource_definition(obj: dict[str, Any]) -> None:
    """Fill in the names, the conversion and the stored version of a CustomResourceDefinition."""
    spec = struct(obj, "spec")
    names = struct(spec, "names")
    if kind := names.get("kind"):
        empty(names, "singular", kind.lower())
        empty(names, "listKind", f"{kind}List")
    conversion = spec.setdefault("conversion", {"strategy": "None"})
    _service_port(conversion.get("webhook", {}).get("clientConfig", {}))
    status = struct(obj, "status")
    if not status.get("storedVersions"):
        stored = [one.get("name", "") for one in spec.get("versions", ()) if one.get("storage")]
        if stored:
            status["storedVersions"] = stored[:1]


def endpoint_slice(obj: dict[str, Any]) -> None:
    """Fill in the ports of an EndpointSlice."""
    for port in obj.get("ports", ()):
        unset(port, "name", "")
        unset(port, "protocol", "TCP")


def validating_webhooks(obj: dict[str, Any]) -> None:
    """Fill in a ValidatingWebhookConfiguration."""
    for webhook in obj.get("webhooks", ()):
        _webhook(webhook)


def mutating_webhooks(obj: dict[str, Any]) -> None:
    """Fill in a MutatingWebhookConfiguration."""
    for webhook in obj.get("webhooks", ()):
        _webhook(webhook)
        unset(webhook, "reinvocationPolicy", "Never")


def admission_policy(obj: dict[str, Any]) -> None:
    """Fill in a ValidatingAdmissionPolicy or MutatingAdmissionPolicy."""
    spec = struct(obj, "spec")
    unset(spec, "failurePolicy", "Fail")
    _match_resources(spec.get("matchConstraints"))


def policy_binding(obj: dict[str, Any]) -> None:
    """Fill in a ValidatingAdmissionPolicyBinding or MutatingAdmissionPolicyBinding."""
    _match_resources(struct(obj, "spec").get("matchResources"))


def _match_resources(found: dict[str, Any] | None) -> None:
    if found is None:
        return
    unset(found, "matchPolicy", "Equivalent")
    unset(found, "namespaceSelector", {})
    unset(found, "objectSelector", {})
    for name in ("resourceRules", "excludeResourceRules"):
        for rule in found.get(name, ()):
            unset(rule, "scope", "*")


def api_service(obj: dict[str, Any]) -> None:
    """Fill in an APIService."""
    service = struct(obj, "spec").get("service")
    if service is not None:
        unset(service, "port", _HTTPS)


def resource_claim(obj: dict[str, Any]) -> None:
    """Fill in how many devices a ResourceClaim asks for."""
    _device_claim(struct(obj, "spec"))


def resource_claim_template(obj: dict[str, Any]) -> None:
    """Fill in how many devices the claims of a ResourceClaimTemplate ask for."""
    _device_claim(struct(struct(obj, "spec"), "spec"))


def _device_claim(spec: dict[str, Any]) -> None:
    for request in struct(spec, "devices").get("requests", ()):
        exactly = request.get("exactly")
        for one in (exactly,) if exactly is not None else request.get("firstAvailable", ()):
            empty(one, "allocationMode", "ExactCount")
            if one["allocationMode"] == "ExactCount":
                empty(one, "count", 1)
            for toleration in one.get("tolerations", ()):
                empty(toleration, "operator", "Equal")


def flow_schema(obj: dict[str, Any]) -> None:
    """Fill in the precedence of a FlowSchema."""
    empty(struct(obj, "spec"), "matchingPrecedence", 1000)


def priority_level(obj: dict[str, Any]) -> None:
    """Fill in a PriorityLevelConfiguration."""
    spec = struct(obj, "spec")
    if "exempt" in spec:
        unset(spec["exempt"], "nominalConcurrencyShares", 0)
        unset(spec["exempt"], "lendablePercent", 0)
    if (limited := spec.get("limited")) is not None:
        unset(limited, "nominalConcurrencyShares", 30)
        unset(limited, "lendablePercent", 0)
        queuing = struct(limited, "limitResponse").get("queuing")
        if queuing is not None:
            empty(queuing, "queues", 64)
            empty(queuing, "handSize", 8)
            empty(queuing, "queueLengthLimit", 50)


def _webhook(webhook: dict[str, Any]) -> None:
    unset(webhook, "failurePolicy", "Fail")
    unset(webhook, "matchPolicy", "Equivalent")
    unset(webhook, "namespaceSelector", {})
    unset(webhook, "objectSelector", {})
    unset(webhook, "timeoutSeconds", _WEBHOOK_SECONDS)
    for rule in webhook.get("rules", ()):
        unset(rule, "scope", "*")
    _service_port(struct(webhook, "clientConfig"))


def _service_port(client_config: dict[str, Any]) -> None:
    if "service" in client_config:
        unset(client_config["service"], "port", _HTTPS)


def role_binding(obj: dict[str, Any]) -> None:
    """Fill in the groups that a RoleBinding or ClusterRoleBinding refers to."""
    empty(struct(obj, "roleRef"), "apiGroup", _RBAC)
    for subject in obj.get("subjects", ()):
        if subject.get("kind") in ("User", "Group"):
            empty(subject, "apiGroup", _RBAC)


def network_policy(obj: dict[str, Any]) -> None:
    """Fill in a NetworkPolicy: it is about what comes in, and what goes out where it says so."""
    spec = struct(obj, "spec")
    struct(spec, "podSelector")
    for rule in (*spec.get("ingress", ()), *spec.get("egress", ())):
        for port in rule.get("ports", ()):
            unset(port, "protocol", "TCP")
    empty(spec, "policyTypes", ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])


def ingress_class(obj: dict[str, Any]) -> None:
    """Fill in the scope of an IngressClass' parameters."""
    parameters = struct(obj, "spec").get("parameters")
    if parameters is not None:
        unset(parameters, "scope", "Cluster")


def autoscaler(obj: dict[str, Any]) -> None:
    """Fill in a HorizontalPodAutoscaler; the target of v1 is filled in when it becomes v2."""
    spec = struct(obj, "spec")
    unset(spec, "minReplicas", 1)
    if obj.get("apiVersion") != "autoscaling/v1":
        if not spec.get("metrics"):
            spec["metrics"] = [cpu_metric(CPU_PERCENT)]
        if "behavior" in spec:
            for name, rules in _SCALING.items():
                _scaling_rules(struct(spec["behavior"], name), rules)


_SCALING: dict[str, tuple[tuple[str, int], ...]] = {
    "scaleUp": (("Pods", 4), ("Percent", 100)),
    "scaleDown": (("Percent", 100),),
}
_SCALING_SECONDS = 15


def _scaling_rules(rules: dict[str, Any], policies: tuple[tuple[str, int], ...]) -> None:
    if len(policies) > 1:
        unset(rules, "stabilizationWindowSeconds", 0)
    unset(rules, "selectPolicy", "Max")
    made = [
        {"type": kind, "value": value, "periodSeconds": _SCALING_SECONDS}
        for kind, value in policies
    ]
    if "policies" not in rules:
        rules["policies"] = made


def priority_class(obj: dict[str, Any]) -> None:
    """Fill in a PriorityClass."""
    unset(obj, "preemptionPolicy", "PreemptLowerPriority")


def storage_class(obj: dict[str, Any]) -> None:
    """Fill in a StorageClass."""
    unset(obj, "reclaimPolicy", "Delete")
    unset(obj, "volumeBindingMode", "Immediate")


def csi_driver(obj: dict[str, Any]) -> None:
    """Fill in a CSIDriver."""
    spec = struct(obj, "spec")
    unset(spec, "attachRequired", True)
    unset(spec, "podInfoOnMount", False)
    unset(spec, "storageCapacity", False)
    unset(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType")
    empty(spec, "volumeLifecycleModes", ["Persistent"])
    unset(spec, "requiresRepublish", False)
    unset(spec, "seLinuxMount", False)
    unset(spec, "preventPodSchedulingIfMissing", False)


def pod_certificate_request(obj: dict[str, Any]) -> None:
    """Fill in a PodCertificateRequest: a certificate lives for a day."""
    unset(struct(obj, "spec"), "maxExpirationSeconds", _CERTIFICATE_SECONDS)


def token_request(obj: dict[str, Any]) -> None:
    """Fill in a TokenRequest: a token lives for an hour."""
    unset(struct(obj, "spec"), "expirationSeconds", _TOKEN_SECONDS)
