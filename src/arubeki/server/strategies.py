"""Which strategy each built-in kind has.

On the ring: [HTTP > **server** > storage].
"""

from collections.abc import Mapping

from arubeki.server.admission import groups, kinds, stores, workloads
from arubeki.server.admission.certificates import SigningRequestStrategy
from arubeki.server.admission.classes import Classes
from arubeki.server.admission.pods import PodStrategy
from arubeki.server.admission.services import ServiceStrategy
from arubeki.server.admission.strategy import Strategy
from arubeki.server.custom.strategy import DefinitionStrategy


def built_in(
    services: ServiceStrategy,
    definitions: DefinitionStrategy,
    pods: PodStrategy,
    classes: Classes,
) -> Mapping[tuple[str, str], Strategy]:
    """Return the strategies by (group, kind); a kind without particulars has no entry."""
    return {
        **groups.strategies(classes),
        ("", "Endpoints"): kinds.EndpointsStrategy(),
        ("", "Event"): kinds.EventStrategy(),
        ("", "Namespace"): kinds.NamespaceStrategy(),
        ("", "Node"): kinds.NodeStrategy(),
        ("", "Pod"): pods,
        ("", "Secret"): kinds.SecretStrategy(),
        ("", "Service"): services,
        ("", "ServiceAccount"): kinds.ServiceAccountStrategy(),
        ("", "LimitRange"): stores.LimitRangeStrategy(),
        ("", "PersistentVolume"): stores.VolumeStrategy(),
        ("", "PersistentVolumeClaim"): stores.ClaimStrategy(classes),
        ("", "ResourceQuota"): stores.QuotaStrategy(),
        ("", "PodTemplate"): workloads.PodTemplateStrategy(),
        ("", "ReplicationController"): workloads.ReplicationControllerStrategy(),
        ("apps", "DaemonSet"): workloads.DaemonSetStrategy(),
        ("apps", "Deployment"): workloads.DeploymentStrategy(),
        ("apps", "ReplicaSet"): workloads.ReplicaStrategy(),
        ("apps", "StatefulSet"): workloads.StatefulSetStrategy(),
        ("batch", "CronJob"): workloads.CronJobStrategy(),
        ("batch", "Job"): workloads.JobStrategy(),
        ("certificates.k8s.io", "CertificateSigningRequest"): SigningRequestStrategy(),
        ("apiextensions.k8s.io", "CustomResourceDefinition"): definitions,
        ("coordination.k8s.io", "Lease"): kinds.LeaseStrategy(),
        ("discovery.k8s.io", "EndpointSlice"): kinds.EndpointSliceStrategy(),
        ("events.k8s.io", "Event"): kinds.EventStrategy(),
    }
