"""Rules of what a Pod and its containers may do: security contexts, old annotations.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (validatePodSpecSecurityContext,
ValidateSecurityContext, ValidatePodSpecificAnnotations and below).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from arubeki.api import internal
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults
from arubeki.api.rules.pod import affinity, windows
from arubeki.api.syntax import json_fault

Object = Mapping[str, Any]
MIRROR = "kubernetes.io/config.mirror"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"

_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_PROFILE_MAX_BYTES = 4095
_SYSCTL = "([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL_MAX_BYTES = 253
_is_sysctl = re.compile(_SYSCTL).fullmatch
_IPC = ("kernel.sem", "kernel.shm", "kernel.msg", "fs.mqueue.")
_GROUP_CHANGES = ("Always", "OnRootMismatch")
_GROUP_POLICIES = ("Merge", "Strict")
_LABEL_CHANGES = ("MountOption", "Recursive")
_PROC_MOUNTS = ("Default", "Unmasked")


def pod_context(context: Object, spec: Object, path: str, faults: Faults) -> None:
    """Check the security context of a whole Pod."""
    for name in ("fsGroup", "runAsUser", "runAsGroup"):
        if name in context:
            common.user_number(context[name], f"{path}.{name}", faults)
    for index, group in enumerate(context.get("supplementalGroups", ())):
        common.user_number(group, f"{path}.supplementalGroups[{index}]", faults)
    _sysctls(context.get("sysctls", ()), spec, f"{path}.sysctls", faults)
    _word(context, "fsGroupChangePolicy", _GROUP_CHANGES, path, faults)
    _profiles(context, path, faults)
    _word(context, "supplementalGroupsPolicy", _GROUP_POLICIES, path, faults)
    _word(context, "seLinuxChangePolicy", _LABEL_CHANGES, path, faults)


def container_context(context: Object, path: str, faults: Faults, *, host_users: bool) -> None:
    """Check the security context of a container."""
    for name in ("runAsUser", "runAsGroup"):
        if name in context:
            common.user_number(context[name], f"{path}.{name}", faults)
    if (mount := context.get("procMount")) is not None:
        _word(context, "procMount", _PROC_MOUNTS, path, faults)
        if host_users and mount == "Unmasked":
            fault = "`hostUsers` must be false to use `Unmasked`"
            faults.append(FieldError.invalid(f"{path}.procMount", mount, fault))
    _seccomp(context.get("seccompProfile"), f"{path}.seccompProfile", faults)
    if context.get("allowPrivilegeEscalation") is False:
        _no_escalation(context, path, faults)
    windows.options(context.get("windowsOptions"), f"{path}.windowsOptions", faults)
    _apparmor(context.get("appArmorProfile"), f"{path}.appArmorProfile", faults)


def annotations(found: Mapping[str, str] | None, spec: Object, path: str, faults: Faults) -> None:
    """Check the annotations that mean something for a Pod."""
    if not found:
        return
    if MIRROR in found and not spec.get("nodeName"):
        fault = "must set spec.nodeName if mirror pod annotation is set"
        faults.append(FieldError.invalid(f"{path}[{MIRROR}]", found[MIRROR], fault))
    if found.get(TOLERATIONS):
        _tolerations(found[TOLERATIONS], path, faults)
    cost = found.get(DELETION_COST)
    if cost is not None and not _is_cost(cost):
        fault = "must be a 32bit integer"
        faults.append(FieldError.invalid(f"{path}[{DELETION_COST}]", cost, fault))
    if SECCOMP_POD in found:
        _seccomp_text(found[SECCOMP_POD], f"{path}.{SECCOMP_POD}", faults)
    for key, value in found.items():
        if key.startswith(SECCOMP_CONTAINER):
            _seccomp_text(value, f"{path}.{key}", faults)
    for key, value in found.items():
        if key.startswith(APPARMOR):
            _apparmor_text(key, value, spec, f"{path}[{key}]", faults)


def agreement(metadata: Object, spec: Object, path: str, faults: Faults) -> None:
    """Where an old annotation and a field say the same they must agree."""
    found = metadata.get("annotations")
    if not found:
        return
    context = spec.get("securityContext", {})
    if SECCOMP_POD in found and "seccompProfile" in context:
        place = f"{path}.securityContext.seccompProfile"
        _agree("seccomp", found[SECCOMP_POD], context["seccompProfile"], place, faults)
    for one, where in every_container(spec, path):
        profile = one.get("securityContext", {}).get("seccompProfile")
        given = found.get(f"{SECCOMP_CONTAINER}{one.get('name', '')}")
        if profile is not None and given is not None:
            place = f"{where}.securityContext.seccompProfile"
            _agree("seccomp", given, profile, place, faults)
    if spec.get("os", {}).get("name") == "windows":
        return
    for one, where in every_container(spec, path):
        own = one.get("securityContext", {}).get("appArmorProfile")
        profile = own if own is not None else context.get("appArmorProfile")
        given = found.get(f"{APPARMOR}{one.get('name', '')}")
        if profile is not None and given is not None:
            place = f"{where}.securityContext.appArmorProfile"
            _agree("apparmor", given, profile, place, faults)


def every_container(spec: Object, path: str) -> Iterator[tuple[Object, str]]:
    """Yield all containers and their paths, in the order in which Kubernetes visits them."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, one in enumerate(spec.get(field, ())):
            yield one, f"{path}.{field}[{index}]"


def _tolerations(text: str, path: str, faults: Faults) -> None:
    try:
        found = msgspec.json.decode(text, type=list[dict[str, Any]])
    except (ValueError, RecursionError) as error:
        why = json_fault(text.encode()) or str(error)
        faults.append(FieldError.invalid(path, TOLERATIONS, why))
        return
    affinity.tolerations(found, f"{path}.{TOLERATIONS}", faults)


def _word(holder: Object, name: str, words: tuple[str, ...], path: str, faults: Faults) -> None:
    value = holder.get(name)
    if value is not None and value not in words:
        faults.append(FieldError.not_supported(f"{path}.{name}", value, words))


def _profiles(context: Object, path: str, faults: Faults) -> None:
    _seccomp(context.get("seccompProfile"), f"{path}.seccompProfile", faults)
    windows.options(context.get("windowsOptions"), f"{path}.windowsOptions", faults)
    _apparmor(context.get("appArmorProfile"), f"{path}.appArmorProfile", faults)


def _no_escalation(context: Object, path: str, faults: Faults) -> None:
    if context.get("privileged"):
        fault = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        shown = internal.of("core.SecurityContext", context)
        faults.append(FieldError.invalid(path, shown, fault))
    for capability in context.get("capabilities", {}).get("add", ()):
        if capability == "CAP_SYS_ADMIN":
            fault = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            shown = internal.of("core.SecurityContext", context)
            faults.append(FieldError.invalid(path, shown, fault))


def _sysctls(found: Any, spec: Object, path: str, faults: Faults) -> None:
    seen = set()
    for index, one in enumerate(found):
        place, name = f"{path}[{index}].name", one.get("name", "")
        if not name:
            faults.append(FieldError.required(place))
        elif len(name) > _SYSCTL_MAX_BYTES or not _is_sysctl(name):
            fault = f"must have at most {_SYSCTL_MAX_BYTES} characters and match regex ^{_SYSCTL}$"
            faults.append(FieldError.invalid(place, name, fault))
        elif name in seen:
            faults.append(FieldError.duplicate(place, name))
        seen.add(name)
        dotted = name.replace("/", ".") if "/" in name.split(".")[0] else name
        if spec.get("hostNetwork") and dotted.startswith("net."):
            fault = "may not be specified when 'hostNetwork' is true"
            faults.append(FieldError.invalid(place, name, fault))
        elif spec.get("hostIPC") and dotted.startswith(_IPC):
            fault = "may not be specified when 'hostIPC' is true"
            faults.append(FieldError.invalid(place, name, fault))


def _seccomp(profile: Object | None, path: str, faults: Faults) -> None:
    if profile is None:
        return
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    if not kind:
        needed = "type is required when seccompProfile is set"
        faults.append(FieldError.required(f"{path}.type", needed))
    elif kind not in _PROFILES:
        faults.append(FieldError.not_supported(f"{path}.type", kind, _PROFILES))
    place = f"{path}.localhostProfile"
    if kind == "Localhost":
        if local is None:
            faults.append(FieldError.required(place, "must be set when seccomp type is Localhost"))
        else:
            common.descending_path(local, place, faults)
    elif local is not None:
        fault = "can only be set when seccomp type is Localhost"
        shown = internal.of("core.SeccompProfile", profile)
        faults.append(FieldError.invalid(place, shown, fault))


def _apparmor(profile: Object | None, path: str, faults: Faults) -> None:
    if profile is None:
        return
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    place, needed = f"{path}.localhostProfile", "must be set when AppArmor type is Localhost"
    if kind == "Localhost":
        if local is None:
            faults.append(FieldError.required(place, needed))
            return
        if local != local.strip():
            fault = "must not be padded with whitespace"
            faults.append(FieldError.invalid(place, local, fault))
        elif not local:
            faults.append(FieldError.required(place, needed))
        if len(local) > _PROFILE_MAX_BYTES:
            faults.append(FieldError.too_long(place, _PROFILE_MAX_BYTES))
    elif kind in ("RuntimeDefault", "Unconfined"):
        if local is not None:
            fault = "can only be set when AppArmor type is Localhost"
            faults.append(FieldError.invalid(place, local, fault))
    elif not kind:
        needed = "type is required when appArmorProfile is set"
        faults.append(FieldError.required(f"{path}.type", needed))
    else:
        faults.append(FieldError.not_supported(f"{path}.type", kind, _PROFILES))


def _seccomp_text(text: str, path: str, faults: Faults) -> None:
    if text in ("runtime/default", "docker/default", "unconfined"):
        return
    if text.startswith("localhost/"):
        common.descending_path(text.removeprefix("localhost/"), path, faults)
    else:
        faults.append(FieldError.invalid(path, text, "must be a valid seccomp profile"))


def _apparmor_text(key: str, text: str, spec: Object, path: str, faults: Faults) -> None:
    name = key.removeprefix(APPARMOR)
    if all(one.get("name") != name for one, _ in every_container(spec, "")):
        faults.append(FieldError.invalid(path, name, "container not found"))
    if text not in ("", "runtime/default", "unconfined") and not text.startswith("localhost/"):
        fault = f'invalid AppArmor profile name: "{text}"'
        faults.append(FieldError.invalid(path, text, fault))


def _agree(what: str, text: str, profile: Object, path: str, faults: Faults) -> None:
    kind, local = profile.get("type"), profile.get("localhostProfile")
    standard = ["runtime/default"] + ["docker/default"] * (what == "seccomp")
    if kind == "Unconfined":
        agrees = text == "unconfined"
    elif kind == "RuntimeDefault":
        agrees = text in standard
    else:
        agrees = kind != "Localhost" or text.startswith("localhost/")
    if not agrees:
        fault = f"{what} type in annotation and field must match"
        faults.append(FieldError.forbidden(f"{path}.type", fault))
    elif kind == "Localhost" and text.removeprefix("localhost/") != local:
        fault = f"{what} profile in annotation and field must match"
        faults.append(FieldError.forbidden(f"{path}.localhostProfile", fault))


def _is_cost(text: str) -> bool:
    """Tell whether a text is a 32 bit number as Kubernetes writes it, without a plus or a zero."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12):
        return False
    plain = digits == "0" or not digits.startswith("0")
    return plain and -common.INT32_MAX - 1 <= int(text) <= common.INT32_MAX
