"""The hooks of custom objects, and of the definitions that make them.

The server itself accepts a definition's names and establishes it, in the write that stores it: who
has created a definition can use its kind at once.

On the ring: [HTTP > **server** > storage].
Source: apiextensions-apiserver pkg/registry/customresource/strategy.go, pkg/registry/
customresourcedefinition/{strategy,etcd}.go, pkg/controller/{status,establish}.
"""

from collections.abc import Callable, Mapping
from typing import Any

from arubeki import clock
from arubeki.api.fields import FieldError
from arubeki.api.objects import set_condition
from arubeki.server.admission.metadata import reset_for_status
from arubeki.server.admission.strategy import Object, Strategy
from arubeki.server.custom import validation
from arubeki.server.custom.definitions import condition, is_established, stored_version
from arubeki.server.resources import Resource
from arubeki.server.wire import encode_json

_INT32_MAX = (1 << 31) - 1
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer of a definition: its objects go first."""


class CustomStrategy(Strategy):
    """Custom objects."""

    unconditional_update = False
    has_generation = True

    def is_new_generation(self, resource: Resource, new: Object, old: Object) -> bool:
        """Everything but metadata and a separate status is what is desired."""
        apart = ("metadata", "status") if resource.has_status else ("metadata",)
        return _without(new, apart) != _without(old, apart)

    def reset_to_status(self, new: Object, old: Object) -> None:
        """Only the status, and who owns it, is written through `status`."""
        super().reset_to_status(new, old)
        reset_for_status(new, old)

    def validate(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> list[FieldError]:
        """What `scale` shows is a number of things."""
        del old, subresource
        paths = resource.custom.scale if resource.custom is not None else None
        return _replicas_faults(new, paths.replicas) if paths is not None else []


def _replicas_faults(obj: Object, path: str) -> list[FieldError]:
    """Source: apiextensions-apiserver pkg/registry/customresource/validator.go ValidateScaleSpec."""
    found: Any = obj
    *above, last = path.strip(".").split(".")
    for name in above:
        found = found.get(name, {})
        if not isinstance(found, dict):
            why = f"is of the type {_go_type(found)}, expected map[string]interface{{}}"
            return [_inaccessible(path, found, why)]
    count = found.get(last)
    if count is None:
        return []
    if not isinstance(count, int) or isinstance(count, bool):
        return [_inaccessible(path, count, f"is of the type {_go_type(count)}, expected int64")]
    if count < 0:
        return [FieldError.invalid(path, count, "should be a non-negative integer")]
    if count > _INT32_MAX:
        why = f"should be less than or equal to {_INT32_MAX}"
        return [FieldError.invalid(path, count, why)]
    return []


def _inaccessible(path: str, value: Any, why: str) -> FieldError:
    shown = value if isinstance(value, str) else encode_json(value).decode()
    return FieldError.invalid(path, 0, f"{path} accessor error: {shown} {why}")


def _go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, list):
        return "[]interface {}"
    if isinstance(value, dict):
        return "map[string]interface {}"
    return {str: "string", float: "float64", int: "int64"}.get(type(value), "<nil>")


def _without(obj: Object, names: tuple[str, ...]) -> Object:
    return {name: value for name, value in obj.items() if name not in names}


Taken = Callable[[str, str], Mapping[str, str]]
"""(group, definition's name) -> what other definitions of the group are called, by what."""


class DefinitionStrategy(Strategy):
    """CustomResourceDefinitions."""

    unconditional_update = False
    has_generation = True
    says_grace = False

    def __init__(self, taken: Taken) -> None:
        self._taken = taken

    def reset_to_status(self, new: Object, old: Object) -> None:
        """Only the status, and who owns it, is written through `status`."""
        super().reset_to_status(new, old)
        reset_for_status(new, old)

    async def admit(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> None:
        """Accept the names, or say why not."""
        del resource
        if subresource or validation.definition_faults(new, is_new=old is None):
            return
        self.accept(new, is_new=old is None)

    def accept(self, new: Object, *, is_new: bool = False) -> None:
        """Bring a definition's status, in place, to what its names and versions say."""
        spec = new["spec"]
        status: Object = {} if is_new else dict(new.get("status") or {})
        conditions = list(status.get("conditions") or ())
        taken = self._taken(spec["group"], new["metadata"].get("name", ""))
        conflict = _conflict(spec["names"], taken)
        if conflict:
            reason, message = conflict
            conditions = _set(conditions, "NamesAccepted", "False", reason, message)
        else:
            status["acceptedNames"] = dict(spec["names"])
            message = "no conflicts found"
            conditions = _set(conditions, "NamesAccepted", "True", "NoConflicts", message)
        if not is_established({"status": {"conditions": conditions}}):
            if conflict:
                message = "not all names are accepted"
                conditions = _set(conditions, "Established", "False", "NotAccepted", message)
            else:
                reason, message = (
                    "InitialNamesAccepted",
                    "the initial names have been accepted",
                )
                conditions = _set(conditions, "Established", "True", reason, message)
        status["conditions"] = conditions
        status.setdefault("acceptedNames", {"plural": "", "kind": ""})
        versions = list(status.get("storedVersions") or ())
        if stored_version(new) not in versions:
            versions.append(stored_version(new))
        status["storedVersions"] = versions
        new["status"] = status

    def validate(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> list[FieldError]:
        """Return what is wrong with a definition."""
        del resource, subresource
        faults = validation.definition_faults(new, is_new=old is None)
        if old is not None and not faults:
            established = condition(old, "Established") == "True"
            faults += validation.update_faults(new, old, established=established)
        return faults

    def begin_deletion(self, obj: Object) -> None:
        """Its objects go first."""
        metadata = obj["metadata"]
        finalizers = list(metadata.get("finalizers") or ())
        if CLEANUP not in finalizers:
            metadata["finalizers"] = [*finalizers, CLEANUP]
        message = (
            "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
        )
        set_terminating(obj, "True", "InstanceDeletionPending", message)


def set_terminating(obj: Object, status: str, reason: str, message: str) -> None:
    """Set a definition's condition Terminating, in place."""
    current = obj.get("status") or {}
    conditions = list(current.get("conditions") or ())
    conditions = _set(conditions, "Terminating", status, reason, message)
    obj["status"] = {**current, "conditions": conditions}


def _set(conditions: list[Any], kind: str, status: str, reason: str, message: str) -> list[Any]:
    new = {"type": kind, "status": status, "reason": reason, "message": message}
    return set_condition(conditions, new, clock.timestamp())


def _conflict(names: Mapping[str, Any], taken: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the reason and message of the last name that another definition has.

    The last, since Kubernetes looks at one after the other and overwrites what it has found.
    """
    found = None
    for field, reason in (
        ("plural", "PluralConflict"),
        ("singular", "SingularConflict"),
        ("shortNames", "ShortNamesConflict"),
        ("kind", "KindConflict"),
        ("listKind", "ListKindConflict"),
    ):
        given = names.get(field) or ()
        for name in (given,) if isinstance(given, str) else given:
            if name in taken:
                found = reason, f'"{name}" is already in use'
    return found
