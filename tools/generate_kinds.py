"""Write src/arubeki/kinds/*_v*.py: one module of frozen structs per stable group version.

    python tools/generate_kinds.py                   # downloads the schema's package
    python tools/generate_kinds.py --schema FILE     # a _definitions.json at hand

The source is Kubernetes' published OpenAPI as packaged by kubernetes-validate (PyPI). Only facts are
taken: the names of fields, their types, what is required. Descriptions are not. Which resources are
served under which plural, and which have no namespace, is not in the schema: it is in the tables
below (Source: `kubectl api-resources` of a full cluster).
"""

import argparse
import importlib.util
import json
import keyword
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKAGE = "kubernetes-validate==1.37.0"
MEMBER = "kubernetes_validate/kubernetes-json-schema/v1.37.0-local/_definitions.json"
TARGET = Path(__file__).parent.parent / "src/arubeki/kinds"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."

PREFIXES = {
    "io.k8s.apimachinery.pkg.apis.meta": "meta",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions": "apiextensions",
    "io.k8s.kube-aggregator.pkg.apis.apiregistration": "apiregistration",
}
VERSIONS = {"v1", "v2"}

META_ROOTS = ("Condition", "DeleteOptions", "LabelSelector", "ListMeta", "ObjectMeta",
              "OwnerReference", "Status")  # fmt: skip
"""Types of meta/v1 that are wanted even where no generated kind refers to them."""

LEFT_OUT = {META + "ObjectMeta": {"managedFields"}}
"""A fifth of a Pod's bytes and half of its memory; informers hash their own entry and drop them."""

SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "str",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int | str",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "Any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": "Any",
    META + "Time": "str",
    META + "MicroTime": "str",
    META + "FieldsV1": "Any",
}
UNIONS = {"JSONSchemaPropsOrArray": "JSONSchemaProps | tuple[JSONSchemaProps, ...]",
          "JSONSchemaPropsOrBool": "JSONSchemaProps | bool",
          "JSONSchemaPropsOrStringArray": "JSONSchemaProps | tuple[str, ...]"}  # fmt: skip
BUILTINS = {"bool", "bytes", "float", "int", "str", "tuple"}
ZEROS = {"str": '""', "int": "0", "float": "0.0", "bool": "False", "bytes": 'b""', "Any": "None",
         "int | str": "0"}  # fmt: skip

CLUSTER_SCOPED = {
    "APIService", "CSIDriver", "CSINode", "CertificateSigningRequest", "ClusterRole",
    "ClusterRoleBinding", "ClusterTrustBundle", "ComponentStatus", "CustomResourceDefinition",
    "DeviceClass", "DeviceTaintRule", "FlowSchema", "IPAddress", "IngressClass",
    "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration",
    "Namespace", "Node", "PersistentVolume", "PriorityClass", "PriorityLevelConfiguration",
    "ResourceSlice", "RuntimeClass", "SelfSubjectAccessReview", "SelfSubjectReview",
    "SelfSubjectRulesReview", "ServiceCIDR", "StorageClass", "StorageVersionMigration",
    "SubjectAccessReview", "TokenReview", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeAttachment",
    "VolumeAttributesClass",
}  # fmt: skip
IRREGULAR_PLURALS = {"Endpoints": "endpoints"}
SECRET_FIELDS = {"io.k8s.api.core.v1.Secret": ("data", "stringData")}
NOT_KINDS = {"DeleteOptions", "Status", "APIGroup", "APIVersions", "WatchEvent"}


@dataclass
class Module:
    """One file to write: its definitions by class name, in the order of their need."""

    name: str
    definitions: dict[str, str] = field(default_factory=dict)


def main() -> int:
    """Write all modules and format them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--schema", type=Path, help="a _definitions.json instead of the download")
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    definitions = json.loads(options.schema.read_text() if options.schema else download())["$defs"]
    written = []
    for module, names in sorted(modules_of(definitions).items()):
        path = options.target / f"{module}.py"
        path.write_text(Writer(definitions, module, names).text())
        written.append(path)
    formatter = [sys.executable, "-m", "ruff", "format", "--quiet", "--isolated"]
    subprocess.run([*formatter, "--line-length=100", *written], check=True)
    print(f"{len(written)} modules")
    return 0


def download() -> str:
    """Return the text of the schema from the package on PyPI."""
    with tempfile.TemporaryDirectory() as folder:
        # An environment made by uv has no pip of its own.
        pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else ["pip"]
        command = [*pip, "download", "--no-deps", "--quiet", "--dest", folder, PACKAGE]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(MEMBER).decode()


def modules_of(definitions: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return for each module the definitions it holds, those needed first."""
    roots = [
        name
        for name in definitions
        if module_of(name) not in ("", "meta_v1") and not name.endswith("List")
    ]
    roots += [META + name for name in META_ROOTS]
    ordered: dict[str, None] = {}
    for name in sorted(roots):
        visit(name, definitions, ordered, ())
    modules: dict[str, list[str]] = {}
    for name in ordered:
        modules.setdefault(module_of(name), []).append(name)
    return modules


def visit(
    name: str, definitions: Mapping[str, Any], ordered: dict[str, None], above: tuple[str, ...]
) -> None:
    """Put what `name` refers to, then `name`, into `ordered`."""
    if name in ordered or name in above or not module_of(name):
        return
    if name in SCALARS or short(name) in UNIONS:
        return
    for other in references(name, definitions[name]):
        visit(other, definitions, ordered, (*above, name))
    ordered[name] = None


def references(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the definitions that a definition's fields refer to."""
    for wire, node in sorted(schema.get("properties", {}).items()):
        if wire in LEFT_OUT.get(name, ()):
            continue
        while node is not None and "$ref" not in node:
            node = node.get("items") or node.get("additionalProperties")
        if node is not None:
            yield node["$ref"].removeprefix("#/$defs/")


def module_of(name: str) -> str:
    """`io.k8s.api.core.v1.Pod` -> `core_v1`; "" for what gets no module."""
    path, version, _ = name.rsplit(".", 2)
    if version not in VERSIONS:
        return ""
    if path in PREFIXES:
        return f"{PREFIXES[path]}_{version}"
    return f"{path.removeprefix('io.k8s.api.')}_{version}" if path.startswith("io.k8s.api.") else ""


def short(name: str) -> str:
    """Return the class's name of a definition."""
    return name.rsplit(".", 1)[1]


def plural(kind: str) -> str:
    """Return the resource's name of a kind."""
    if kind in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[kind]
    lower = kind.lower()
    if lower.endswith("y") and lower[-2] not in "aeiou":
        return lower[:-1] + "ies"
    return lower + ("es" if lower.endswith(("s", "x", "ch", "sh")) else "s")


class Writer:
    """Writes one module."""

    def __init__(self, definitions: Mapping[str, Any], module: str, names: list[str]) -> None:
        self.definitions = definitions
        self.module = module
        self.names = names
        self.imports: set[str] = set()
        self.known: set[str] = set()
        self.uses: set[str] = set()

    def text(self) -> str:
        """Return the module's source."""
        classes = [self.write_class(name) for name in self.names]
        body = "\n\n".join(classes)
        return self.head(body) + body

    def head(self, body: str) -> str:
        """Return docstring, imports and __all__."""
        model = ["Model"] * ("(Model" in body) + ["UNSET", "UnsetType"] * ("UNSET" in body)
        lines = [
            f'"""The types of {self.group_version()}: generated by tools/generate_kinds.py.',
            "",
            "Wire names, types and which fields are required, from Kubernetes' published schema.",
            '"""',
            "",
        ]
        if "builtins." in body:
            lines.append("import builtins")
        if "Mapping[" in body:
            lines.append("from collections.abc import Mapping")
        typing = [name for name in ("Any", "ClassVar") if name in self.uses]
        if typing:
            lines.append(f"from typing import {', '.join(typing)}")
        lines.append("")
        if "Object" in self.uses:
            lines.append("from arubeki.api.objects import Kind")
        imported = [f"{name} as {alias(name)}" for name in sorted(self.imports)]
        lines += [f"from arubeki.kinds import {name}" for name in imported]
        base = [name for name in ("Confidential", "Object") if f"({name})" in body]
        if base:
            lines.append(f"from arubeki.kinds.base import {', '.join(base)}")
        model += ["empty"] * ("empty(" in body) + ["required"] * ("required(" in body)
        lines.append(f"from arubeki.kinds.model import {', '.join(sorted(model, key=sort_key))}")
        exported = "".join(f'    "{name}",\n' for name in sorted(short(one) for one in self.names))
        return "\n".join(lines) + f"\n\n__all__ = [\n{exported}]\n\n\n"

    def group_version(self) -> str:
        """Return `apps/v1`, `v1` for core."""
        if self.module == "meta_v1":
            return "meta.k8s.io/v1"
        for name in self.names:
            for gvk in self.definitions[name].get("x-kubernetes-group-version-kind", ()):
                if gvk["group"]:
                    return f"{gvk['group']}/{gvk['version']}"
        return self.module.replace("core_", "").replace("_", "/")

    def write_class(self, name: str) -> str:
        """Return one class."""
        schema = self.definitions[name]
        properties: dict[str, Any] = schema.get("properties", {})
        kind = self.kind_of(name)
        bare = [wire for wire in properties if wire not in LEFT_OUT.get(name, ())]
        if kind is not None:
            bare = [wire for wire in bare if wire not in ("apiVersion", "kind", "metadata")]
        renamed = {attribute(wire): wire for wire in bare if attribute(wire) != wire}
        base = "Confidential" if name in SECRET_FIELDS else "Object" if kind else "Model"
        header = f"{base}, rename={renamed!r}" if renamed else base
        lines = [f"class {short(name)}({header}):"]
        if kind is not None:
            self.uses |= {"Object", "ClassVar"}
            lines.append(f"    KIND: ClassVar[Kind] = {kind}\n")
        if name in SECRET_FIELDS:
            lines.append(f"    CONCEALED: ClassVar[tuple[str, ...]] = {SECRET_FIELDS[name]!r}\n")
        for wire in sorted(bare):
            lines.append(self.write_field(name, wire, wire in schema.get("required", ())))
        if len(lines) == 1:
            lines.append("    pass")
        self.known.add(short(name))
        return "\n".join(lines) + "\n"

    def kind_of(self, name: str) -> str | None:
        """Return the expression of a kind's place, None for what is only a part of objects."""
        schema = self.definitions[name]
        gvks = schema.get("x-kubernetes-group-version-kind", ())
        if len(gvks) != 1 or short(name) in NOT_KINDS or "metadata" not in schema["properties"]:
            return None
        gvk = gvks[0]
        scope = ", namespaced=False" if gvk["kind"] in CLUSTER_SCOPED else ""
        group, version, kind = gvk["group"], gvk["version"], gvk["kind"]
        return f'Kind("{group}", "{version}", "{kind}", "{plural(kind)}"{scope})'

    def write_field(self, name: str, wire: str, is_required: bool) -> str:
        """Return one field; a kind's spec and status always read as a struct."""
        properties = self.definitions[name]["properties"]
        node = properties[wire]
        hint = self.hint(node)
        for shadowed in sorted(BUILTINS & properties.keys()):
            hint = re.sub(rf"\b{shadowed}\b", f"builtins.{shadowed}", hint)
        always = self.kind_of(name) is not None and wire in ("spec", "status") and "$ref" in node
        if always and hint != "Any":
            return f"    {attribute(wire)}: {hint} = empty({hint})"
        if is_required:
            return f"    {attribute(wire)}: {self.quoted(hint)} = required({self.zero(hint)})"
        if hint == "Any":
            return f"    {attribute(wire)}: Any = UNSET"
        return f"    {attribute(wire)}: {self.quoted(f'{hint} | UnsetType')} = UNSET"

    def quoted(self, hint: str) -> str:
        """Quote a hint that names a class not written yet (JSON schemas hold JSON schemas)."""
        recursive = "JSONSchemaProps" in hint and "JSONSchemaProps" not in self.known
        return f'"{hint}"' if recursive else hint

    def zero(self, hint: str) -> str:
        """Return what a missing required field reads as: Go's zero value."""
        if hint in ZEROS:
            return ZEROS[hint]
        if hint.startswith("tuple["):
            return "()"
        return "{}" if hint.startswith("Mapping[") else f"empty({hint})"

    def hint(self, node: Mapping[str, Any]) -> str:
        """Return the type expression of a schema node."""
        if "$ref" in node:
            return self.reference(node["$ref"].removeprefix("#/$defs/"))
        kinds = node.get("type", ())
        kind = (
            kinds if isinstance(kinds, str) else next((one for one in kinds if one != "null"), "")
        )
        if kind == "array":
            return f"tuple[{self.hint(node['items'])}, ...]"
        if kind == "object" and "additionalProperties" in node:
            return f"Mapping[str, {self.hint(node['additionalProperties'])}]"
        if kind == "string" and node.get("format") == "byte":
            return "bytes"
        plain = {"string": "str", "integer": "int", "boolean": "bool", "number": "float"}
        if kind not in plain:
            raise SystemExit(f"no type for {node}")
        return plain[kind]

    def reference(self, name: str) -> str:
        """Return how this module calls another definition."""
        found = SCALARS.get(name) or UNIONS.get(short(name))
        if not module_of(name) and found is None:
            found = "Any"  # an alpha part of a stable kind has no class, and no promise to keep
        if found is not None:
            self.uses |= {"Any"} & {found}
            return found
        module = module_of(name)
        if module == self.module:
            return short(name)
        self.imports.add(module)
        return f"{alias(module)}.{short(name)}"


def sort_key(name: str) -> tuple[bool, str]:
    """Constants before classes before functions, as import sorters have it."""
    return (not name.isupper(), name)


def attribute(wire: str) -> str:
    """Return the Python name of a wire name: `from` -> `from_`, `$ref` -> `ref`."""
    name = wire.lstrip("$").replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def alias(module: str) -> str:
    """`meta_v1` -> `meta`: no module refers to two versions of a group."""
    return module.rsplit("_", 1)[0]


if __name__ == "__main__":
    raise SystemExit(main())
