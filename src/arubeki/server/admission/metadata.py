"""The metadata that every object has: what the server sets, what it refuses.

On the ring: [HTTP > **server** > storage].
Source: apimachinery pkg/api/validation/objectmeta.go, apiserver pkg/registry/rest/meta.go.
"""

from collections.abc import Callable, Mapping
from typing import Any

from arubeki import clock
from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.errors import ApiError

GENERATED_BASE = 58
"""A generateName is cut to this, so that with its five random characters it is a DNS label."""
ANNOTATIONS_LIMIT_BYTES = 256 * 1024
_STANDARD_FINALIZERS = ("orphan", "foregroundDeletion", "kubernetes")
NameRule = Callable[[str], list[str]]


def prepare_create(metadata: dict[str, Any], *, has_generation: bool) -> None:
    """Set what the server alone sets on a new object."""
    revision = str(metadata.get("resourceVersion") or "")
    if revision.isascii() and revision.isdigit() and revision.strip("0"):
        # What is no number is passed over. No reason and 500: so it is in Kubernetes, where nobody
        # has classified this error.
        raise ApiError("resourceVersion should not be set on objects to be created")
    for name in ("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        metadata.pop(name, None)
    metadata["uid"] = clock.new_uid()
    metadata["creationTimestamp"] = clock.timestamp()
    if has_generation:
        metadata["generation"] = 1
    elif not metadata.get("generation"):
        metadata.pop("generation", None)


def generate_name(base: str) -> str:
    """Return a name that begins with `base` and is, most likely, free."""
    return base[:GENERATED_BASE] + clock.random_suffix()


_KEPT = ("creationTimestamp", "generation")
_ONCE_SET = ("deletionTimestamp", "deletionGracePeriodSeconds")
_MANAGER_LIMIT = 128
_SUBRESOURCE_LIMIT = 256


def prepare_update(new: dict[str, Any], old: Mapping[str, Any]) -> None:
    """Give back what a writer may not change, and fill in what he may leave out."""
    for name in _KEPT:
        if name in old:
            new[name] = old[name]
        else:
            new.pop(name, None)
    for name in _ONCE_SET:
        if name in old and (name == "deletionTimestamp" or new.get(name) is None):
            new[name] = old[name]
    new.pop("selfLink", None)
    if not new.get("uid"):
        new["uid"] = old["uid"]


def reset_for_status(new: dict[str, Any], old: Mapping[str, Any]) -> None:
    """Give back, in an object written through `status`, its metadata, but for who owns what.

    Source: apimachinery pkg/apis/meta/v1/meta.go ResetObjectMetaForStatus.
    """
    metadata = dict(old["metadata"])
    if "managedFields" in new["metadata"]:
        metadata["managedFields"] = new["metadata"]["managedFields"]
    new["metadata"] = metadata


def validate(
    metadata: Mapping[str, Any], *, namespaced: bool, name_rule: NameRule, standard: bool = True
) -> list[FieldError]:
    """Return everything that is wrong with an object's metadata.

    `standard` says whether a finalizer without a domain must be one of Kubernetes' own: with
    built-in kinds it must.
    """
    faults = []
    generate = metadata.get("generateName", "")
    if generate:
        # A suffix follows, so what ends in a dash is judged with something behind it.
        judged = names.prefix_as_name(generate)
        faults += [
            FieldError.invalid("metadata.generateName", generate, why) for why in name_rule(judged)
        ]
    name = metadata.get("name", "")
    if not name:
        faults.append(FieldError.required("metadata.name", "name or generateName is required"))
    else:
        faults += [FieldError.invalid("metadata.name", name, why) for why in name_rule(name)]
    namespace = metadata.get("namespace", "")
    if not namespaced and namespace:
        faults.append(FieldError.forbidden("metadata.namespace", "not allowed on this type"))
    if namespaced and not namespace:
        faults.append(FieldError.required("metadata.namespace"))
    if metadata.get("generation", 0) < 0:
        why = "must be greater than or equal to 0"
        faults.append(FieldError.invalid("metadata.generation", metadata["generation"], why))
    for key, value in (metadata.get("labels") or {}).items():
        faults += [FieldError.invalid("metadata.labels", key, why) for why in names.label_key(key)]
        faults += [
            FieldError.invalid("metadata.labels", value, why) for why in names.label_value(value)
        ]
    faults += _annotation_faults(metadata.get("annotations") or {})
    faults += _owner_faults(metadata.get("ownerReferences") or ())
    finalizers = metadata.get("finalizers") or ()
    faults += _finalizer_faults(finalizers)
    faults += _manager_faults(metadata.get("managedFields") or ())
    if standard:
        for index, one in enumerate(finalizers):
            faults += standard_fault(f"metadata.finalizers[{index}]", one)
    return faults


def validate_update(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[FieldError]:
    """Return what may not change between two versions of an object."""
    faults = []
    for name in ("name", "namespace", "uid", "creationTimestamp", *_ONCE_SET):
        if new.get(name) != old.get(name):
            faults.append(
                FieldError.invalid(f"metadata.{name}", new.get(name, ""), "field is immutable")
            )
    if old.get("deletionTimestamp"):
        added = sorted(set(new.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if added:
            shown = ", ".join(f'"{one}"' for one in added)
            why = (
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{shown}}}"
            )
            faults.append(FieldError.forbidden("metadata.finalizers", why))
    return faults


def _annotation_faults(annotations: Mapping[str, str]) -> list[FieldError]:
    path = "metadata.annotations"
    faults = [
        FieldError.invalid(path, key, why)
        for key in annotations
        for why in names.annotation_key(key)
    ]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > ANNOTATIONS_LIMIT_BYTES:
        faults.append(FieldError.too_long(path, ANNOTATIONS_LIMIT_BYTES))
    return faults


def _owner_faults(owners: Any) -> list[FieldError]:
    path = "metadata.ownerReferences"
    faults = []
    controller = ""
    for index, owner in enumerate(owners):
        where = f"{path}[{index}]"
        group_version = owner.get("apiVersion") or ""
        for name in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(name):
                faults.append(FieldError.required(f"{where}.{name}", "must not be empty"))
            elif name == "apiVersion" and not _is_group_version(group_version):
                why = "must be <group>/<version> or <version>"
                faults.append(FieldError.invalid(f"{where}.apiVersion", group_version, why))
        if (group_version, owner.get("kind")) == ("v1", "Event"):
            why = "/v1, Kind=Event is disallowed from being an owner"
            faults.append(FieldError.invalid(where, owner, why))
        if owner.get("controller"):
            named = f"{owner.get('kind', '')}/{owner.get('name', '')}"
            if controller:
                why = (
                    'Only one reference can have Controller set to true. Found "true" in '
                    f"references for {controller} and {named}"
                )
                faults.append(FieldError.invalid(path, owners, why))
            else:
                controller = named
    return faults


def _is_group_version(text: str) -> bool:
    return text.count("/") <= 1 and not text.endswith("/")


def finalizer_fault(path: str, finalizer: str) -> list[FieldError]:
    """Return what is wrong with the name of a finalizer, whatever the kind."""
    return [FieldError.invalid(path, finalizer, why) for why in names.qualified_name(finalizer)]


def standard_fault(path: str, finalizer: str) -> list[FieldError]:
    """Return the fault of a finalizer without a domain that is none of Kubernetes' own.

    Source: kubernetes pkg/apis/core/validation/validation.go validateKubeFinalizerName.
    """
    if "/" in finalizer or finalizer in _STANDARD_FINALIZERS:
        return []
    why = "name is neither a standard finalizer name nor is it fully qualified"
    return [FieldError.invalid(path, finalizer, why)]


def _finalizer_faults(finalizers: Any) -> list[FieldError]:
    path = "metadata.finalizers"
    faults = []
    for one in finalizers:
        faults += finalizer_fault(path, one)
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        why = "finalizer orphan and foregroundDeletion cannot be both set"
        faults.append(FieldError.invalid(path, finalizers, why))
    return faults


def _manager_faults(entries: Any) -> list[FieldError]:
    """Return what is wrong with the names in managedFields."""
    faults = []
    for index, entry in enumerate(entries):
        path = f"metadata.managedFields[{index}]"
        faults += manager_faults(f"{path}.manager", entry.get("manager", ""))
        if len(entry.get("subresource", "").encode()) > _SUBRESOURCE_LIMIT:
            faults.append(FieldError.too_long(f"{path}.subresource", _SUBRESOURCE_LIMIT))
    return faults


def manager_faults(path: str, manager: str) -> list[FieldError]:
    """Return what is wrong with the name of a field manager.

    Source: apimachinery pkg/apis/meta/v1/validation/validation.go ValidateFieldManager.
    """
    faults = []
    if len(manager.encode()) > _MANAGER_LIMIT:
        faults.append(FieldError.too_long(path, _MANAGER_LIMIT))
    at = 0
    for one in manager:
        if not one.isprintable():
            why = f"invalid character U+{ord(one):04X} (at position {at})"
            faults.append(FieldError.invalid(path, manager, why))
        at += len(one.encode())
    return faults
