"""What Kubernetes writes into an object where its author said nothing.

The schemas do not tell: in Kubernetes defaults are code, here they are functions over dicts, a file
per family of kinds, each named after its source. Defaults that need to know the cluster (a ServiceAccount, a priority, a cluster IP) belong to
admission and to the server, and so do those that tell the time (a device's taints).

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/*/v1/{defaults,zz_generated.defaults}.go.
"""

from collections.abc import Callable
from typing import Any

from arubeki.api.defaults import core, others, pods, workloads
from arubeki.api.objects import GVK

Default = Callable[[dict[str, Any]], None]

_TABLE: dict[tuple[str, str], Default] = {
    ("", "Endpoints"): core.endpoints,
    ("", "LimitRange"): core.limit_range,
    ("", "Namespace"): core.namespace,
    ("", "Node"): core.node,
    ("", "PersistentVolume"): core.persistent_volume,
    ("", "PersistentVolumeClaim"): core.persistent_volume_claim,
    ("", "Pod"): pods.pod,
    ("", "PodTemplate"): workloads.pod_template,
    ("", "ReplicationController"): workloads.replication_controller,
    ("", "Secret"): core.secret,
    ("", "Service"): core.service,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): others.admission_policy,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): others.policy_binding,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): others.mutating_webhooks,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): others.admission_policy,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): others.policy_binding,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): others.validating_webhooks,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): others.custom_resource_definition,
    ("apiregistration.k8s.io", "APIService"): others.api_service,
    ("apps", "DaemonSet"): workloads.daemon_set,
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("apps", "StatefulSet"): workloads.stateful_set,
    ("authentication.k8s.io", "TokenRequest"): others.token_request,
    ("autoscaling", "HorizontalPodAutoscaler"): others.autoscaler,
    ("batch", "CronJob"): workloads.cron_job,
    ("batch", "Job"): workloads.job,
    ("certificates.k8s.io", "PodCertificateRequest"): others.pod_certificate_request,
    ("discovery.k8s.io", "EndpointSlice"): others.endpoint_slice,
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): others.flow_schema,
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): others.priority_level,
    ("networking.k8s.io", "IngressClass"): others.ingress_class,
    ("networking.k8s.io", "NetworkPolicy"): others.network_policy,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): others.role_binding,
    ("rbac.authorization.k8s.io", "RoleBinding"): others.role_binding,
    ("resource.k8s.io", "ResourceClaim"): others.resource_claim,
    ("resource.k8s.io", "ResourceClaimTemplate"): others.resource_claim_template,
    ("scheduling.k8s.io", "PriorityClass"): others.priority_class,
    ("storage.k8s.io", "CSIDriver"): others.csi_driver,
    ("storage.k8s.io", "StorageClass"): others.storage_class,
}


def apply_defaults(gvk: GVK, obj: dict[str, Any]) -> None:
    """Fill in, in place, the defaults of a built-in kind; nothing for a kind that has none.

    The object's types must be right (`api.structure.types`) and nulls gone.
    """
    if (default := _TABLE.get((gvk.group, gvk.kind))) is not None:
        default(obj)
