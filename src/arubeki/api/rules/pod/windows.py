"""Rules of Pods for Windows, and of what Pods for Linux or Windows may not say.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (validateWindowsSecurityContextOptions,
validateWindowsHostProcessPod, validateLinux, validateWindows).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults

Object = Mapping[str, Any]
_SPEC_MAX_BYTES = 64 * 1024
_DOMAIN_MAX_BYTES, _USER_MAX_BYTES = 256, 104
_has_control = re.compile(r"[\x00-\x1f\x7f]").search
_is_net_bios = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}').fullmatch
_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_is_domain = re.compile(rf"{_LABEL}(?:\.{_LABEL})*").fullmatch
_has_bad = re.compile(r'["/\\:;|=,+*?<>@\[\]]').search
_is_blank = re.compile(r"[. ]+").fullmatch
# What of a security context a Pod for Windows cannot have, in the order of the messages.
_NOT_FOR_PODS = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
)
_NOT_FOR_CONTAINERS = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)


def options(found: Object | None, path: str, faults: Faults) -> None:
    """Check the options of a container for Windows."""
    if found is None:
        return
    if (name := found.get("gmsaCredentialSpecName")) is not None:
        common.named(name, f"{path}.gmsaCredentialSpecName", faults, names.dns_subdomain)
    if (spec := found.get("gmsaCredentialSpec")) is not None:
        place = f"{path}.gmsaCredentialSpec"
        if not spec:
            fault = "gmsaCredentialSpec cannot be an empty string"
            faults.append(FieldError.invalid(place, spec, fault))
        elif len(spec.encode()) > _SPEC_MAX_BYTES:
            fault = "gmsaCredentialSpec size must be under 64 KiB"
            faults.append(FieldError.invalid(place, spec, fault))
    if (user := found.get("runAsUserName")) is not None:
        for fault in _user_faults(user):
            faults.append(FieldError.invalid(f"{path}.runAsUserName", user, fault))


def _user_faults(text: str) -> list[str]:
    if not text:
        return ["runAsUserName cannot be an empty string"]
    if _has_control(text):
        return ["runAsUserName cannot contain control characters"]
    if text.count("\\") > 1:
        return ["runAsUserName cannot contain more than one backslash"]
    domain, slash, user = text.rpartition("\\")
    found = []
    if len(domain) >= _DOMAIN_MAX_BYTES:
        found.append(f"runAsUserName's Domain length must be under {_DOMAIN_MAX_BYTES} characters")
    if slash and not (_is_net_bios(domain) or _is_domain(domain)):
        found.append("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
    if not user:
        found.append("runAsUserName's User cannot be empty")
    elif len(user) > _USER_MAX_BYTES:
        found.append(
            f"runAsUserName's User length must not be longer than {_USER_MAX_BYTES} characters"
        )
    if _is_blank(user):
        found.append("runAsUserName's User cannot contain only periods or spaces")
    if _has_bad(user):
        listed = r'"/\:;|=,+*?<>@[]'
        found.append(f"runAsUserName's User cannot contain the following characters: {listed}")
    return found


def host_process(
    spec: Object, containers: Iterable[tuple[Object, str]], path: str, faults: Faults
) -> None:
    """Where one container is a process of the host all are, and use its network."""
    whole = _host_process(spec.get("securityContext", {}))
    count = on_host = 0
    for one, where in containers:
        count += 1
        own = _host_process(one.get("securityContext", {}))
        if None not in (whole, own) and whole != own:
            fault = (
                "pod hostProcess value must be identical if both are specified, was"
                f" {str(whole).lower()}"
            )
            place = f"{where}.securityContext.windowsOptions.hostProcess"
            faults.append(FieldError.invalid(place, own, fault))
        on_host += bool(whole if own is None else own)
    if not on_host:
        return
    if on_host != count:
        fault = (
            "If pod contains any hostProcess containers then all containers must be HostProcess"
            " containers"
        )
        faults.append(FieldError.invalid(path, "", fault))
    if not spec.get("hostNetwork"):
        fault = "hostNetwork must be true if pod contains any hostProcess containers"
        faults.append(FieldError.invalid(f"{path}.hostNetwork", False, fault))


def _host_process(context: Object) -> bool | None:
    found: bool | None = context.get("windowsOptions", {}).get("hostProcess")
    return found


def system(
    spec: Object, containers: Iterable[tuple[Object, str]], path: str, faults: Faults
) -> None:
    """A Pod that says which system it is for must say nothing that the other alone has."""
    name = spec.get("os", {}).get("name", "")
    if not name:
        faults.append(FieldError.required(f"{path}.os.name"))
    elif name == "linux":
        fault = "windows options cannot be set for a linux pod"
        for holder, where in ((spec, path), *containers):
            if "windowsOptions" in holder.get("securityContext", {}):
                place = f"{where}.securityContext.windowsOptions"
                faults.append(FieldError.forbidden(place, fault))
    elif name == "windows":
        _not_linux(spec, containers, path, faults)
    else:
        faults.append(FieldError.not_supported(f"{path}.os", name, ("linux", "windows")))


def _not_linux(
    spec: Object, containers: Iterable[tuple[Object, str]], path: str, faults: Faults
) -> None:
    fault = "cannot be set for a windows pod"
    context = spec.get("securityContext", {})
    places = [f"securityContext.{name}" for name in _NOT_FOR_PODS if context.get(name) is not None]
    if "hostUsers" in spec:
        places.append("hostUsers")
    places += [name for name in ("hostPID", "hostIPC") if spec.get(name)]
    if "shareProcessNamespace" in spec:
        places.append("shareProcessNamespace")
    faults.extend(FieldError.forbidden(f"{path}.{place}", fault) for place in places)
    for one, where in containers:
        own = one.get("securityContext", {})
        for name in _NOT_FOR_CONTAINERS:
            if own.get(name) is not None:
                place = f"{where}.securityContext.{name}"
                faults.append(FieldError.forbidden(place, fault))
