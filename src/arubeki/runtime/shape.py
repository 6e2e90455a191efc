"""The same questions to a typed object and to a dict: what kind, where, whose, going away?

Typed objects say `UNSET` for what was not said; here that is the empty value.

On the ring: [informer > workqueue > **reconcile** > client].
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from arubeki.api.objects import Kind
from arubeki.errors import ConfigError
from arubeki.kinds.meta_v1 import OwnerReference
from arubeki.runtime.cache import Key


def kind_of(what: Any) -> Kind:
    """Return the kind of a resource class, of a typed object, or the `Kind` itself.

    Raises: ConfigError for anything else, a dict too: its kind must be given beside it.
    """
    if isinstance(what, Kind):
        return what
    kind = getattr(what, "KIND", None)
    if isinstance(kind, Kind):
        return kind
    raise ConfigError(_no_kind(what))


def _no_kind(what: Any) -> str:
    if isinstance(what, str):
        return f"{what!r} is text\nhelp: give the class, as in `from arubeki.kinds import core_v1`"
    if isinstance(what, type) and hasattr(what, "SPEC"):
        return f'{what.__name__} has no kind\nhelp: decorate it with @crd("example.com/v1")'
    name = getattr(what, "__name__", repr(what))
    return (
        f"{name} is no kind\n"
        "help: give a class of arubeki.kinds, one of your own under @crd, or Dynamic.of(kind)"
    )


def metadata_of(obj: Any) -> Any:
    """Return the metadata, a dict or a Struct; None where there is none."""
    found = obj.get("metadata") if isinstance(obj, dict) else obj.metadata
    return None if found is msgspec.UNSET else found


def field(value: Any, name: str, default: Any) -> Any:
    """Return a member of a dict or Struct, `default` when it is unsaid or null."""
    found = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return default if found is None or found is msgspec.UNSET else found


def key_of(obj: Any) -> Key:
    """Return where an object is."""
    metadata = metadata_of(obj)
    return Key(field(metadata, "namespace", ""), field(metadata, "name", ""))


def uid_of(obj: Any) -> str:
    """Return the uid, "" before the server gave one."""
    return str(field(metadata_of(obj), "uid", ""))


def revision_text_of(obj: Any) -> str:
    """Return the resourceVersion as it is on the wire."""
    return str(field(metadata_of(obj), "resourceVersion", ""))


def generation_of(obj: Any) -> int:
    """Return the generation, 0 for kinds that have none."""
    return int(field(metadata_of(obj), "generation", 0))


def is_deleting(obj: Any) -> bool:
    """Whether the object was deleted and only waits for its finalizers or its grace."""
    return bool(field(metadata_of(obj), "deletionTimestamp", ""))


def finalizers_of(obj: Any) -> Sequence[str]:
    """Return the finalizers."""
    return tuple(field(metadata_of(obj), "finalizers", ()))


def labels_of(obj: Any) -> Mapping[str, str]:
    """Return the labels."""
    labels: Mapping[str, str] = field(metadata_of(obj), "labels", {})
    return labels


def annotations_of(obj: Any) -> Mapping[str, str]:
    """Return the annotations."""
    annotations: Mapping[str, str] = field(metadata_of(obj), "annotations", {})
    return annotations


def conditions_of(obj: Any) -> list[dict[str, Any]]:
    """Return status.conditions as plain dicts."""
    status = field(obj, "status", None)
    conditions = () if status is None else field(status, "conditions", ())
    found: list[dict[str, Any]] = msgspec.to_builtins(conditions)
    return list(found)


def encode(obj: Any) -> bytes:
    """Return the object's JSON; unsaid fields are not in it."""
    return msgspec.json.encode(obj)


def with_metadata(obj: Any, *, namespace: str = "", owner: OwnerReference | None = None) -> Any:
    """Return a copy of `obj` in `namespace`, with `owner` among its owners, where they are given.

    Raises: ConfigError when there is no metadata to begin with.
    """
    metadata = metadata_of(obj)
    if not metadata:
        raise ConfigError(f"{type(obj).__name__} without metadata: it needs a name")
    changes: dict[str, Any] = {"namespace": namespace} if namespace else {}
    owners = tuple(field(metadata, "ownerReferences", ()))
    if owner is not None and all(field(one, "uid", "") != owner.uid for one in owners):
        added = msgspec.to_builtins(owner) if isinstance(metadata, dict) else owner
        changes["ownerReferences"] = (*owners, added)
    if not changes:
        return obj
    if isinstance(obj, dict):
        return type(obj)({**obj, "metadata": {**metadata, **changes}})
    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(metadata, **changes))


def reference_to(obj: Any) -> OwnerReference:
    """Return the reference by which `obj` controls its dependents."""
    kind = kind_of(type(obj))
    return OwnerReference(
        apiVersion=kind.api_version,
        kind=kind.kind,
        name=key_of(obj).name,
        uid=uid_of(obj),
        controller=True,
        blockOwnerDeletion=True,
    )
