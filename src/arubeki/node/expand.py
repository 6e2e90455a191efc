"""A container's environment and command, worked out of its Pod and of what the Pod refers to.

Everything is a pure function of objects. The agent asks `references` what a Pod needs, gets those
objects from its caches, puts them into `Surroundings`, and learns from the errors what is missing:
their messages are the kubelet's, shown as `CreateContainerConfigError`.

Below the node agent: data in, data out.
Source: kubelet pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables; pkg/kubelet/envvars;
pkg/fieldpath; third_party/forked/golang/expansion.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from arubeki.api import quantity
from arubeki.errors import ArubekiError
from arubeki.kinds import core_v1 as core


class ContainerConfigError(ArubekiError):
    """A container cannot be described completely yet; `str()` is the message for its status."""

    reason = "CreateContainerConfigError"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a Pod's environment and files are made of, besides the Pod itself.

    Objects are those of the Pod's namespace by name; `services` are the namespace's and, for its
    `kubernetes` Service, the default namespace's. `allocatable` is the node's. `tokens` are tokens
    of the Pod's service account by audience ("" for the API server's own).
    """

    config_maps: Mapping[str, core.ConfigMap] = field(default_factory=dict)
    secrets: Mapping[str, core.Secret] = field(default_factory=dict)
    services: Sequence[core.Service] = ()
    pod_ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict)
    token_fault: str = ""
    """Why one of them is missing."""


@dataclass(frozen=True, slots=True)
class References:
    """The names of the objects that a Pod refers to, in its own namespace."""

    config_maps: frozenset[str]
    secrets: frozenset[str]


def references(pod: core.Pod) -> References:
    """Return what the Pod's environment and volumes refer to, optional references included."""
    config_maps: set[str] = set()
    secrets: set[str] = set()
    spec = pod.spec
    containers: list[core.Container | core.EphemeralContainer] = [
        *(spec.initContainers or ()),
        *(spec.containers or ()),
        *(spec.ephemeralContainers or ()),
    ]
    for container in containers:
        for source in container.envFrom or ():
            if source.configMapRef:
                config_maps.add(source.configMapRef.name or "")
            if source.secretRef:
                secrets.add(source.secretRef.name or "")
        for variable in container.env or ():
            origin = variable.valueFrom
            if origin and origin.configMapKeyRef:
                config_maps.add(origin.configMapKeyRef.name or "")
            if origin and origin.secretKeyRef:
                secrets.add(origin.secretKeyRef.name or "")
    for volume in pod.spec.volumes or ():
        if volume.configMap:
            config_maps.add(volume.configMap.name or "")
        if volume.secret:
            secrets.add(volume.secret.secretName or "")
        for projection in (volume.projected and volume.projected.sources) or ():
            if projection.configMap:
                config_maps.add(projection.configMap.name or "")
            if projection.secret:
                secrets.add(projection.secret.name or "")
    return References(frozenset(config_maps), frozenset(secrets))


_REFERENCE = re.compile(r"\$(?:(\$)|\(([^)]*)\)|(.))", re.DOTALL)


def expand(text: str, *values: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by the value of NAME in the first mapping that has it.

    An unknown name stays as it is; `$$` is a dollar sign, so `$$(NAME)` gives `$(NAME)`.
    """

    def replace(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        if found[2] is None:
            return found[0]
        for mapping in values:
            if found[2] in mapping:
                return mapping[found[2]]
        return found[0]

    return _REFERENCE.sub(replace, text)


def command(container: core.Container, environment: Mapping[str, str]) -> list[str]:
    """Return command and arguments with `$(NAME)` expanded; empty when there is no command.

    Arguments alone would go to an image's entry point, which does not exist here.
    """
    if not container.command:
        return []
    words = (*container.command, *(container.args or ()))
    return [expand(word, environment) for word in words]


def environment(pod: core.Pod, container: core.Container, around: Surroundings) -> dict[str, str]:
    """Return the container's variables.

    Raises: ContainerConfigError that names what is missing.
    """
    links = pod.spec.enableServiceLinks is not False
    services = service_environment(around.services, pod.namespace, links)
    result: dict[str, str] = {}
    for source in container.envFrom or ():
        result.update(_all_of(source, around))
    for variable in container.env or ():
        if variable.value:
            result[variable.name] = expand(variable.value, result, services)
        elif variable.valueFrom:
            value = _value_from(variable.valueFrom, pod, container, around)
            if value is not None:
                result[variable.name] = value
        else:
            result[variable.name] = ""
    return services | result


def _all_of(source: core.EnvFromSource, around: Surroundings) -> dict[str, str]:
    prefix = source.prefix or ""
    if source.configMapRef:
        reference = source.configMapRef
        values = _config_map(reference.name or "", bool(reference.optional), around)
        return {prefix + name: value for name, value in values.items()}
    if source.secretRef:
        secret = source.secretRef
        data = _secret(secret.name or "", bool(secret.optional), around)
        return {prefix + name: _text(value) for name, value in data.items()}
    return {}


def _value_from(
    origin: core.EnvVarSource, pod: core.Pod, container: core.Container, around: Surroundings
) -> str | None:
    """Return the value; None where an optional one is missing."""
    if origin.fieldRef:
        return field_value(pod, origin.fieldRef.fieldPath, around)
    if origin.resourceFieldRef:
        return resource_value(pod, container, origin.resourceFieldRef, around)
    if origin.configMapKeyRef:
        key = origin.configMapKeyRef
        values = _config_map(key.name or "", bool(key.optional), around)
        if key.key not in values and not key.optional:
            raise ContainerConfigError(
                f"couldn't find key {key.key} in ConfigMap {pod.namespace}/{key.name or ''}"
            )
        return values.get(key.key)
    if origin.secretKeyRef:
        secret = origin.secretKeyRef
        data = _secret(secret.name or "", bool(secret.optional), around)
        if secret.key not in data:
            if secret.optional:
                return None
            raise ContainerConfigError(
                f"couldn't find key {secret.key} in Secret {pod.namespace}/{secret.name or ''}"
            )
        return _text(data[secret.key])
    if origin.fileKeyRef:
        raise ContainerConfigError("environment variables from files are not supported")
    return ""


def _config_map(name: str, optional: bool, around: Surroundings) -> Mapping[str, str]:
    found = around.config_maps.get(name)
    if found is None and not optional:
        raise ContainerConfigError(f'configmap "{name}" not found')
    return (found is not None and found.data) or {}


def _secret(name: str, optional: bool, around: Surroundings) -> Mapping[str, bytes]:
    found = around.secrets.get(name)
    if found is None and not optional:
        raise ContainerConfigError(f'secret "{name}" not found')
    return (found is not None and found.data) or {}


def _text(value: bytes) -> str:
    # What is no UTF-8 reaches the program as the same bytes: the environment is encoded this way.
    return value.decode("utf-8", "surrogateescape")


_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]", re.DOTALL)


def field_value(pod: core.Pod, path: str, around: Surroundings) -> str:
    """Return the value of a downward API field such as `metadata.labels['app']`.

    Raises: ContainerConfigError if there is no such field.
    """
    metadata = pod.metadata
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        values = metadata.labels if subscript[1] == "labels" else metadata.annotations
        return (values or {}).get(subscript[2], "")
    values_of = {
        "metadata.name": lambda: metadata.name or "",
        "metadata.namespace": lambda: metadata.namespace or "",
        "metadata.uid": lambda: metadata.uid or "",
        "metadata.labels": lambda: _lines(metadata.labels or {}),
        "metadata.annotations": lambda: _lines(metadata.annotations or {}),
        "spec.nodeName": lambda: pod.spec.nodeName or "",
        "spec.serviceAccountName": lambda: pod.spec.serviceAccountName or "",
        "status.hostIP": lambda: (around.host_ips or ("",))[0],
        "status.hostIPs": lambda: ",".join(around.host_ips),
        "status.podIP": lambda: (around.pod_ips or ("",))[0],
        "status.podIPs": lambda: ",".join(around.pod_ips),
    }
    if path not in values_of:
        raise ContainerConfigError(f"field label not supported: {path}")
    return values_of[path]()


def _lines(values: Mapping[str, str]) -> str:
    return "\n".join(f'{name}="{_quoted(values[name])}"' for name in sorted(values))


_GO_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def _quoted(text: str) -> str:
    """Return `text` as Go's %q has it, without the quotes."""
    return "".join(_GO_ESCAPES.get(one) or _printable(one) for one in text)


def _printable(character: str) -> str:
    number = ord(character)
    if character.isprintable():
        return character
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def resource_value(
    pod: core.Pod,
    container: core.Container | None,
    selector: core.ResourceFieldSelector,
    around: Surroundings,
) -> str:
    """Return a request or limit in units of the divisor, rounded up.

    A limit that is not set is what the node can give.
    Raises: ContainerConfigError if there is no such container or resource.
    """
    if selector.containerName:
        every = (*(pod.spec.containers or ()), *(pod.spec.initContainers or ()))
        container = next((one for one in every if one.name == selector.containerName), None)
    if container is None:
        raise ContainerConfigError(f"container {selector.containerName or ''} not found")
    which, _, name = selector.resource.partition(".")
    known = name in ("cpu", "memory", "ephemeral-storage") or name.startswith("hugepages-")
    if which not in ("limits", "requests") or not known:
        raise ContainerConfigError(f"unsupported container resource : {selector.resource}")
    resources = container.resources or core.ResourceRequirements()
    amounts = (resources.limits if which == "limits" else resources.requests) or {}
    amount = quantity.parse(amounts.get(name, "0"))
    if which == "limits" and not amount and not name.startswith("hugepages-"):
        amount = quantity.parse(around.allocatable.get(name, "0"))
    divisor = quantity.parse(selector.divisor or "0") or quantity.parse("1")
    # Kubernetes counts processors in thousandths and all else in whole units, each rounded up.
    scale = 1000 if name == "cpu" else 1
    units, per = math.ceil(amount * scale), math.ceil(divisor * scale)
    return str(-(-units // per))


def service_environment(
    services: Iterable[core.Service], namespace: str, links: bool
) -> dict[str, str]:
    """Return the variables that tell where Services are: `WEB_SERVICE_HOST`, `WEB_PORT_80_TCP`, …

    Those of `default/kubernetes` always, of the Pod's own namespace if it wants `links`.
    """
    chosen: dict[str, core.Service] = {}
    for service in services:
        if (service.spec.clusterIP or "None") == "None":
            continue
        if service.namespace == "default" and service.name == "kubernetes":
            chosen.setdefault(service.name, service)
        elif service.namespace == namespace and links:
            chosen[service.name] = service
    result: dict[str, str] = {}
    for service in chosen.values():
        result.update(_variables_of(service))
    return result


def _variables_of(service: core.Service) -> dict[str, str]:
    name, address = _variable_name(service.name), service.spec.clusterIP or ""
    host = f"[{address}]" if ":" in address else address
    result = {f"{name}_SERVICE_HOST": address}
    for index, port in enumerate(service.spec.ports or ()):
        protocol = port.protocol or "TCP"
        url = f"{protocol.lower()}://{host}:{port.port}"
        if index == 0:
            result[f"{name}_SERVICE_PORT"] = str(port.port)
            result[f"{name}_PORT"] = url
        if port.name:
            result[f"{name}_SERVICE_PORT_{_variable_name(port.name)}"] = str(port.port)
        prefix = f"{name}_PORT_{port.port}_{protocol.upper()}"
        result[prefix] = url
        result[f"{prefix}_PROTO"] = protocol.lower()
        result[f"{prefix}_PORT"] = str(port.port)
        result[f"{prefix}_ADDR"] = address
    return result


def _variable_name(text: str) -> str:
    name = text.replace(".", "_").replace("-", "_").upper()
    return f"_{name}" if name[:1].isdigit() else name
