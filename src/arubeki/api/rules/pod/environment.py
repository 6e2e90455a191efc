"""Rules of a container's environment, and of what refers to parts of a Pod.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (ValidateEnv, ValidateEnvFrom,
validateObjectFieldSelector, validateContainerResourceFieldSelector).
"""

from collections.abc import Mapping
from typing import Any

from arubeki.api import names, quantity
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
ENV_FIELDS = (
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
FILE_FIELDS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
# Labels that the downward API knows under some API version of a Pod.
_CONVERTIBLE = frozenset(
    (*ENV_FIELDS, *FILE_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase")
)
_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_CPU_DIVISORS = ("1m", "1")
_DIVISORS = (
    "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
)  # fmt: skip


def environment(container: Mapping[str, Any], path: str, faults: Faults) -> None:
    """Check `env` and `envFrom` of a container."""
    for index, variable in enumerate(container.get("env", ())):
        name, source = variable.get("name"), variable.get("valueFrom")
        if not name:
            faults.append(FieldError.required(f"{path}.env[{index}].name"))
        elif not name.isascii() or messages(name):
            common.named(name, f"{path}.env[{index}].name", faults, names.env_name)
        if source is not None:
            place = f"{path}.env[{index}].valueFrom"
            _source(source, variable.get("value", ""), place, faults)
    for index, source in enumerate(container.get("envFrom", ())):
        place = f"{path}.envFrom[{index}]"
        if prefix := source.get("prefix"):
            common.named(prefix, f"{place}.prefix", faults, names.env_name)
        found = [name for name in ("configMapRef", "secretRef") if name in source]
        for name in found:
            _named_reference(source[name], f"{place}.{name}", faults)
        if len(found) != 1:
            fault = (
                "may not have more than one field specified at a time"
                if found
                else "must specify one of: `configMapRef` or `secretRef`"
            )
            faults.append(FieldError.invalid(f"{path}.envFrom", "", fault))


messages = names.env_name


def field_reference(
    reference: Mapping[str, Any], known: tuple[str, ...], path: str, faults: Faults
) -> None:
    """A reference to a field of the Pod must name one that may be used here."""
    if not reference.get("apiVersion"):
        faults.append(FieldError.required(f"{path}.apiVersion"))
        return
    field = reference.get("fieldPath", "")
    if not field:
        faults.append(FieldError.required(f"{path}.fieldPath"))
        return
    version = reference["apiVersion"]
    outer, bracket, rest = field.partition("['")
    subscripted = bool(bracket) and rest.endswith("']") and bool(outer)
    why = ""
    if version != "v1":
        why = f"unsupported pod version: {version}"
    elif subscripted and outer not in ("metadata.annotations", "metadata.labels"):
        why = f"field label does not support subscript: {field}"
    elif not subscripted and field not in _CONVERTIBLE and field != "spec.host":
        why = f"field label not supported: {field}"
    if why:
        fault = f"error converting fieldPath: {why}"
        faults.append(FieldError.invalid(f"{path}.fieldPath", field, fault))
    elif subscripted:
        key = rest.removesuffix("']")
        key = key.lower() if outer == "metadata.annotations" else key
        common.named(key, path, faults, names.qualified_name)
    else:
        meant = "spec.nodeName" if field == "spec.host" else field
        if meant not in known:
            faults.append(FieldError.not_supported(f"{path}.fieldPath", meant, known))


def resource_reference(
    reference: Mapping[str, Any], path: str, faults: Faults, *, needs_container: bool
) -> None:
    """A reference to an amount of a container must name one, in a unit that fits."""
    resource = reference.get("resource", "")
    if needs_container and not reference.get("containerName"):
        faults.append(FieldError.required(f"{path}.containerName"))
    elif not resource:
        faults.append(FieldError.required(f"{path}.resource"))
    elif resource not in _RESOURCES and not resource.startswith(_HUGE_PAGES):
        faults.append(FieldError.not_supported(f"{path}.resource", resource, _RESOURCES))
    divisor = reference.get("divisor", "0")
    if quantity.compare(divisor, "0") == 0:
        return
    shown, kind = quantity.canonical(divisor), resource.partition(".")[2]
    fault = ""
    if kind == "cpu":
        if shown not in _CPU_DIVISORS:
            fault = "only divisor's values 1m and 1 are supported with the cpu resource"
    elif shown not in _DIVISORS:
        what = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}.get(kind)
        if resource.startswith(_HUGE_PAGES):
            what = "hugepages"
        if what:
            listed = ", ".join(_DIVISORS)
            fault = f"only divisor's values {listed} are supported with the {what} resource"
    if fault:
        faults.append(FieldError.invalid(f"{path}.divisor", resource, fault))


def _source(source: Mapping[str, Any], value: str, path: str, faults: Faults) -> None:
    found = [name for name in _SOURCES if name in source]
    for name in found:
        place = f"{path}.{name}"
        if name == "fieldRef":
            field_reference(source[name], ENV_FIELDS, place, faults)
        elif name == "resourceFieldRef":
            resource_reference(source[name], place, faults, needs_container=False)
        elif name == "fileKeyRef":
            _file_reference(source[name], place, faults)
        else:
            _key_reference(source[name], place, faults)
    if not found:
        listed = ", ".join(f"`{name}`" for name in _SOURCES[:-1])
        fault = f"must specify one of: {listed} or `{_SOURCES[-1]}`"
        faults.append(FieldError.invalid(path, "", fault))
    elif value:
        fault = "may not be specified when `value` is not empty"
        faults.append(FieldError.invalid(path, "", fault))
    elif len(found) > 1:
        fault = "may not have more than one field specified at a time"
        faults.append(FieldError.invalid(path, "", fault))


def _key_reference(reference: Mapping[str, Any], path: str, faults: Faults) -> None:
    common.named(reference.get("name", ""), f"{path}.name", faults, names.dns_subdomain)
    if key := reference.get("key"):
        common.named(key, f"{path}.key", faults, names.config_key)
    else:
        faults.append(FieldError.required(f"{path}.key"))


def _file_reference(reference: Mapping[str, Any], path: str, faults: Faults) -> None:
    if key := reference.get("key"):
        common.named(key, f"{path}.key", faults, names.env_name)
    else:
        faults.append(FieldError.required(f"{path}.key"))
    if volume := reference.get("volumeName"):
        common.named(volume, f"{path}.volumeName", faults)
    else:
        faults.append(FieldError.required(f"{path}.volumeName"))
    if where := reference.get("path"):
        common.no_backsteps(where, f"{path}.path", faults)
    else:
        faults.append(FieldError.required(f"{path}.path"))


def _named_reference(reference: Mapping[str, Any], path: str, faults: Faults) -> None:
    if name := reference.get("name"):
        judged = names.prefix_as_name(name)
        for message in names.dns_subdomain(judged):
            faults.append(FieldError.invalid(f"{path}.name", name, message))
    else:
        faults.append(FieldError.required(f"{path}.name"))
