"""Rules of the files that volumes project: of Secrets, ConfigMaps, the Pod itself, credentials.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (validateProjectionSources,
validateKeyToPath, validateDownwardAPIVolumeFile).
"""

from collections.abc import Mapping
from typing import Any

from arubeki.api import internal, names
from arubeki.api.fields import FieldError
from arubeki.api.rules import common
from arubeki.api.rules.common import Faults
from arubeki.api.rules.pod import environment

Source = Mapping[str, Any]
_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_SHORTEST_TOKEN, _LONGEST_TOKEN = 600, 1 << 32
_SHORTEST_CERTIFICATE, _LONGEST_CERTIFICATE, _LONGEST_OF_KUBERNETES = 3600, 91 * 86400, 86400
_KEY_TYPES = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
_CERTIFICATE_PATHS = ("credentialBundlePath", "keyPath", "certificateChainPath")


def mode(holder: Source, name: str, path: str, faults: Faults) -> None:
    """The mode of a file must be one."""
    value = holder.get(name)
    if value is not None and not 0 <= value <= 0o777:
        faults.append(FieldError.invalid(f"{path}.{name}", value, _MODE))


def items(holder: Source, path: str, faults: Faults) -> None:
    """Keys that become files must be named, and where the files lie."""
    for index, item in enumerate(holder.get("items", ())):
        _item(item, f"{path}.items[{index}]", faults)


def downward_file(item: Source, path: str, faults: Faults) -> None:
    """A file with a part of the Pod must be told which."""
    _file(item, path, faults)
    if "fieldRef" in item:
        place = f"{path}.fieldRef"
        environment.field_reference(item["fieldRef"], environment.FILE_FIELDS, place, faults)
        if "resourceFieldRef" in item:
            fault = "fieldRef and resourceFieldRef can not be specified simultaneously"
            faults.append(FieldError.invalid(path, "resource", fault))
    elif "resourceFieldRef" in item:
        reference, place = item["resourceFieldRef"], f"{path}.resourceFieldRef"
        environment.resource_reference(reference, place, faults, needs_container=True)
    else:
        needed = "one of fieldRef and resourceFieldRef is required"
        faults.append(FieldError.required(path, needed))
    mode(item, "mode", path, faults)


def projected(source: Source, path: str, faults: Faults) -> None:
    """Check a volume that joins several sources: each file once."""
    mode(source, "defaultMode", path, faults)
    files = _Files(path, faults)
    for index, one in enumerate(source.get("sources", ())):
        place = f"{path}.sources[{index}]"
        found = [kind for kind in _CHECKS if kind in one]
        for kind in found:
            _CHECKS[kind](one[kind], f"{place}.{kind}", files)
        if len(found) > 1:
            fault = "may not specify more than 1 volume type per source"
            faults.append(FieldError.forbidden(place, fault))


class _Files:
    """The files of one projected volume, and where its faults go."""

    def __init__(self, path: str, faults: Faults) -> None:
        self.path = path
        self.faults = faults
        self._taken: set[str] = set()

    def take(self, where: str, shown: str) -> None:
        """Note a file; it must not be there already."""
        if where in self._taken:
            fault = "conflicting duplicate paths"
            self.faults.append(FieldError.invalid(self.path, shown, fault))
        self._taken.add(where)


def _item(item: Source, path: str, faults: Faults) -> None:
    if not item.get("key"):
        faults.append(FieldError.required(f"{path}.key"))
    _file(item, path, faults)
    mode(item, "mode", path, faults)


def _file(item: Source, path: str, faults: Faults) -> None:
    where = item.get("path", "")
    if not where:
        faults.append(FieldError.required(f"{path}.path"))
    common.file_path(where, f"{path}.path", faults)


def _keys(source: Source, path: str, files: _Files) -> None:
    name = source.get("name", "")
    if not name:
        files.faults.append(FieldError.required(f"{path}.name"))
    for index, item in enumerate(source.get("items", ())):
        _item(item, f"{path}.items[{index}]", files.faults)
        if where := item.get("path"):
            files.take(where, name)


def _downward(source: Source, path: str, files: _Files) -> None:
    for item in source.get("items", ()):
        downward_file(item, path, files.faults)
        if where := item.get("path"):
            files.take(where, where)


def _token(source: Source, path: str, files: _Files) -> None:
    seconds, place = source.get("expirationSeconds", 0), f"{path}.expirationSeconds"
    if seconds < _SHORTEST_TOKEN:
        fault = "may not specify a duration less than 10 minutes"
        files.faults.append(FieldError.invalid(place, seconds, fault))
    if seconds > _LONGEST_TOKEN:
        fault = "may not specify a duration larger than 2^32 seconds"
        files.faults.append(FieldError.invalid(place, seconds, fault))
    # Kubernetes gives the path of the whole volume here.
    if where := source.get("path"):
        common.file_path(where, f"{files.path}.path", files.faults)
    else:
        files.faults.append(FieldError.required(f"{files.path}.path"))


def _bundle(source: Source, path: str, files: _Files) -> None:
    faults, name, signer = files.faults, source.get("name"), source.get("signerName")
    if name is not None and signer is not None:
        fault = "only one of name and signerName may be used"
        shown = internal.of("core.ClusterTrustBundleProjection", source)
        faults.append(FieldError.invalid(path, shown, fault))
    elif name is not None:
        if not name:
            needed = "must be a valid object name"
            faults.append(FieldError.required(f"{path}.name", needed))
        # What a signer stands before is a name of its own.
        for message in names.dns_subdomain(name.rpartition(":")[2]):
            fault = f"not a valid clustertrustbundlename: {message}"
            faults.append(FieldError.invalid(f"{path}.name", name, fault))
        if (selector := source.get("labelSelector")) is not None:
            fault = "labelSelector must be unset if name is specified"
            faults.append(FieldError.invalid(f"{path}.labelSelector", selector, fault))
    elif signer is not None:
        if not signer:
            needed = "must be a valid signer name"
            faults.append(FieldError.required(f"{path}.signerName", needed))
        signer_name(signer, f"{path}.signerName", faults)
        if (selector := source.get("labelSelector")) is not None:
            common.selector(selector, f"{path}.labelSelector", faults)
    else:
        faults.append(FieldError.required(path, "either name or signerName must be specified"))
    _file(source, path, faults)
    where = source.get("path", "")
    files.take(where, where)


def _certificate(source: Source, path: str, files: _Files) -> None:
    faults, signer = files.faults, source.get("signerName", "")
    signer_name(signer, f"{path}.signerName", faults)
    kind = source.get("keyType", "")
    if kind not in _KEY_TYPES:
        faults.append(FieldError.not_supported(f"{path}.keyType", kind, _KEY_TYPES))
    if (seconds := source.get("maxExpirationSeconds")) is not None:
        place = f"{path}.maxExpirationSeconds"
        own = signer.partition("/")[0].endswith("kubernetes.io")
        longest = _LONGEST_OF_KUBERNETES if own else _LONGEST_CERTIFICATE
        if seconds < _SHORTEST_CERTIFICATE:
            fault = f"if provided, maxExpirationSeconds must be >= {_SHORTEST_CERTIFICATE}"
            faults.append(FieldError.invalid(place, seconds, fault))
        if seconds > longest:
            fault = f"if provided, maxExpirationSeconds must be <= {longest}"
            faults.append(FieldError.invalid(place, seconds, fault))
    found = [name for name in _CERTIFICATE_PATHS if source.get(name)]
    for name in found:
        common.file_path(source[name], f"{path}.{name}", faults)
        files.take(source[name], source[name])
    if not found:
        needed = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        faults.append(FieldError.required(path, needed))


def signer_name(text: str, path: str, faults: Faults) -> None:
    """A signer must be named `example.com/name`."""
    if not text:
        faults.append(FieldError.required(path))
        return
    host, slash, rest = text.partition("/")
    if not slash or "/" in rest:
        fault = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        faults.append(FieldError.invalid(path, text, fault))
        return
    labels = host.split(".")
    for part, rule, shown in (
        (labels, names.dns_label, host),
        (rest.split("."), names.dns_subdomain, rest),
    ):
        for label in part:
            if messages := rule(label):
                for message in messages:
                    fault = f'validating label "{label}": {message}'
                    faults.append(FieldError.invalid(path, shown, fault))
                break
        if part is labels and len(labels) < 2:
            fault = "should be a domain with at least two segments separated by dots"
            faults.append(FieldError.invalid(path, host, fault))


_CHECKS = {
    "secret": _keys,
    "configMap": _keys,
    "downwardAPI": _downward,
    "serviceAccountToken": _token,
    "clusterTrustBundle": _bundle,
    "podCertificate": _certificate,
}
