"""What a new cluster begins with, in an order that costs little.

The many small objects (priority classes, flow schemas, one APIService a group) are written whole
and put straight into the storage: nothing about them needs deciding, and a start must stay short.
What has to be decided (addresses, defaults) goes through the server's own door.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/registry/scheduling/rest, pkg/registry/flowcontrol/ensurer,
pkg/controlplane/apiserver/aggregator.go, pkg/controlplane/controller/defaultservicecidr.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from arubeki import clock
from arubeki.api.objects import gvk_of
from arubeki.errors import RevisionMismatch
from arubeki.net.message import Handler
from arubeki.server import wire
from arubeki.server.bootstrap import flow
from arubeki.server.bootstrap.groups import api_services
from arubeki.server.bootstrap.namespaces import create_through
from arubeki.server.core import Core, Settings
from arubeki.server.resources import Registry

Object = dict[str, Any]

_PRIORITIES = (
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another"
        " node if necessary.",
    ),
)


async def create_defaults(handler: Handler, core: Core, service_address: str) -> None:
    """Create what is missing of that with which every cluster begins.

    Raises: ApiError, StorageError.
    """
    await _put_all(core, standing_objects(core.registry, core.settings))
    await create_through(handler, core.settings, service_address)


def standing_objects(registry: Registry, settings: Settings) -> list[Object]:
    """Return the objects that are the same in every cluster, complete but for what dates them."""
    return [
        *(_priority_class(*one) for one in _PRIORITIES),
        *flow.priority_levels(),
        *flow.flow_schemas(),
        *api_services(registry),
        _service_network(settings.service_network),
    ]


def _priority_class(name: str, value: int, description: str) -> Object:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name, "generation": 1},
        "value": value,
        "description": description,
        "preemptionPolicy": "PreemptLowerPriority",
    }


def _service_network(network: str) -> Object:
    ready = {
        "type": "Ready",
        "status": "True",
        "lastTransitionTime": clock.timestamp(),
        "reason": "",
        "message": "Kubernetes default Service CIDR is ready",
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": [network]},
        "status": {"conditions": [ready]},
    }


async def _put_all(core: Core, objects: Iterable[Object]) -> None:
    # All at once, so that a storage that commits in groups waits for its disk once.
    await asyncio.gather(*(_put(core, obj) for obj in objects))


async def _put(core: Core, obj: Object) -> None:
    resource = core.registry.kind(gvk_of(obj))
    assert resource is not None
    key = resource.key("", obj["metadata"]["name"])
    if await core.storage.get(key) is not None:
        return
    obj["metadata"]["uid"] = clock.new_uid()
    obj["metadata"]["creationTimestamp"] = clock.timestamp()
    try:
        await core.storage.commit(key, wire.encode(obj), expected=0)
    except RevisionMismatch:
        return  # another server has just done so
