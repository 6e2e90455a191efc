"""What a writer of the small groups' kinds is warned of, without being refused.

Pure: no I/O, no clock.
Source: kubernetes pkg/api/{node,storage}/util.go, pkg/registry/*/*/strategy.go WarningsOn{Create,
Update}.
"""

from collections.abc import Mapping
from typing import Any

from arubeki.api import ips
from arubeki.api.rules import networkpolicy, webhooks
from arubeki.api.rules.common import INGRESS_CLASS

Object = dict[str, Any]

NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": (
        'deprecated since v1.17; use "topology.kubernetes.io/region" instead'
    ),
    "failure-domain.beta.kubernetes.io/zone": (
        'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'
    ),
    "beta.kubernetes.io/instance-type": (
        'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead'
    ),
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": (
        "deprecated since v1.22; use Taints and Tolerations instead"
    ),
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
"""Labels of nodes that have a better name by now. Source: pkg/api/node/util.go."""
TOKENS_IN_SECRETS = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to"
    " prevent possible logging of tokens in volume attributes"
)


def ingress(new: Object, old: Object | None) -> list[str]:
    """The class of an Ingress was once an annotation."""
    annotations = new["metadata"].get("annotations") or {}
    given = INGRESS_CLASS in annotations
    if old is not None or not given or "ingressClassName" in new.get("spec", {}):
        return []
    return [
        f"annotation \"{INGRESS_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"
    ]


def ingress_status(new: Object) -> list[str]:
    """Addresses may be written in more than one way."""
    found = new.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
    return [
        warning
        for index, one in enumerate(found)
        for warning in ips.address_warnings(
            one.get("ip", ""), f"status.loadBalancer.ingress[{index}]"
        )
    ]


def endpoint_slice(new: Object, old: Object | None) -> list[str]:
    """Names are deprecated as addresses, which may be written in more than one way."""
    found = []
    if old is None and new.get("addressType") == "FQDN":
        found.append("spec.addressType: FQDN endpoints are deprecated")
    manager = (new["metadata"].get("labels") or {}).get("endpointslice.kubernetes.io/managed-by")
    if manager in _SLICE_CONTROLLERS:
        return found
    for index, endpoint in enumerate(new.get("endpoints") or ()):
        for at, address in enumerate(endpoint.get("addresses") or ()):
            path = f"endpoints[{index}].addresses[{at}]"
            found += ips.address_warnings(address, path)
    return found


_SLICE_CONTROLLERS = (
    "endpointslice-controller.k8s.io",
    "endpointslicemirroring-controller.k8s.io",
)


def static_name(new: Object, old: Object | None) -> list[str]:
    """Some names are meant for configurations that lie in files."""
    is_static = new["metadata"].get("name", "").endswith(webhooks.STATIC)
    return [f"metadata.name: {webhooks.RESERVED}"] if old is not None and is_static else []


def network_policy(new: Object, old: Object | None) -> list[str]:
    """Networks may be written in more than one way."""
    del old
    return [
        warning
        for text, path in networkpolicy.blocks(new)
        for warning in ips.network_warnings(text, path)
    ]


def storage_class(new: Object, old: Object | None) -> list[str]:
    """Topologies are told by labels of nodes."""
    del old
    found = []
    for index, term in enumerate(new.get("allowedTopologies") or ()):
        for at, one in enumerate(term.get("matchLabelExpressions") or ()):
            if message := NODE_LABELS.get(one.get("key", "")):
                path = f"allowedTopologies[{index}].matchLabelExpressions[{at}].key"
                found.append(f"{path}: {message}")
    return found


def storage_capacity(new: Object, old: Object | None) -> list[str]:
    """The topology of a CSIStorageCapacity selects nodes."""
    del old
    return node_selector(new.get("nodeTopology") or {}, "nodeTopology")


def node_selector(selector: Mapping[str, Any], path: str) -> list[str]:
    """Warn of old labels in a selector of nodes."""
    found = []
    for index, one in enumerate(selector.get("matchExpressions") or ()):
        if message := NODE_LABELS.get(key := one.get("key", "")):
            found.append(f"{path}.matchExpressions[{index}].key: {key} is {message}")
    for label in selector.get("matchLabels") or {}:
        if message := NODE_LABELS.get(label):
            found.append(f"{path}.matchLabels.{label}: {message}")
    return found


def runtime_class(new: Object, old: Object | None) -> list[str]:
    """A RuntimeClass selects nodes."""
    del old
    labels = (new.get("scheduling") or {}).get("nodeSelector") or {}
    return [f"scheduling.nodeSelector: {NODE_LABELS[one]}" for one in labels if one in NODE_LABELS]


def csi_driver(new: Object, old: Object | None) -> list[str]:
    """Tokens for drivers are better kept apart from other attributes."""
    spec = new.get("spec", {})
    asked = spec.get("tokenRequests")
    was = (old or {}).get("spec", {}).get("tokenRequests")
    if not asked or "serviceAccountTokenInSecrets" in spec or (old is not None and asked == was):
        return []
    return [TOKENS_IN_SECRETS]
