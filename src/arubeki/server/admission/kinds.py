"""The small particulars of built-in kinds: names, generations, what a PUT may do.

On the ring: [HTTP > **server** > storage]. Source: kubernetes pkg/registry/*/*/strategy.go.
"""

import base64
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.server import failures
from arubeki.server.admission.metadata import finalizer_fault, standard_fault
from arubeki.server.admission.strategy import Object, Strategy, WithGeneration
from arubeki.server.resources import Resource

NAME_LABEL = "kubernetes.io/metadata.name"
IMMORTAL = ("default", "kube-public", "kube-system")
"""Namespaces that cannot be deleted."""


class NamespaceStrategy(Strategy):
    """Namespaces: alive until their finalizer in the spec is taken away."""

    says_grace = False

    def name_faults(self, name: str) -> list[str]:
        """A namespace's name is a DNS label."""
        return names.dns_label(name)

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """Only `finalize` writes the finalizers of the spec."""
        if old is not None and subresource == "finalize":
            new["status"] = old.get("status", {})
            return
        super().reset(resource, new, old, subresource)
        if old is not None:
            new["spec"] = old.get("spec", {})

    async def admit(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> None:
        """A new namespace is active, and held by the namespace controller's finalizer."""
        del resource, subresource
        if old is None:
            finalizers = list((new.get("spec") or {}).get("finalizers") or ())
            if "kubernetes" not in finalizers:
                finalizers.append("kubernetes")
            new["spec"] = {"finalizers": finalizers}
            new["status"] = {"phase": "Active"}
            # Defaulting could not do it where the name was drawn only now.
            metadata = new["metadata"]
            metadata.setdefault("labels", {})[NAME_LABEL] = metadata.get("name", "")

    def validate(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> list[FieldError]:
        """The finalizers of the spec are named as those of the metadata."""
        del resource, subresource
        faults = []
        for index, one in enumerate((new.get("spec") or {}).get("finalizers") or ()):
            path = "spec.finalizers" if old is None else f"spec.finalizers[{index}]"
            faults += finalizer_fault(path, one) + standard_fault(path, one)
        return faults

    def check_deletable(self, resource: Resource, obj: Object) -> None:
        """Those that the cluster itself lives in stay."""
        name = obj["metadata"]["name"]
        if name in IMMORTAL:
            raise failures.forbidden(resource, name, "this namespace may not be deleted")

    def begin_deletion(self, obj: Object) -> None:
        """A namespace that is going says so in its phase."""
        obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}

    def holds_back(self, obj: Object) -> bool:
        """Its content goes first."""
        return bool((obj.get("spec") or {}).get("finalizers"))


class NodeStrategy(Strategy):
    """Nodes: who registers one tells its status at once."""

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """Keep a new node's status."""
        if old is not None:
            super().reset(resource, new, old, subresource)


class LeaseStrategy(Strategy):
    """Leases: a PUT makes one, but never over somebody else's."""

    unconditional_update = False
    create_on_update = True

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """Drop what belongs to coordinated leader election, which is off unless asked for."""
        super().reset(resource, new, old, subresource)
        spec, before = new.get("spec") or {}, (old or {}).get("spec") or {}
        for name in ("strategy", "preferredHolder"):
            if name not in before:
                spec.pop(name, None)


class EventStrategy(Strategy):
    """Events: a PUT makes one."""

    create_on_update = True


class EndpointsStrategy(Strategy):
    """Endpoints: a PUT makes them."""

    create_on_update = True


class EndpointSliceStrategy(WithGeneration):
    """EndpointSlices: their generation counts every change but that of annotations."""

    def is_new_generation(self, resource: Resource, new: Object, old: Object) -> bool:
        """Tell whether endpoints, ports or labels have changed."""
        del resource
        return _without_metadata(new) != _without_metadata(old) or new["metadata"].get(
            "labels"
        ) != old["metadata"].get("labels")

    def warnings(self, new: Object, old: Object | None, subresource: str) -> list[str]:
        """Warn of names in the place of addresses, and of odd addresses."""
        del subresource
        from arubeki.api.rules import warnings  # which a start has no need of

        return warnings.endpoint_slice(new, old)


class ServiceAccountStrategy(Strategy):
    """ServiceAccounts."""

    returns_deleted = True


class SecretStrategy(Strategy):
    """Secrets: `stringData` is a way to write `data`, and is never read back."""

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """Put what was given as text where it belongs."""
        super().reset(resource, new, old, subresource)
        given = new.pop("stringData", None)
        if given:
            data = dict(new.get("data") or {})
            for key, text in given.items():
                data[key] = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()
            new["data"] = data


def _without_metadata(obj: Object) -> dict[str, Any]:
    return {name: value for name, value in obj.items() if name != "metadata"}
