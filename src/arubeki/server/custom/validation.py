"""What a CustomResourceDefinition must be, so that it can be served.

The structural rules of schemas in depth, and CEL, are not checked yet.

Pure. On the ring: [HTTP > **server** > storage].
Source: apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go.
"""

from collections.abc import Mapping
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.schema import parse

SELECTABLE_LIMIT = 8
_APPROVED = "api-approved.kubernetes.io"
_PROTECTED = ("k8s.io", "kubernetes.io")
_ONE_STORED = "must have exactly one version marked as storage version"


def definition_faults(definition: Mapping[str, Any]) -> list[FieldError]:
    """Return what is wrong with a definition, apart from its metadata."""
    spec = definition.get("spec")
    if not isinstance(spec, Mapping):
        return [FieldError.required("spec")]
    faults = _identity_faults(definition, spec)
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        path, supported = "spec.scope", ("Cluster", "Namespaced")
        given = spec.get("scope") or ""
        faults.append(
            FieldError.not_supported(path, given, supported) if given else FieldError.required(path)
        )
    if spec.get("preserveUnknownFields"):
        why = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
            "spec.versions[*].schema instead"
        )
        faults.append(FieldError.invalid("spec.preserveUnknownFields", True, why))
    strategy = (spec.get("conversion") or {}).get("strategy", "None")
    if strategy not in ("None", "Webhook"):
        path = "spec.conversion.strategy"
        faults.append(FieldError.not_supported(path, strategy, ("None", "Webhook")))
    if strategy == "Webhook":
        # Served as `None` it would hand out objects of the wrong shape.
        why = "conversion by webhook is not served by this server"
        faults.append(FieldError.forbidden("spec.conversion.strategy", why))
    return faults + _version_faults(spec.get("versions") or [])


def _identity_faults(definition: Mapping[str, Any], spec: Mapping[str, Any]) -> list[FieldError]:
    faults = []
    group, called = spec.get("group") or "", spec.get("names") or {}
    if not group:
        faults.append(FieldError.required("spec.group"))
    else:
        faults += [FieldError.invalid("spec.group", group, w) for w in names.dns_subdomain(group)]
        if "." not in group:
            why = "should be a domain with at least one dot"
            faults.append(FieldError.invalid("spec.group", group, why))
    for field in ("plural", "singular", "kind", "listKind"):
        name, path = called.get(field) or "", f"spec.names.{field}"
        if not name:
            if field in ("plural", "kind"):
                faults.append(FieldError.required(path))
            continue
        faults += [FieldError.invalid(path, name, w) for w in names.dns1035_label(name.lower())]
    if called.get("kind") and called.get("kind") == called.get("listKind"):
        why = "kind and listKind may not be the same"
        faults.append(FieldError.invalid("spec.names.listKind", called["listKind"], why))
    expected = f"{called.get('plural', '')}.{group}"
    name = definition["metadata"].get("name", "")
    if name and name != expected:
        why = 'must be spec.names.plural+"."+spec.group'
        faults.append(FieldError.invalid("metadata.name", name, why))
    annotations = definition["metadata"].get("annotations") or {}
    if group.endswith(tuple(f".{one}" for one in _PROTECTED)) and not annotations.get(_APPROVED):
        why = (
            f'protected groups must have approval annotation "{_APPROVED}", '
            "see https://github.com/kubernetes/enhancements/pull/1111"
        )
        faults.append(FieldError.required(f"metadata.annotations[{_APPROVED}]", why))
    return faults


def _version_faults(versions: list[Any]) -> list[FieldError]:
    if not versions:
        return [FieldError.required("spec.versions", _ONE_STORED)]
    faults = []
    seen: set[str] = set()
    for index, version in enumerate(versions):
        path = f"spec.versions[{index}]"
        name = version.get("name") or ""
        faults += [FieldError.invalid(f"{path}.name", name, w) for w in names.dns1035_label(name)]
        if name in seen:
            faults.append(FieldError.invalid(f"{path}.name", name, "must be unique"))
        seen.add(name)
        if (version.get("schema") or {}).get("openAPIV3Schema") is None:
            where = f"{path}.schema.openAPIV3Schema"
            faults.append(FieldError.required(where, "schemas are required"))
        else:
            faults += _schema_faults(version["schema"]["openAPIV3Schema"], f"{path}.schema")
        faults += _below_faults(version, path)
    if sum(bool(version.get("storage")) for version in versions) != 1:
        listed = [version.get("name") for version in versions]
        faults.append(FieldError.invalid("spec.versions", listed, _ONE_STORED))
    return faults


def _schema_faults(source: Mapping[str, Any], path: str) -> list[FieldError]:
    where = f"{path}.openAPIV3Schema"
    kind = source.get("type")
    if not kind:
        return [FieldError.required(f"{where}.type", "must not be empty at the root")]
    if kind != "object":
        return [FieldError.invalid(f"{where}.type", kind, "must be object at the root")]
    try:
        parse(dict(source))
    except ValueError as error:
        return [FieldError.invalid(where, {}, str(error))]
    return []


def _below_faults(version: Mapping[str, Any], path: str) -> list[FieldError]:
    faults = []
    scale = (version.get("subresources") or {}).get("scale")
    if scale is not None:
        for field, root in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
            where, given = f"{path}.subresources.scale.{field}", scale.get(field) or ""
            if not given:
                faults.append(FieldError.required(where))
            elif not given.startswith(root) or "[" in given:
                why = f"should be a json path under {root.rstrip('.')}"
                faults.append(FieldError.invalid(where, given, why))
        selector = scale.get("labelSelectorPath")
        if selector and not selector.startswith((".spec.", ".status.")):
            where = f"{path}.subresources.scale.labelSelectorPath"
            why = "should be a json path under either .spec or .status"
            faults.append(FieldError.invalid(where, selector, why))
    selectable = version.get("selectableFields") or ()
    if len(selectable) > SELECTABLE_LIMIT:
        where = f"{path}.selectableFields"
        faults.append(FieldError.too_many(where, len(selectable), SELECTABLE_LIMIT))
    for index, one in enumerate(selectable):
        given, where = one.get("jsonPath") or "", f"{path}.selectableFields[{index}].jsonPath"
        if not given.startswith(".") or "[" in given or ".." in given or given.endswith("."):
            faults.append(FieldError.invalid(where, given, "must be a simple path of field names"))
    return faults


def update_faults(
    new: Mapping[str, Any], old: Mapping[str, Any], *, established: bool
) -> list[FieldError]:
    """Return what may not change between two versions of a definition."""
    faults = []
    after, before = new["spec"], old["spec"]
    if established:
        if after["scope"] != before["scope"]:
            faults.append(FieldError.invalid("spec.scope", after["scope"], "field is immutable"))
        if after["names"].get("kind") != before["names"].get("kind"):
            kind = after["names"].get("kind")
            faults.append(FieldError.invalid("spec.names.kind", kind, "field is immutable"))
    if after["group"] != before["group"]:
        faults.append(FieldError.invalid("spec.group", after["group"], "field is immutable"))
    versions = {version["name"] for version in after["versions"]}
    for index, name in enumerate((new.get("status") or {}).get("storedVersions") or ()):
        if name not in versions:
            path = f"status.storedVersions[{index}]"
            why = (
                "missing from spec.versions; it was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in "
                + name
                + " and removes "
                + name
                + " from status.storedVersions"
            )
            faults.append(FieldError.invalid(path, name, why))
    return faults
