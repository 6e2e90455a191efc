"""The objects of a kind, and what can be done with them."""

import copy
import dataclasses
from dataclasses import dataclass
from typing import Any

from tests.conformance.kit.patience import eventually

CONFLICT_TRIES = 10
FORMS = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


@dataclass(frozen=True)
class Collection:
    """The objects of a kind: in a namespace, in all ("" and a namespaced kind), or the cluster's."""

    api: Any
    api_version: str
    kind: str
    plural: str
    namespace: str = ""

    def path(self, name="", sub=""):
        root = (
            f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        )
        place = f"/namespaces/{self.namespace}" if self.namespace else ""
        return f"{root}{place}/{self.plural}" + "".join(f"/{one}" for one in (name, sub) if one)

    def everywhere(self):
        """Return the objects of all namespaces."""
        return dataclasses.replace(self, namespace="")

    def typed(self, obj):
        """Return an object with the kind written to it, as typed clients send it."""
        return {"apiVersion": self.api_version, "kind": self.kind, **obj}

    def create(self, obj, **query):
        return self.api.ask("POST", self.path(), self.typed(obj), **query)

    def get(self, name, sub="", **query):
        return self.api.ask("GET", self.path(name, sub), **query)

    def list(self, **query):
        """Return the list object: {"metadata": …, "items": […]}."""
        return self.api.ask("GET", self.path(), **query)

    def items(self, **query):
        return self.list(**query)["items"]

    def names(self, **query):
        return [one["metadata"]["name"] for one in self.items(**query)]

    def update(self, obj, sub="", **query):
        path = self.path(obj["metadata"]["name"], sub)
        return self.api.ask("PUT", path, self.typed(obj), **query)

    def change(self, name, alter, sub=""):
        """Let `alter` change the object as it is, and put it back; begin again on a conflict."""
        for _ in range(CONFLICT_TRIES):
            obj = copy.deepcopy(self.get(name))
            alter(obj)
            path = self.path(name, sub)
            answer = self.api.send("PUT", path, self.typed(obj))
            if answer.status != 409:
                return self._read(answer)
        raise AssertionError(f"{CONFLICT_TRIES} conflicts about {self.plural} {name}")

    def patch(self, name, patch, sub="", *, form="merge", **query):
        headers = {"Content-Type": FORMS[form]}
        return self.api.ask("PATCH", self.path(name, sub), patch, headers=headers, **query)

    def apply(self, name, obj, sub="", **query):
        query.setdefault("fieldManager", "conformance")
        return self.patch(name, self.typed(obj), sub, form="apply", **query)

    def delete(self, name, **options):
        """Delete an object; `options` are those of DeleteOptions (`propagationPolicy`, …)."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options} if options else None
        return self.api.ask("DELETE", self.path(name), body)

    def delete_collection(self, **query):
        return self.api.ask("DELETE", self.path(), **query)

    def watch(self, **query):
        return self.api.watch(self.path(), **query)

    def is_gone(self, name):
        return self.api.send("GET", self.path(name)).status == 404

    def wait_gone(self, name):
        """Wait until an object is no more."""
        eventually(lambda: self.is_gone(name), f"the end of {self.plural} {name}")

    def wait(self, name, holds=bool):
        """Wait until an object is there and something holds of it, and return it so."""

        def found():
            answer = self.api.send("GET", self.path(name))
            obj = None if answer.status == 404 else self._read(answer)
            return obj if obj and holds(obj) else None

        return eventually(found, f"a change of {self.plural} {name}")

    @staticmethod
    def _read(answer):
        from tests.conformance.kit.client import Refused

        if answer.status >= 400:
            raise Refused(answer)
        return answer.json


def named(name, labels=None, **more):
    """Return an object with a name; `more` are its other fields."""
    metadata = {"name": name} | ({"labels": labels} if labels else {})
    return {"metadata": metadata, **more}
