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


def definition_faults(definition: Mapping[str, Any], *, is_new: bool = True) -> list[FieldError]:
    """Return what is wrong with a definition; only a new one's name is held against its spec."""
    spec = definition.get("spec")
    if not isinstance(spec, Mapping):
        return [FieldError.required("spec")]
    faults = _identity_faults(definition, spec, is_new=is_new)
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
    place = len(faults)
    strategy = (spec.get("conversion") or {}).get("strategy", "None")
    if strategy not in ("None", "Webhook"):
        path = "spec.conversion.strategy"
        faults.append(FieldError.not_supported(path, strategy, ("None", "Webhook")))
    if strategy == "None" and (spec.get("conversion") or {}).get("webhook") is not None:
        why = "should not be set when strategy is not set to Webhook"
        faults.append(FieldError.forbidden("spec.conversion.conversionReviewVersions", why))
    if strategy == "Webhook":
        # Served as `None` it would hand out objects of the wrong shape.
        why = "conversion by webhook is not served by this server"
        faults.append(FieldError.forbidden("spec.conversion.strategy", why))
    faults[place:place] = [
        *_version_faults(spec.get("versions") or []),
        *_names_faults(spec.get("names") or {}),
    ]
    return faults + _approval_faults(definition, spec.get("group") or "")


def _identity_faults(
    definition: Mapping[str, Any], spec: Mapping[str, Any], *, is_new: bool
) -> list[FieldError]:
    faults = []
    group, called = spec.get("group") or "", spec.get("names") or {}
    name, expected = definition["metadata"].get("name", ""), f"{called.get('plural', '')}.{group}"
    if is_new and name and name != expected:
        why = 'must be spec.names.plural+"."+spec.group'
        faults.append(FieldError.invalid("metadata.name", name, why))
    if not group:
        faults.append(FieldError.required("spec.group"))
    elif wrong := names.dns_subdomain(group):
        faults.append(FieldError.invalid("spec.group", group, ",".join(wrong)))
    elif "." not in group:
        why = "should be a domain with at least one dot"
        faults.append(FieldError.invalid("spec.group", group, why))
    return faults


def _approval_faults(definition: Mapping[str, Any], group: str) -> list[FieldError]:
    annotations = definition["metadata"].get("annotations") or {}
    if not group.endswith(tuple(f".{one}" for one in _PROTECTED)) or annotations.get(_APPROVED):
        return []
    why = (
        f'protected groups must have approval annotation "{_APPROVED}", '
        "see https://github.com/kubernetes/enhancements/pull/1111"
    )
    return [FieldError.required(f"metadata.annotations[{_APPROVED}]", why)]


_MIXED = "may have mixed case, but should otherwise match: "


def _names_faults(called: Mapping[str, Any]) -> list[FieldError]:
    faults = [
        FieldError.required(f"spec.names.{field}")
        for field in ("plural", "singular", "kind", "listKind")
        if not called.get(field)
    ]
    for field in ("plural", "singular", "kind", "listKind"):
        name, path = called.get(field) or "", f"spec.names.{field}"
        is_kind = field in ("kind", "listKind")
        if name and (wrong := names.dns1035_label(name.lower() if is_kind else name)):
            why = (_MIXED if is_kind else "") + ",".join(wrong)
            faults.append(FieldError.invalid(path, name, why))
    for field in ("shortNames", "categories"):
        if (
            field == "categories"
            and called.get("kind")
            and called["kind"] == called.get("listKind")
        ):
            why = "kind and listKind may not be the same"
            faults.append(FieldError.invalid("spec.names.listKind", called["listKind"], why))
        for index, name in enumerate(called.get(field) or ()):
            if wrong := names.dns1035_label(name):
                path = f"spec.names.{field}[{index}]"
                faults.append(FieldError.invalid(path, name, ",".join(wrong)))
    return faults


def _version_faults(versions: list[Any]) -> list[FieldError]:
    faults = []
    seen: set[str] = set()
    # What all versions have alike, Kubernetes' own form has once: above them.
    alike = {
        name
        for name in ("subresources", "additionalPrinterColumns", "selectableFields")
        if all(version.get(name) == versions[0].get(name) for version in versions)
    }
    one_schema = all(version.get("schema") == versions[0].get("schema") for version in versions)
    lacking = [
        index
        for index, version in enumerate(versions)
        if (version.get("schema") or {}).get("openAPIV3Schema") is None
    ]
    faults += [
        FieldError.required(f"spec.versions[{index}].schema.openAPIV3Schema") for index in lacking
    ]
    unique = True
    for index, version in enumerate(versions):
        path, name = f"spec.versions[{index}]", version.get("name") or ""
        if wrong := names.dns1035_label(name):
            faults.append(FieldError.invalid(f"{path}.name", name, ",".join(wrong)))
        unique = unique and name not in seen
        seen.add(name)
        faults += _deprecation_faults(version, path)
        if index not in lacking and not one_schema:
            faults += _schema_faults(version["schema"]["openAPIV3Schema"], f"{path}.schema")
        faults += _below_faults(version, path, alike)
    if not unique:
        why = "must contain unique version names"
        faults.append(FieldError.invalid("spec.versions", _internal(versions, alike), why))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        shown = _internal(versions, alike) or None
        faults.append(FieldError.invalid("spec.versions", shown, _ONE_STORED))
    if versions:
        first = versions[0].get("name") or ""
        if first and (wrong := names.dns1035_label(first)):
            faults.append(FieldError.invalid("spec.version", first, ",".join(wrong)))
        if one_schema and not lacking:
            faults += _schema_faults(versions[0]["schema"]["openAPIV3Schema"], "spec.validation")
        faults += _below_faults({name: versions[0].get(name) for name in alike}, "spec", set())
    return faults


def _internal(versions: list[Any], alike: set[str]) -> list[dict[str, Any]]:
    """Return versions as Go shows its internal structs; schemas that are not alike are left out."""
    return [
        {
            "Name": one.get("name", ""),
            "Served": one.get("served", False),
            "Storage": one.get("storage", False),
            "Deprecated": one.get("deprecated", False),
            "DeprecationWarning": one.get("deprecationWarning"),
            "Schema": None,
            **{
                name[:1].upper() + name[1:]: None if name in alike else one.get(name)
                for name in ("subresources", "additionalPrinterColumns", "selectableFields")
            },
        }
        for one in versions
    ]


def _deprecation_faults(version: Mapping[str, Any], path: str) -> list[FieldError]:
    text, where = version.get("deprecationWarning"), f"{path}.deprecationWarning"
    if text is None:
        return []
    if not version.get("deprecated"):
        return [FieldError.invalid(where, text, "can only be set for deprecated versions")]
    wrong = []
    if len(text.encode()) > 256:
        wrong.append("must be <= 256 characters long")
    if not text:
        wrong.append("must not be an empty string")
    for index, one in enumerate(text):
        if not one.isprintable():
            place = len(text[:index].encode())
            wrong.append(
                "must only contain printable UTF-8 characters; non-printable character found at"
                f" index {place}"
            )
            break
    return [FieldError.invalid(where, text, why) for why in wrong]


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


def _below_faults(version: Mapping[str, Any], path: str, alike: set[str]) -> list[FieldError]:
    faults = []
    if "subresources" not in alike:
        scale = (version.get("subresources") or {}).get("scale")
        faults += _scale_faults(scale, f"{path}.subresources.scale") if scale is not None else []
    if "additionalPrinterColumns" not in alike:
        for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
            faults += _column_faults(column, f"{path}.additionalPrinterColumns[{index}]")
    if "selectableFields" in alike:
        return faults
    selectable = version.get("selectableFields") or ()
    if len(selectable) > SELECTABLE_LIMIT:
        where = f"{path}.selectableFields"
        faults.append(FieldError.too_many(where, len(selectable), SELECTABLE_LIMIT))
    for index, one in enumerate(selectable):
        given, where = one.get("jsonPath") or "", f"{path}.selectableFields[{index}].jsonPath"
        if not given:
            faults.append(FieldError.required(where))
        elif not given.startswith(".") or "[" in given or ".." in given or given.endswith("."):
            faults.append(FieldError.invalid(where, given, "must be a simple path of field names"))
        elif any(one == other for other in selectable[:index]):
            faults.append(FieldError.duplicate(where, given))
    return faults


_TYPES = ("boolean", "date", "integer", "number", "string")
_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")


def _column_faults(column: Mapping[str, Any], path: str) -> list[FieldError]:
    faults = [] if column.get("name") else [FieldError.required(f"{path}.name")]
    kind, form, given = (column.get(name) or "" for name in ("type", "format", "jsonPath"))
    why = f"must be one of {','.join(_TYPES)}"
    if not kind:
        faults.append(FieldError.required(f"{path}.type", why))
    elif kind not in _TYPES:
        faults.append(FieldError.invalid(f"{path}.type", kind, why))
    if form and form not in _FORMATS:
        why = f"must be one of {','.join(_FORMATS)}"
        faults.append(FieldError.invalid(f"{path}.format", form, why))
    where = f"{path}.JSONPath"
    if not given:
        faults.append(FieldError.required(where))
    elif not given.startswith("."):
        faults.append(FieldError.invalid(where, given, _DOTTED))
    return faults


_DOTTED = "must be a simple json path starting with ."


def _scale_faults(scale: Mapping[str, Any], path: str) -> list[FieldError]:
    faults = []
    for field, roots in (
        ("specReplicasPath", (".spec.",)),
        ("statusReplicasPath", (".status.",)),
        ("labelSelectorPath", (".spec.", ".status.")),
    ):
        where, given = f"{path}.{field}", scale.get(field) or ""
        if not given:
            if field != "labelSelectorPath":
                faults.append(FieldError.required(where))
        elif not given.startswith("."):
            faults.append(FieldError.invalid(where, given, _DOTTED))
        elif not given.startswith(roots):
            under = "either .spec or .status" if len(roots) > 1 else roots[0].rstrip(".")
            faults.append(FieldError.invalid(where, given, f"should be a json path under {under}"))
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
    plural = after["names"].get("plural", "")
    if plural != before["names"].get("plural", ""):
        faults.append(FieldError.invalid("spec.names.plural", plural, "field is immutable"))
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
