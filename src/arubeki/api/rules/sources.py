"""Rules of what a container gets from elsewhere: environment, volumes.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (ValidateEnv, ValidateVolumes and below).
"""

from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

_ENV_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_ENV_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_VOLUME_FIELDS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
# Labels the downward API does not know under any API version of a Pod.
_CONVERTIBLE = (*_ENV_FIELDS, *_VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName")
_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_HOST_PATHS = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_SHORTEST_TOKEN, _LONGEST_TOKEN = 600, 1 << 32


def environment(container: dict[str, Any], path: str, faults: Faults) -> None:
    """Check `env` and `envFrom` of a container."""
    for index, variable in enumerate(container.get("env", ())):
        place = f"{path}.env[{index}]"
        if name := variable.get("name"):
            common.named(name, f"{place}.name", faults, names.env_name)
        else:
            faults.append(FieldError.required(f"{place}.name"))
        if (source := variable.get("valueFrom")) is not None:
            _env_source(source, variable.get("value", ""), f"{place}.valueFrom", faults)
    for index, source in enumerate(container.get("envFrom", ())):
        place = f"{path}.envFrom[{index}]"
        if prefix := source.get("prefix"):
            common.named(prefix, f"{place}.prefix", faults, names.env_name)
        found = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        for name in found:
            _named_reference(source[name], f"{place}.{name}", faults)
        if len(found) != 1:
            fault = (
                "may not have more than one field specified at a time"
                if found
                else "must specify one of: `configMapRef` or `secretRef`"
            )
            faults.append(FieldError.invalid(f"{path}.envFrom", "", fault))


def volumes(spec: dict[str, Any], path: str, faults: Faults) -> set[str]:
    """Check the volumes of a Pod; return the names of the good ones."""
    good: set[str] = set()
    for index, volume in enumerate(spec.get("volumes", ())):
        place = f"{path}.volumes[{index}]"
        found: Faults = []
        kinds = [name for name, source in volume.items() if isinstance(source, dict)]
        for kind in kinds[1:]:
            fault = "may not specify more than 1 volume type"
            found.append(FieldError.forbidden(f"{place}.{kind}", fault))
        if not kinds:
            found.append(FieldError.required(place, "must specify a volume type"))
        elif rule := _VOLUMES.get(kinds[0]):
            rule(volume[kinds[0]], f"{place}.{kinds[0]}", found)
        name = volume.get("name", "")
        if name:
            common.named(name, f"{place}.name", found)
        else:
            found.append(FieldError.required(f"{place}.name"))
        if name in good:
            found.append(FieldError.duplicate(f"{place}.name", name))
        if not found:
            good.add(name)
        faults += found
    return good


def descending_path(text: str, path: str, faults: Faults) -> None:
    """A path must stay below where it starts."""
    if text.startswith("/"):
        faults.append(FieldError.invalid(path, text, "must be a relative path"))
    if ".." in text.split("/"):
        faults.append(FieldError.invalid(path, text, "must not contain '..'"))


def _env_source(source: dict[str, Any], value: str, path: str, faults: Faults) -> None:
    found = [name for name in _ENV_SOURCES if source.get(name) is not None]
    for name in found:
        place = f"{path}.{name}"
        if name == "fieldRef":
            _field(source[name], _ENV_FIELDS, place, faults)
        elif name == "resourceFieldRef":
            _resource(source[name], place, faults, needs_container=False)
        elif name != "fileKeyRef":
            _key_reference(source[name], place, faults)
    if not found:
        listed = ", ".join(f"`{name}`" for name in _ENV_SOURCES[:-1])
        fault = f"must specify one of: {listed} or `{_ENV_SOURCES[-1]}`"
        faults.append(FieldError.invalid(path, "", fault))
    elif value:
        fault = "may not be specified when `value` is not empty"
        faults.append(FieldError.invalid(path, "", fault))
    elif len(found) > 1:
        fault = "may not have more than one field specified at a time"
        faults.append(FieldError.invalid(path, "", fault))


def _key_reference(reference: dict[str, Any], path: str, faults: Faults) -> None:
    common.named(reference.get("name", ""), f"{path}.name", faults, names.dns_subdomain)
    if key := reference.get("key"):
        common.named(key, f"{path}.key", faults, names.config_key)
    else:
        faults.append(FieldError.required(f"{path}.key"))


def _named_reference(reference: dict[str, Any], path: str, faults: Faults) -> None:
    if name := reference.get("name"):
        common.named(name, f"{path}.name", faults, names.dns_subdomain)
    else:
        faults.append(FieldError.required(f"{path}.name"))


def _field(reference: dict[str, Any], known: tuple[str, ...], path: str, faults: Faults) -> None:
    if not reference.get("apiVersion"):
        faults.append(FieldError.required(f"{path}.apiVersion"))
        return
    field = reference.get("fieldPath", "")
    if not field:
        faults.append(FieldError.required(f"{path}.fieldPath"))
        return
    outer, bracket, rest = field.partition("['")
    if bracket and rest.endswith("']"):
        inner = rest.removesuffix("']")
        if outer == "metadata.annotations":
            common.named(inner.lower(), path, faults, names.qualified_name)
        elif outer == "metadata.labels":
            common.named(inner, path, faults, names.qualified_name)
        else:
            faults.append(FieldError.invalid(path, outer, "does not support subscript"))
    elif field not in _CONVERTIBLE:
        fault = f"error converting fieldPath: field label not supported: {field}"
        faults.append(FieldError.invalid(f"{path}.fieldPath", field, fault))
    elif field not in known:
        faults.append(FieldError.not_supported(f"{path}.fieldPath", field, known))


def _resource(
    reference: dict[str, Any], path: str, faults: Faults, *, needs_container: bool
) -> None:
    resource = reference.get("resource", "")
    if needs_container and not reference.get("containerName"):
        faults.append(FieldError.required(f"{path}.containerName"))
    elif not resource:
        faults.append(FieldError.required(f"{path}.resource"))
    elif resource not in _RESOURCES and not resource.startswith(_HUGE_PAGES):
        faults.append(FieldError.not_supported(f"{path}.resource", resource, _RESOURCES))


def _file_path(text: str, path: str, faults: Faults) -> None:
    if not text:
        faults.append(FieldError.required(path))
    descending_path(text, path, faults)
    if text.startswith("..") and not text.startswith("../"):
        faults.append(FieldError.invalid(path, text, "must not start with '..'"))


def _mode(holder: dict[str, Any], name: str, path: str, faults: Faults) -> None:
    mode = holder.get(name)
    if mode is not None and not 0 <= mode <= 0o777:
        faults.append(FieldError.invalid(f"{path}.{name}", mode, _MODE))


def _items(holder: dict[str, Any], path: str, faults: Faults) -> None:
    for index, item in enumerate(holder.get("items", ())):
        place = f"{path}.items[{index}]"
        if not item.get("key"):
            faults.append(FieldError.required(f"{place}.key"))
        _file_path(item.get("path", ""), f"{place}.path", faults)
        _mode(item, "mode", place, faults)


def _downward_file(item: dict[str, Any], path: str, faults: Faults) -> None:
    _file_path(item.get("path", ""), f"{path}.path", faults)
    if "fieldRef" in item:
        _field(item["fieldRef"], _VOLUME_FIELDS, f"{path}.fieldRef", faults)
        if "resourceFieldRef" in item:
            fault = "fieldRef and resourceFieldRef can not be specified simultaneously"
            faults.append(FieldError.invalid(path, "resource", fault))
    elif "resourceFieldRef" in item:
        place = f"{path}.resourceFieldRef"
        _resource(item["resourceFieldRef"], place, faults, needs_container=True)
    else:
        needed = "one of fieldRef and resourceFieldRef is required"
        faults.append(FieldError.required(path, needed))
    _mode(item, "mode", path, faults)


def _secret(source: dict[str, Any], path: str, faults: Faults) -> None:
    if not source.get("secretName"):
        faults.append(FieldError.required(f"{path}.secretName"))
    _mode(source, "defaultMode", path, faults)
    _items(source, path, faults)


def _config_map(source: dict[str, Any], path: str, faults: Faults) -> None:
    if not source.get("name"):
        faults.append(FieldError.required(f"{path}.name"))
    _mode(source, "defaultMode", path, faults)
    _items(source, path, faults)


def _downward(source: dict[str, Any], path: str, faults: Faults) -> None:
    _mode(source, "defaultMode", path, faults)
    for item in source.get("items", ()):
        _downward_file(item, path, faults)


def _projected(source: dict[str, Any], path: str, faults: Faults) -> None:
    _mode(source, "defaultMode", path, faults)
    taken: set[str] = set()
    for index, one in enumerate(source.get("sources", ())):
        place = f"{path}.sources[{index}]"
        kinds = [name for name, inner in one.items() if isinstance(inner, dict)]
        if len(kinds) > 1:
            fault = "may not specify more than 1 volume type per source"
            faults.append(FieldError.forbidden(place, fault))
        for kind in kinds:
            _projection(kind, one[kind], (path, f"{place}.{kind}"), taken, faults)


def _projection(
    kind: str, source: dict[str, Any], paths: tuple[str, str], taken: set[str], faults: Faults
) -> None:
    outer, path = paths
    if kind in ("secret", "configMap"):
        if not source.get("name"):
            faults.append(FieldError.required(f"{path}.name"))
        _items(source, path, faults)
    elif kind == "downwardAPI":
        for item in source.get("items", ()):
            _downward_file(item, path, faults)
    elif kind == "serviceAccountToken":
        seconds = source.get("expirationSeconds", 0)
        place = f"{path}.expirationSeconds"
        if seconds < _SHORTEST_TOKEN:
            fault = "may not specify a duration less than 10 minutes"
            faults.append(FieldError.invalid(place, seconds, fault))
        elif seconds > _LONGEST_TOKEN:
            fault = "may not specify a duration larger than 2^32 seconds"
            faults.append(FieldError.invalid(place, seconds, fault))
        _file_path(source.get("path", ""), f"{outer}.path", faults)
    for item in source.get("items", ()):
        if (where := item.get("path")) and where in taken:
            shown = where if kind == "downwardAPI" else source.get("name", "")
            faults.append(FieldError.invalid(outer, shown, "conflicting duplicate paths"))
        taken.add(item.get("path", ""))


def _host_path(source: dict[str, Any], path: str, faults: Faults) -> None:
    where = source.get("path", "")
    if not where:
        faults.append(FieldError.required(f"{path}.path"))
        return
    if ".." in where.split("/"):
        faults.append(FieldError.invalid(f"{path}.path", where, "must not contain '..'"))
    if source.get("type", "") not in _HOST_PATHS:
        fault = FieldError.not_supported(f"{path}.type", source["type"], _HOST_PATHS)
        faults.append(fault)


def _claim(source: dict[str, Any], path: str, faults: Faults) -> None:
    if not source.get("claimName"):
        faults.append(FieldError.required(f"{path}.claimName"))


_VOLUMES = {
    "configMap": _config_map,
    "downwardAPI": _downward,
    "hostPath": _host_path,
    "persistentVolumeClaim": _claim,
    "projected": _projected,
    "secret": _secret,
}
