"""Rules of a Pod's volumes.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/core/validation/validation.go (ValidateVolumes, validateVolumeSource).
"""

from collections.abc import Mapping
from typing import Any

from arubeki.api import names, quantity
from arubeki.api.fields import FieldError
from arubeki.api.rules import claims, common
from arubeki.api.rules.common import Faults
from arubeki.api.rules.pod import disks, projected
from arubeki.api.rules.pod.disks import Source

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
# In the order in which Kubernetes looks for them: the first is the source, the others are too many.
_ORDER = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs",
    "iscsi", "glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte",
    "downwardAPI", "fc", "flexVolume", "configMap", "azureFile", "vsphereVolume",
    "photonPersistentDisk", "portworxVolume", "azureDisk", "storageos", "projected", "scaleIO", "csi",
    "ephemeral", "image",
)  # fmt: skip
_SHOWN = {"cephfs": "cephFS"}


def volumes(
    spec: Mapping[str, Any], pod: str, path: str, faults: Faults
) -> Mapping[str, Mapping[str, Any]]:
    """Check the volumes of a Pod named `pod` ("" for a template); return the good ones by name."""
    good: dict[str, Mapping[str, Any]] = {}
    given = spec.get("volumes", ())
    made = {f"{pod}-{one.get('name', '')}" for one in given if pod and "ephemeral" in one}
    for index, volume in enumerate(given):
        place, name = f"{path}.volumes[{index}]", volume.get("name", "")
        before = len(faults)
        _source(volume, name, pod, place, faults)
        if name:
            common.named(name, f"{place}.name", faults)
        else:
            faults.append(FieldError.required(f"{place}.name"))
        if name in good:
            faults.append(FieldError.duplicate(f"{place}.name", name))
        if len(faults) == before:
            good[name] = volume
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim in made:
            fault = "must not reference a PVC that gets created for an ephemeral volume"
            where = f"{place}.persistentVolumeClaim.claimName"
            faults.append(FieldError.invalid(where, claim, fault))
    return good


def _source(volume: Mapping[str, Any], name: str, pod: str, path: str, faults: Faults) -> None:
    found = [kind for kind in volume if kind != "name"]
    if len(found) > 1:
        found.sort(key=_ORDER.index)
    if not found:
        faults.append(FieldError.required(path, "must specify a volume type"))
        return
    kind = found[0]
    source: Source = volume[kind]
    _CHECKS[kind](source, f"{path}.{disks.PLACES.get(kind, kind)}", faults)
    if kind == "ephemeral" and pod and name:
        claim = f"{pod}-{name}"
        for message in names.dns_subdomain(claim):
            fault = f'PVC name "{claim}": {message}'
            faults.append(FieldError.invalid(f"{path}.name", name, fault))
    elif (
        kind == "iscsi" and "initiatorName" in source and (why := disks.portal_fault(source, name))
    ):
        faults.append(FieldError.invalid(f"{path}.name", name, why))
    for other in found[1:]:
        fault = "may not specify more than 1 volume type"
        faults.append(FieldError.forbidden(f"{path}.{_SHOWN.get(other, other)}", fault))


def _empty_dir(source: Source, path: str, faults: Faults) -> None:
    limit = source.get("sizeLimit")
    if limit is not None and quantity.compare(limit, "0") < 0:
        fault = "SizeLimit field must be a valid resource quantity"
        faults.append(FieldError.forbidden(f"{path}.sizeLimit", fault))


def _git_repo(source: Source, path: str, faults: Faults) -> None:
    if not source.get("repository"):
        faults.append(FieldError.required(f"{path}.repository"))
    common.descending_path(source.get("directory", ""), f"{path}.directory", faults)


def _secret(source: Source, path: str, faults: Faults) -> None:
    if not source.get("secretName"):
        faults.append(FieldError.required(f"{path}.secretName"))
    projected.mode(source, "defaultMode", path, faults)
    projected.items(source, path, faults)


def _config_map(source: Source, path: str, faults: Faults) -> None:
    if not source.get("name"):
        faults.append(FieldError.required(f"{path}.name"))
    projected.mode(source, "defaultMode", path, faults)
    projected.items(source, path, faults)


def _downward(source: Source, path: str, faults: Faults) -> None:
    projected.mode(source, "defaultMode", path, faults)
    for item in source.get("items", ()):
        projected.downward_file(item, path, faults)


def _csi(source: Source, path: str, faults: Faults) -> None:
    disks.csi_driver(source.get("driver", ""), f"{path}.driver", faults)
    if (secret := source.get("nodePublishSecretRef")) is None:
        return
    if name := secret.get("name"):
        common.named(name, f"{path}.name", faults, names.dns_subdomain)
    else:
        faults.append(FieldError.required(f"{path}.nodePublishSecretRef.name"))


def _ephemeral(source: Source, path: str, faults: Faults) -> None:
    template, place = source.get("volumeClaimTemplate"), f"{path}.volumeClaimTemplate"
    if template is None:
        faults.append(FieldError.required(place))
    else:
        claims.claim_template(template, place, faults)


def _image(source: Source, path: str, faults: Faults) -> None:
    if not source.get("reference"):
        faults.append(FieldError.required(f"{path}.reference"))
    common.one_of(source.get("pullPolicy"), _PULL_POLICIES, f"{path}.pullPolicy", faults)


_CHECKS = {
    **disks.SHARED,
    "cinder": disks.with_secret(disks.required("volumeID"), "name"),
    "configMap": _config_map,
    "csi": _csi,
    "downwardAPI": _downward,
    "emptyDir": _empty_dir,
    "ephemeral": _ephemeral,
    "gitRepo": _git_repo,
    "image": _image,
    "persistentVolumeClaim": disks.required("claimName"),
    "projected": projected.projected,
    "secret": _secret,
    "storageos": disks.with_secret(disks.storage_os, "name"),
}
