"""The resources that every server has: what discovery lists of Kubernetes' stable versions.

Names, verbs and subresources are facts (`arubeki.api.facts`). The tables here hold what no published
document tells: under which keys objects lie, which fields select, what is deprecated, and what this
server does not serve.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/kubeapiserver/default_storage_factory_builder.go (storage keys),
pkg/apis/*/v1/conversion.go (selectable fields).
"""

from collections.abc import Mapping

from arubeki.api import facts
from arubeki.api.facts import ResourceFact
from arubeki.api.objects import GVK
from arubeki.server.autoscalers import AutoscalersV1
from arubeki.server.events import EventsV1
from arubeki.server.meta import Projection, Selectable
from arubeki.server.resources import ALL_VERBS, Resource, Subresource

_NOT_SERVED: Mapping[str, frozenset[str]] = {
    "/v1/nodes": frozenset({"proxy"}),
    "/v1/pods": frozenset({"attach", "exec", "portforward", "proxy"}),
    "/v1/services": frozenset({"proxy"}),
}
"""What Kubernetes has below these resources and this server does not, yet."""

_ABSENT = {
    "/v1/componentstatuses",
}
"""Resources of Kubernetes that this server does not have, yet."""

_STORED_AS = {
    **dict.fromkeys(
        (
            "/v1/bindings",
            "authentication.k8s.io/v1/selfsubjectreviews",
            "authentication.k8s.io/v1/tokenreviews",
            "authorization.k8s.io/v1/localsubjectaccessreviews",
            "authorization.k8s.io/v1/selfsubjectaccessreviews",
            "authorization.k8s.io/v1/selfsubjectrulesreviews",
            "authorization.k8s.io/v1/subjectaccessreviews",
        ),
        "",
    ),
    "/v1/endpoints": "services/endpoints",
    "/v1/nodes": "minions",
    "/v1/replicationcontrollers": "controllers",
    "/v1/services": "services/specs",
    "apiextensions.k8s.io/v1/customresourcedefinitions": (
        "apiextensions.k8s.io/customresourcedefinitions"
    ),
    "apiregistration.k8s.io/v1/apiservices": "apiregistration.k8s.io/apiservices",
    "networking.k8s.io/v1/ingresses": "ingress",
}
"""Where objects lie that do not lie under their resource's name; "" for what is not stored."""

_DEPRECATED = {
    "/v1/endpoints": "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
}


def built_in() -> list[Resource]:
    """Return the built-in resources, in discovery's order."""
    events = Projection({**_event_fields(), **_events_v1_fields()})
    found = []
    for place, fact in facts.resources().items():
        if place in _ABSENT:
            continue
        resource = _resource(place, fact)
        if resource.kind == "Event":
            # One for both versions, since both keep what it reads on the same stored Event.
            resource.shared_projection = resource.projection = events
            resource.converter = EventsV1() if resource.group else None
        elif place == "autoscaling/v1/horizontalpodautoscalers":
            resource.converter = AutoscalersV1()
        found.append(resource)
    return found


def _resource(place: str, fact: ResourceFact) -> Resource:
    group, version, plural = place.split("/")
    absent = _NOT_SERVED.get(place, frozenset())
    stored_as = _STORED_AS.get(place, plural)
    return Resource(
        gvk=GVK(group, version, fact.kind),
        plural=plural,
        short_names=fact.short,
        categories=fact.categories,
        namespaced=fact.namespaced,
        verbs=fact.verbs or ALL_VERBS,
        subresources={
            name: Subresource(name, _gvk(one.kind, group, version), one.verbs)
            for name, one in fact.subresources.items()
            if name not in absent
        },
        not_served=absent,
        prefix=stored_as and f"/registry/{stored_as}/",
        selectable=_SELECTABLE.get(place, {}),
        deprecation=_DEPRECATED.get(place, ""),
    )


def _gvk(kind: str, group: str, version: str) -> GVK:
    """Read `Pod` or `autoscaling/v1/Scale`."""
    words = kind.split("/")
    return GVK(words[0], words[1], words[2]) if len(words) == 3 else GVK(group, version, kind)


def _fields(*paths: str, default: str = "") -> dict[str, Selectable]:
    return {path: Selectable((path,), default) for path in paths}


_POD_FIELDS = {
    **_fields(
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "status.phase", "status.podIP", "status.nominatedNodeName",
    ),
    **_fields("spec.hostNetwork", default="false"),
    "status.podIPs": Selectable(("status.podIP",)),
}  # fmt: skip

_ABOUT = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


def _event_fields() -> dict[str, Selectable]:
    return {
        **_fields(*(f"involvedObject.{name}" for name in _ABOUT), "reason", "type"),
        "reportingComponent": Selectable(("reportingComponent",)),
        "source": Selectable(("source.component", "reportingComponent")),
    }


def _events_v1_fields() -> dict[str, Selectable]:
    # Labels of events.k8s.io/v1, paths of the stored form, which is that of core/v1.
    core = _event_fields()
    return {
        **{f"regarding.{name}": core[f"involvedObject.{name}"] for name in _ABOUT},
        "reportingController": core["reportingComponent"],
        **{name: core[name] for name in ("reason", "type")},
    }


_SELECTABLE: Mapping[str, Mapping[str, Selectable]] = {
    "/v1/events": _event_fields(),
    "/v1/namespaces": _fields("status.phase"),
    "/v1/nodes": _fields("spec.unschedulable", default="false"),
    "/v1/pods": _POD_FIELDS,
    "/v1/replicationcontrollers": _fields("status.replicas", default="0"),
    "/v1/secrets": _fields("type"),
    "/v1/services": _fields("spec.clusterIP", "spec.type"),
    "batch/v1/jobs": {"status.successful": Selectable(("status.succeeded",), "0")},
    "certificates.k8s.io/v1/certificatesigningrequests": _fields("spec.signerName"),
    "certificates.k8s.io/v1/clustertrustbundles": _fields("spec.signerName"),
    "certificates.k8s.io/v1/podcertificaterequests": _fields(
        "spec.signerName", "spec.podName", "spec.nodeName"
    ),
    "events.k8s.io/v1/events": _events_v1_fields(),
    "resource.k8s.io/v1/resourceslices": _fields("spec.nodeName", "spec.driver", "spec.pool.name"),
}
