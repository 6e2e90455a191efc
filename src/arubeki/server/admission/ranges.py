"""LimitRanges: what containers ask for when they do not say, and how much they may ask for.

On the ring: [HTTP > **server** > storage].
Source: kubernetes plugin/pkg/admission/limitranger/admission.go.
"""

from collections.abc import Iterator, Mapping

from arubeki.api import charges, quantity
from arubeki.server import failures, wire
from arubeki.server.admission.strategy import Object
from arubeki.server.resources import Registry, Resource
from arubeki.storage.base import Storage

ANNOTATION = "kubernetes.io/limit-ranger"
_SORTS = (("containers", "container"), ("initContainers", "init container"))


class Ranges:
    """Looks at writes by the LimitRanges of their namespace."""

    def __init__(self, storage: Storage, registry: Registry) -> None:
        self._storage = storage
        self._registry = registry

    async def fill(self, resource: Resource, new: Object) -> None:
        """Give the containers of a new Pod, in place, what they do not say."""
        if (resource.group, resource.plural) == charges.PODS and isinstance(new.get("spec"), dict):
            for one in await self._of(new["metadata"]["namespace"]):
                fill(one, new)

    async def check(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> None:
        """Raise Forbidden where an object asks for more or less than it may."""
        place = (resource.group, resource.plural)
        if place == charges.PODS:
            concerns = subresource == "resize" or (old is None and not subresource)
        else:
            concerns = place == charges.CLAIMS and not subresource
        if not concerns:
            return
        for one in await self._of(new["metadata"]["namespace"]):
            found = list(dict.fromkeys(faults(one, place, new)))
            if found:
                why = found[0] if len(found) == 1 else f"[{', '.join(found)}]"
                raise failures.forbidden(resource, new["metadata"].get("name", ""), why)

    async def _of(self, namespace: str) -> list[Object]:
        ranges = self._registry.find("", "v1", "limitranges")
        assert ranges is not None, "built in"
        part = await self._storage.range(ranges.key_prefix(namespace))
        return [wire.decode(entry.value) for entry in part.entries]


def fill(limit_range: Object, pod: Object) -> None:
    """Change a Pod's containers to what a LimitRange says of those that say nothing."""
    defaults: dict[str, Object] = {"requests": {}, "limits": {}}
    for limit in limit_range["spec"].get("limits") or ():
        if limit["type"] == "Container":
            defaults["requests"] |= limit.get("defaultRequest") or {}
            defaults["limits"] |= limit.get("default") or {}
    told = []
    for field, sort in _SORTS:
        for container in pod["spec"].get(field) or ():
            for word in ("requests", "limits"):
                given = (container.get("resources") or {}).get(word) or {}
                missing = {
                    name: defaults[word][name] for name in sorted(defaults[word].keys() - given)
                }
                if missing:
                    container["resources"] = {
                        **(container.get("resources") or {}),
                        word: {**given, **missing},
                    }
                    listed = ", ".join(missing)
                    told.append(f"{listed} {word.removesuffix('s')} for {sort} {container['name']}")
    if told:
        text = f"LimitRanger plugin set: {'; '.join(told)}"
        metadata = pod["metadata"]
        metadata["annotations"] = {**(metadata.get("annotations") or {}), ANNOTATION: text}


def faults(limit_range: Object, place: charges.Place, obj: Object) -> Iterator[str]:
    """Yield where an object is beyond a LimitRange."""
    spec = obj.get("spec") or {}
    for limit in limit_range["spec"].get("limits") or ():
        kind = limit["type"]
        if kind == "PersistentVolumeClaim" and place == charges.CLAIMS:
            requests = (spec.get("resources") or {}).get("requests") or {}
            yield from _too_little(limit, requests, {})
            for name, most in sorted((limit.get("max") or {}).items()):
                yield from _beyond(kind, name, most, "request", requests)
        elif kind == "Pod" and place == charges.PODS:
            requests, limits = (charges.asked(spec, word) for word in ("requests", "limits"))
            yield from _of_amounts(limit, requests, limits)
        elif kind == "Container" and place == charges.PODS:
            for field, _ in _SORTS:
                for container in spec.get(field) or ():
                    said = container.get("resources") or {}
                    yield from _of_amounts(
                        limit, said.get("requests") or {}, said.get("limits") or {}
                    )


Said = Mapping[str, str]


def _of_amounts(limit: Object, requests: Said, limits: Said) -> Iterator[str]:
    kind = limit["type"]
    yield from _too_little(limit, requests, limits)
    for name, most in sorted((limit.get("max") or {}).items()):
        found = list(_beyond(kind, name, most, "limit", limits))
        if not found and name in requests:
            found = list(_beyond(kind, name, most, "request", requests))
        yield from found
    for name, ratio in sorted((limit.get("maxLimitRequestRatio") or {}).items()):
        yield from _too_far_apart(kind, name, ratio, requests, limits)


def _too_little(limit: Object, requests: Said, limits: Said) -> Iterator[str]:
    kind = limit["type"]
    for name, least in sorted((limit.get("min") or {}).items()):
        told = f"minimum {name} usage per {kind} is {quantity.canonical(least)}"
        if name not in requests:
            yield f"{told}.  No request is specified"
        elif quantity.compare(requests[name], least) < 0:
            yield f"{told}, but request is {quantity.canonical(requests[name])}"
        elif name in limits and quantity.compare(limits[name], least) < 0:
            yield f"{told}, but limit is {quantity.canonical(limits[name])}"


def _beyond(kind: str, name: str, most: str, word: str, said: Said) -> Iterator[str]:
    told = f"maximum {name} usage per {kind} is {quantity.canonical(most)}"
    if name not in said:
        yield f"{told}.  No {word} is specified"
    elif quantity.compare(said[name], most) > 0:
        yield f"{told}, but {word} is {quantity.canonical(said[name])}"


def _too_far_apart(kind: str, name: str, ratio: str, requests: Said, limits: Said) -> Iterator[str]:
    told = f"{name} max limit to request ratio per {kind} is {quantity.canonical(ratio)}, but"
    request, limit = (quantity.parse(said.get(name, "0")) for said in (requests, limits))
    if not request:
        yield f"{told} no request is specified or request is 0"
    elif not limit:
        yield f"{told} no limit is specified or limit is 0"
    elif limit / request > quantity.parse(ratio):
        yield f"{told} provided ratio is {float(limit / request):f}"
