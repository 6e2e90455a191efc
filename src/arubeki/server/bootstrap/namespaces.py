"""The namespaces that every cluster has, and the way to the API from within.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/controlplane/controller/{systemnamespaces,kubernetesservice}.
"""

from typing import Any

from arubeki.errors import AlreadyExists, ApiError, NotFound
from arubeki.net.message import Handler, Request, Response, User
from arubeki.server.core import Settings
from arubeki.server.wire import decode_json, encode_json

USER = User("system:apiserver", ("system:masters",))
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
SERVICE = "kubernetes"

Object = dict[str, Any]


async def create_through(handler: Handler, settings: Settings, service_address: str) -> None:
    """Create what is missing, through the server's own door, where defaults are filled in.

    Raises: ApiError.
    """
    for name in NAMESPACES:
        await _ensure(handler, "/api/v1/namespaces", {"metadata": {"name": name}})
    inside = "/api/v1/namespaces/default"
    await _ensure(handler, f"{inside}/services", _service(service_address))
    await _point(handler, f"{inside}/endpoints", _endpoints(settings))
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    await _point(handler, slices, _endpoint_slice(settings))


def _service(address: str) -> Object:
    labels = {"component": "apiserver", "provider": "kubernetes"}
    port = {"name": "https", "port": 443, "targetPort": 443, "protocol": "TCP"}
    return {
        "metadata": {"name": SERVICE, "labels": labels},
        "spec": {"clusterIP": address, "ports": [port]},
    }


def _endpoints(settings: Settings) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": SERVICE,
            # The EndpointSlice is made here as well, not mirrored from this.
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [
            {
                "addresses": [{"ip": settings.address}],
                "ports": [{"name": "https", "port": settings.port, "protocol": "TCP"}],
            }
        ],
    }


def _endpoint_slice(settings: Settings) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": SERVICE, "labels": {"kubernetes.io/service-name": SERVICE}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [settings.address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": settings.port, "protocol": "TCP"}],
    }


async def _ensure(handler: Handler, path: str, obj: Object) -> None:
    """Create an object unless it is there.

    Looking first matters for the Service: its address is taken before its name is tried.
    """
    try:
        await _ask(handler, "GET", f"{path}/{obj['metadata']['name']}")
    except NotFound:
        pass
    else:
        return
    try:
        await _ask(handler, "POST", path, obj)
    except AlreadyExists:
        return


async def _point(handler: Handler, path: str, obj: Object) -> None:
    """Create an object, or make it say where the server is this time."""
    try:
        await _ask(handler, "POST", path, obj)
    except AlreadyExists:
        await _ask(handler, "PUT", f"{path}/{obj['metadata']['name']}", obj)


async def _ask(handler: Handler, method: str, path: str, obj: Object | None = None) -> None:
    headers = {"content-type": "application/json", "user-agent": "kube-apiserver"}
    body = encode_json(obj) if obj is not None else b""
    request = Request(method, path, headers=headers, body=body, user=USER)
    response = await handler(request)
    assert isinstance(response, Response), "nothing here is a watch"
    if response.status >= 400:
        raise ApiError.from_status(decode_json(response.content()), response.status)
