"""The small groups: what is particular about each of their kinds, as a table.

Most kinds differ from the ordinary strategy in a few answers (may a PUT come without
resourceVersion, may it create, is there a generation, what is a name). Those with more to do have a
class here or beside their like.

On the ring: [HTTP > **server** > storage]. Source: kubernetes pkg/registry/*/*/strategy.go.
"""

from collections.abc import Callable, Mapping

from arubeki import clock
from arubeki.api import ips, names
from arubeki.api.autoscalers import OF_SPEC, OF_STATUS, to_v2
from arubeki.api.rules.common import INGRESS_CLASS
from arubeki.api.rules.scheduling import SYSTEM_CLASSES
from arubeki.server import failures
from arubeki.server.admission.classes import (
    DEFAULT_INGRESS,
    INGRESS,
    Classes,
)
from arubeki.server.admission.local import local_condition
from arubeki.server.admission.metadata import reset_for_status
from arubeki.server.admission.strategy import Object, Strategy, keep
from arubeki.server.admission.trustbundles import TrustBundleStrategy
from arubeki.server.resources import Resource

NameRule = Callable[[str], list[str]]


class Small(Strategy):
    """A kind that differs from the ordinary one in these few answers."""

    def __init__(
        self,
        *,
        unconditional_update: bool = True,
        create_on_update: bool = False,
        counted: tuple[str, ...] = (),
        has_generation: bool = False,
        is_metadata_kept: bool = False,
        name: NameRule = names.dns_subdomain,
        warn: str = "",
    ) -> None:
        """Say what differs.

        `counted` are the members whose changes metadata.generation counts; `has_generation` alone
        is for kinds whose generation stays 1. `is_metadata_kept` says that a write of the status
        leaves metadata alone, `warn` names what of `api.rules.warnings` tells the writer.
        """
        self.unconditional_update = unconditional_update
        self.create_on_update = create_on_update
        self.has_generation = has_generation or bool(counted)
        self._counted = counted
        self._is_metadata_kept = is_metadata_kept
        self._name = name
        self._warn = warn

    def name_faults(self, name: str) -> list[str]:
        """Return what is wrong with a name of this kind."""
        return self._name(name)

    def is_new_generation(self, resource: Resource, new: Object, old: Object) -> bool:
        """Tell whether a member that is counted has changed."""
        del resource
        return any(new.get(name) != old.get(name) for name in self._counted)

    def reset_to_status(self, new: Object, old: Object) -> None:
        """Give back all but the status, and metadata where it is not for the status to write."""
        super().reset_to_status(new, old)
        if self._is_metadata_kept:
            reset_for_status(new, old)

    def warnings(self, new: Object, old: Object | None, subresource: str) -> list[str]:
        """Return what to tell the writer."""
        if not self._warn or subresource:
            return []
        from arubeki.api.rules import warnings  # which a start has no need of

        found: list[str] = getattr(warnings, self._warn)(new, old)
        return found


class AutoscalerStrategy(Small):
    """HorizontalPodAutoscalers: what v1 says in annotations belongs to the spec or the status."""

    def __init__(self) -> None:
        super().__init__(counted=("spec",))

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """Give back the annotations of v1 along with what they are part of."""
        super().reset(resource, new, old, subresource)
        if resource.version != "v1":
            return
        annotations = dict(new["metadata"].get("annotations") or {})
        before = ((old or {}).get("metadata") or {}).get("annotations") or {}
        for name in OF_SPEC if subresource == "status" else OF_STATUS:
            keep(annotations, before, name)
        new["metadata"]["annotations"] = annotations
        if not annotations:
            del new["metadata"]["annotations"]

    def is_new_generation(self, resource: Resource, new: Object, old: Object) -> bool:
        """Tell whether what is desired has changed, wherever it is said."""
        del resource
        return bool(to_v2(new).get("spec") != to_v2(old).get("spec"))


class IngressStrategy(Small):
    """Ingresses: who names no class gets the default one."""

    def __init__(self, classes: Classes) -> None:
        super().__init__(counted=("spec",))
        self._classes = classes

    async def admit(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> None:
        """Give a new Ingress a class."""
        del resource, subresource
        if old is None:
            await self._classes.fill(
                new, INGRESS, DEFAULT_INGRESS, field="ingressClassName", annotation=INGRESS_CLASS
            )

    def warnings(self, new: Object, old: Object | None, subresource: str) -> list[str]:
        """Warn of the annotation, and of addresses in the status."""
        from arubeki.api.rules import warnings

        return warnings.ingress_status(new) if subresource else warnings.ingress(new, old)


class PriorityStrategy(Small):
    """PriorityClasses: one may be the default, and those of the system stay."""

    def __init__(self, classes: Classes) -> None:
        super().__init__(has_generation=True)
        self._classes = classes

    async def admit(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> None:
        """Refuse a second default."""
        del subresource
        if new.get("globalDefault") and (found := await self._classes.global_priority()):
            name, there = new["metadata"].get("name", ""), found["metadata"]["name"]
            if old is None or there != name:
                why = (
                    f"PriorityClass {there} is already marked as default. Only one default can"
                    " exist"
                )
                raise failures.forbidden(resource, name, why)

    def check_deletable(self, resource: Resource, obj: Object) -> None:
        """Refuse to delete a class of the system."""
        name = obj["metadata"]["name"]
        if name in SYSTEM_CLASSES:
            why = "this is a system priority class and cannot be deleted"
            raise failures.forbidden(resource, name, why)


class DriverStrategy(Small):
    """CSIDrivers: their generation begins with the first change."""

    def __init__(self) -> None:
        super().__init__(unconditional_update=False, counted=("spec",), warn="csi_driver")

    async def admit(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> None:
        """A new driver has none."""
        del resource, subresource
        if old is None:
            new["metadata"].pop("generation", None)


class NodeDriversStrategy(Small):
    """CSINodes: of their status Kubernetes keeps nothing while volume health is off."""

    def __init__(self) -> None:
        super().__init__(unconditional_update=False, is_metadata_kept=True)

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """Drop what belongs to a feature that is off."""
        super().reset(resource, new, old, subresource)
        if "status" in new:
            new["status"] = {}


class TaintRuleStrategy(Small):
    """DeviceTaintRules: a taint is dated when it is made, or made another."""

    def __init__(self) -> None:
        super().__init__(counted=("spec",), is_metadata_kept=True)

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """Date the taint."""
        super().reset(resource, new, old, subresource)
        found = new.get("spec", {}).get("taint")
        if found is not None and "timeAdded" not in found:
            found["timeAdded"] = clock.timestamp()


class ServiceOfApi(Small):
    """APIServices: what this server answers itself is available."""

    def __init__(self) -> None:
        super().__init__(unconditional_update=False, is_metadata_kept=True, name=names.path_segment)

    async def admit(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> None:
        """Say so in a new one's status."""
        del resource, subresource
        if old is None and "service" not in new.get("spec", {}):
            new["status"] = {"conditions": [local_condition()]}


class AddressStrategy(Small):
    """IPAddresses: the name is the address."""

    def __init__(self) -> None:
        super().__init__(name=ips.address)


_webhooks = Small(unconditional_update=False, counted=("webhooks",), warn="static_name")
_policies = Small(
    unconditional_update=False,
    counted=("spec",),
    is_metadata_kept=True,
    warn="static_name",
)
_roles = Small(create_on_update=True, name=names.path_segment)
_flow = Small(counted=("spec",), is_metadata_kept=True)


def strategies(classes: Classes) -> Mapping[tuple[str, str], Strategy]:
    """Return the strategies of the small groups by (group, kind)."""
    return {
        ("apiregistration.k8s.io", "APIService"): ServiceOfApi(),
        ("certificates.k8s.io", "ClusterTrustBundle"): TrustBundleStrategy(),
        ("certificates.k8s.io", "PodCertificateRequest"): Small(
            unconditional_update=False, is_metadata_kept=True
        ),
        ("autoscaling", "HorizontalPodAutoscaler"): AutoscalerStrategy(),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"): _flow,
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): _flow,
        ("networking.k8s.io", "Ingress"): IngressStrategy(classes),
        ("networking.k8s.io", "IngressClass"): Small(counted=("spec",)),
        ("networking.k8s.io", "IPAddress"): AddressStrategy(),
        ("networking.k8s.io", "NetworkPolicy"): Small(counted=("spec",), warn="network_policy"),
        ("networking.k8s.io", "ServiceCIDR"): Small(is_metadata_kept=True),
        ("node.k8s.io", "RuntimeClass"): Small(
            unconditional_update=False, create_on_update=True, warn="runtime_class"
        ),
        ("policy", "PodDisruptionBudget"): Small(
            unconditional_update=False, counted=("spec",), name=names.path_segment
        ),
        ("rbac.authorization.k8s.io", "ClusterRole"): _roles,
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _roles,
        ("rbac.authorization.k8s.io", "Role"): _roles,
        ("rbac.authorization.k8s.io", "RoleBinding"): _roles,
        ("resource.k8s.io", "DeviceClass"): Small(counted=("spec",)),
        ("resource.k8s.io", "DeviceTaintRule"): TaintRuleStrategy(),
        ("resource.k8s.io", "ResourceClaim"): Small(is_metadata_kept=True),
        ("resource.k8s.io", "ResourceSlice"): Small(counted=("spec",)),
        ("scheduling.k8s.io", "PriorityClass"): PriorityStrategy(classes),
        ("storage.k8s.io", "CSIDriver"): DriverStrategy(),
        ("storage.k8s.io", "CSINode"): NodeDriversStrategy(),
        ("storage.k8s.io", "CSIStorageCapacity"): Small(
            unconditional_update=False, warn="storage_capacity"
        ),
        ("storage.k8s.io", "StorageClass"): Small(warn="storage_class"),
        ("storage.k8s.io", "VolumeAttachment"): Small(
            unconditional_update=False, is_metadata_kept=True
        ),
        ("storagemigration.k8s.io", "StorageVersionMigration"): Small(
            unconditional_update=False, is_metadata_kept=True
        ),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): _policies,
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): _policies,
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): _webhooks,
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): _policies,
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): _policies,
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): _webhooks,
    }
