"""Writes src/arubeki/api/facts/*.json: what Kubernetes' published packages say about its kinds.

Facts only, no sentences: names, types, list keys, protobuf numbers, enum words. Run it when the
Kubernetes version changes (`make facts`); it needs `pip`, `go` and the network, users need neither.

- kinds.json      {"group/version/kind": definition name}
- schemas.json    {definition name: {field name: type and words}}, see arubeki.api.facts
- protobuf.json   {message name: ["number name type"]}, see arubeki.api.protobuf
- enums.json      {definition name of the Go type: [words]}
- openapi.json    {definition name: {field name: word, "": unions}}: what only OpenAPI documents tell
- resources.json  {"group/version/resource": names, verbs, subresources}, in discovery's order
- internal.json   {internal struct: ["GoName jsonName type"]}, see arubeki.api.internal

Sources: the package kubernetes-validate (structure, list types, merge keys), the Go module
k8s.io/kubernetes (what discovery lists, the internal structs) and the Go modules
k8s.io/{api,apimachinery,apiextensions-apiserver,kube-aggregator} (the rest).
"""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import gosource
import internalforms

KUBERNETES = "1.37"
VALIDATE = "kubernetes-validate==1.37.0"
GO_VERSION = "v0.37.2"
SERVER_VERSION = "v1.37.2"
GVK_KEYS = ("group", "version", "kind")
ALL_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
STABLE = re.compile(r"^v\d+$")
# Definitions that no kind refers to, but what the server answers does.
ANSWERS = ("io.k8s.apimachinery.pkg.apis.meta.v1.Patch", "io.k8s.apimachinery.pkg.version.Info")
FACTS = Path(__file__).parent.parent / "src" / "arubeki" / "api" / "facts"

# Long package names of definitions, and what they are cut to in the files.
PREFIXES = (
    ("io.k8s.apimachinery.pkg.apis.meta.", "meta."),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.", "apiextensions."),
    ("io.k8s.kube-aggregator.pkg.apis.apiregistration.", "apiregistration."),
    ("io.k8s.apimachinery.pkg.api.resource.", "resource."),
    ("io.k8s.apimachinery.pkg.util.intstr.", "intstr."),
    ("io.k8s.apimachinery.pkg.version.", "version."),
    ("io.k8s.apimachinery.pkg.runtime.", "runtime."),
    ("io.k8s.api.", ""),
)
SCALARS = {
    ("string", ""): "string",
    ("string", "byte"): "bytes",
    ("string", "date-time"): "time",
    ("integer", "int32"): "int32",
    ("integer", "int64"): "int64",
    ("integer", ""): "int64",
    ("number", "double"): "double",
    ("boolean", ""): "bool",
    ("object", ""): "object",
}
# Types that Go writes as null when they hold nothing; they are kept as they are.
NULLS = (
    "apiextensions.v1.JSON",
    "meta.v1.FieldsV1",
    "meta.v1.MicroTime",
    "meta.v1.Time",
    "runtime.RawExtension",
)
GO_NAMES = {"bytes": "[]uint8", "double": "float64", "object": "struct"}


def main() -> None:
    """Fetch the packages, derive the facts, write the files."""
    with tempfile.TemporaryDirectory() as folder:
        definitions = validate_definitions(Path(folder))
        packages = go_packages(Path(folder))
        server = go_module(Path(folder), f"k8s.io/kubernetes@{SERVER_VERSION}")
    served, internal = resources(server), internal_packages(server)
    kinds = stable_kinds(definitions)
    wanted = reachable(definitions, sorted({*kinds.values(), *ANSWERS}))
    schemas = {short(name): schema(name, definitions, packages) for name in wanted}
    write("kinds.json", {key: short(name) for key, name in kinds.items()})
    write("schemas.json", schemas)
    write("protobuf.json", messages(packages, sorted(schemas)))
    write("enums.json", enums(packages, schemas))
    write("openapi.json", openapi(definitions, wanted))
    write("resources.json", served)
    versioned = {group: packages[f"{group}.v1"] for group in internal}
    write("internal.json", internalforms.internal_forms(internal, versioned))


def validate_definitions(folder: Path) -> dict[str, Any]:
    """Return the definitions of kubernetes-validate: `{full name: JSON schema}`."""
    # An environment made by uv has no pip of its own.
    pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else ["pip"]
    subprocess.run(
        [*pip, "download", "--quiet", "--no-deps", VALIDATE, "--dest", str(folder)], check=True
    )
    (wheel,) = folder.glob("kubernetes_validate-*.whl")
    member = f"kubernetes_validate/kubernetes-json-schema/v{KUBERNETES}.0-local/_definitions.json"
    with zipfile.ZipFile(wheel) as archive:
        found: dict[str, Any] = json.loads(archive.read(member))["$defs"]
    return found


def go_module(folder: Path, module: str) -> Path:
    """Fetch a Go module and return where it lies; `folder` holds a go.mod."""
    (folder / "go.mod").write_text("module scratch\n")
    done = subprocess.run(
        ["go", "mod", "download", "-json", module], cwd=folder, check=True, capture_output=True
    )
    return Path(json.loads(done.stdout)["Dir"])


def resources(root: Path) -> dict[str, Any]:
    """Return what the discovery of a kube-apiserver lists of stable versions, in its order."""
    found: dict[str, Any] = {}
    core = json.loads((root / "api/discovery/api__v1.json").read_text())["resources"]
    for one in core:
        name, _, below = one["name"].partition("/")
        kind = "/".join(filter(None, (one.get("group", ""), one.get("version", ""), one["kind"])))
        if below:
            found[f"/v1/{name}"].setdefault("subresources", {})[below] = {
                "kind": kind,
                "verbs": one["verbs"],
            }
        else:
            found[f"/v1/{name}"] = resource(one, kind, namespaced=one["namespaced"])
    groups = json.loads((root / "api/discovery/aggregated_v2.json").read_text())["items"]
    for group in groups:
        for version in group["versions"]:
            place = f"{group['metadata']['name']}/{version['version']}"
            for one in version["resources"] if STABLE.match(version["version"]) else ():
                kind = one["responseKind"]["kind"]
                namespaced = one["scope"] == "Namespaced"
                row = resource(one, kind, namespaced=namespaced)
                row["subresources"] = {
                    sub["subresource"]: {
                        "kind": "/".join(
                            filter(None, (sub["responseKind"].get(key) for key in GVK_KEYS))
                        ),
                        "verbs": sub["verbs"],
                    }
                    for sub in one.get("subresources", ())
                }
                found[f"{place}/{one['resource']}"] = drop_empty(row)
    return found


def resource(one: dict[str, Any], kind: str, *, namespaced: bool) -> dict[str, Any]:
    """Return a resource's row without its subresources."""
    return drop_empty(
        {
            "kind": kind,
            "namespaced": namespaced,
            "verbs": [] if one["verbs"] == ALL_VERBS else one["verbs"],
            "short": one.get("shortNames", []),
            "categories": one.get("categories", []),
        }
    )


def drop_empty(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without what is empty."""
    return {key: value for key, value in row.items() if value not in ([], {}, False)}


def go_packages(folder: Path) -> dict[str, gosource.GoPackage]:
    """Return the Go packages with kinds, by the cut name of their definitions (`core.v1`)."""
    roots = {
        module: go_module(folder, f"k8s.io/{module}@{GO_VERSION}")
        for module in ("api", "apimachinery", "apiextensions-apiserver", "kube-aggregator")
    }
    places = {
        "meta.v1": (roots["apimachinery"], "pkg/apis/meta/v1"),
        "runtime": (roots["apimachinery"], "pkg/runtime"),
        "resource": (roots["apimachinery"], "pkg/api/resource"),
        "intstr": (roots["apimachinery"], "pkg/util/intstr"),
        "version": (roots["apimachinery"], "pkg/version"),
        "apiextensions.v1": (roots["apiextensions-apiserver"], "pkg/apis/apiextensions/v1"),
        "apiregistration.v1": (roots["kube-aggregator"], "pkg/apis/apiregistration/v1"),
    }
    for place in sorted(roots["api"].glob("*/v*")):
        name = f"{place.parent.name}.{place.name}"
        places[name] = (roots["api"], f"{place.parent.name}/{place.name}")
    return {name: gosource.read_package(root / path, path) for name, (root, path) in places.items()}


def internal_packages(root: Path) -> dict[str, gosource.GoPackage]:
    """Return the packages with Kubernetes' internal structs, by group."""
    places = {group: f"pkg/apis/{group}" for group in ("apps", "batch", "core")}
    return {name: gosource.read_package(root / path, path) for name, path in places.items()}


def short(name: str) -> str:
    """Return a definition's name as the files have it."""
    for prefix, cut in PREFIXES:
        if name.startswith(prefix):
            return cut + name.removeprefix(prefix)
    raise ValueError(f"unknown package of {name}")


def stable_kinds(definitions: dict[str, Any]) -> dict[str, str]:
    """Return `{"group/version/kind": full definition name}` of stable group versions."""
    kinds = {}
    for name, definition in definitions.items():
        for gvk in definition.get("x-kubernetes-group-version-kind", ()):
            if STABLE.match(gvk["version"]):
                kinds[f"{gvk['group']}/{gvk['version']}/{gvk['kind']}"] = name
    return dict(sorted(kinds.items()))


def reachable(definitions: dict[str, Any], roots: list[str]) -> list[str]:
    """Return all definitions that `roots` refer to, themselves included."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += re.findall(r'"#/\$defs/([^"]+)"', json.dumps(definitions[name]))
    return sorted(found)


def schema(
    name: str, definitions: dict[str, Any], packages: dict[str, gosource.GoPackage]
) -> dict[str, str]:
    """Return a definition's fields, each as a type and words."""
    definition = definitions[name]
    place, _, kind = short(name).rpartition(".")
    package = packages.get(place)
    fields = {one.json: (one, home, where) for one, home, where in flat(kind, place, packages)}
    required = set(definition.get("required", ()))
    found = {}
    for key, node in definition.get("properties", {}).items():
        words = [type_of(node), *words_of(node)]
        if key in required:
            words.append("required")
        if key in fields and package:
            one, home, where = fields[key]
            words[0] += written(one, words[0])
            if (default := gosource.default_of(one, packages[home])) is not None:
                words.append(f"default={default}")
            go = go_name(one.type, home)
            if go != expected_go_name(words[0].rstrip("?!")):
                words.append(f"go={go}")
            if where:
                words.append(f"in={where}")
        found[key] = " ".join(words)
    if definition.get("x-kubernetes-map-type") == "atomic":
        found[""] = "atomic"
    return found


def written(one: gosource.GoField, shape: str) -> str:
    """Return when Go writes a field: `?` as it is, `!` always, else when it is not zero."""
    if one.type.startswith("*") or shape in NULLS:
        return "?"
    if shape.startswith(("[]", "{}", "bytes")):
        return "" if "omitempty" in one.options else "?"
    if "omitzero" in one.options:
        return ""
    # encoding/json never leaves out a struct that is no pointer, `omitempty` or not.
    return "!" if "omitempty" not in one.options or "." in shape else ""


def flat(
    struct: str, place: str, packages: dict[str, gosource.GoPackage]
) -> list[tuple[gosource.GoField, str, str]]:
    """Return a struct's fields as JSON shows them, with their package and the struct inlined."""
    found: list[tuple[gosource.GoField, str, str]] = []
    package = packages.get(place)
    for one in package.structs.get(struct, ()) if package else ():
        if one.json:
            found.append((one, place, ""))
        else:
            qualifier, _, inner = one.type.lstrip("*").rpartition(".")
            home = {"": place, "metav1": "meta.v1", "v1": "core.v1"}[qualifier]
            where = "" if inner == "TypeMeta" else inner
            found += [(field, at, where) for field, at, _ in flat(inner, home, packages)]
    return found


def type_of(node: dict[str, Any]) -> str:
    """Return `string`, `[]core.v1.Container`, `map string`, ..."""
    if "$ref" in node:
        return short(node["$ref"].removeprefix("#/$defs/"))
    kind = node.get("type", "")
    if isinstance(kind, list):
        (kind,) = [one for one in kind if one != "null"]
    if kind == "array":
        return "[]" + type_of(node["items"])
    if kind == "object" and "additionalProperties" in node:
        return "{}" + type_of(node["additionalProperties"])
    return SCALARS[kind, node.get("format", "")]


def words_of(node: dict[str, Any]) -> list[str]:
    """Return what server-side apply and strategic merge need to know of a field."""
    words = []
    if (list_type := node.get("x-kubernetes-list-type")) and list_type != "atomic":
        words.append(f"list={list_type}")
    if keys := node.get("x-kubernetes-list-map-keys"):
        words.append("keys=" + ",".join(keys))
    if node.get("x-kubernetes-map-type") == "atomic":
        words.append("atomic")
    if key := node.get("x-kubernetes-patch-merge-key"):
        words.append(f"merge={key}")
    if strategy := node.get("x-kubernetes-patch-strategy"):
        words.append(f"strategy={strategy}")
    return words


def openapi(definitions: dict[str, Any], wanted: list[str]) -> dict[str, dict[str, Any]]:
    """Return what the documents say beyond the schemas: lists that are atomic in so many words,
    maps that are granular so, and unions (under the field "").
    """
    found: dict[str, dict[str, Any]] = {}
    for name in wanted:
        row: dict[str, Any] = {}
        if unions := definitions[name].get("x-kubernetes-unions"):
            row[""] = unions
        for key, node in definitions[name].get("properties", {}).items():
            if node.get("x-kubernetes-list-type") == "atomic":
                row[key] = "atomic"
            elif node.get("x-kubernetes-map-type") == "granular":
                row[key] = "granular"
        if row:
            found[short(name)] = row
    return found


def go_name(go_type: str, place: str) -> str:
    """Return a field's Go type as error messages name it: `int32`, `[]v1.Container`."""
    go_type = go_type.removeprefix("*")
    for head in ("[]", "map[string]"):
        if go_type.startswith(head):
            return head + go_name(go_type.removeprefix(head), place).replace("uint8", "uint8")
    if "." in go_type:
        qualifier, _, name = go_type.rpartition(".")
        qualifier = {"metav1": "v1", "corev1": "v1"}.get(qualifier, qualifier)
        return f"{qualifier}.{name}"
    if go_type == "byte":
        return "uint8"
    if go_type[0].isupper():
        return f"{place.rpartition('.')[2]}.{go_type}"
    return go_type


def expected_go_name(written: str) -> str:
    """Return the Go type that a reader derives from a field's type alone."""
    for head, go in (("[]", "[]"), ("{}", "map[string]")):
        if written.startswith(head):
            return go + expected_go_name(written.removeprefix(head))
    if "." in written:
        return ".".join(written.split(".")[-2:])
    return GO_NAMES.get(written, written)


def messages(packages: dict[str, gosource.GoPackage], roots: list[str]) -> dict[str, list[str]]:
    """Return every protobuf message that the definitions need, field by field."""
    found: dict[str, list[str]] = {}
    waiting = [*roots, "runtime.Unknown"]
    while waiting:
        name = waiting.pop()
        place, _, message = name.rpartition(".")
        if name in found or place not in packages or message not in packages[place].messages:
            continue
        found[name] = []
        go = {one.proto: one for one in packages[place].structs.get(message, ())}
        for number, field, wire_type in sorted(packages[place].messages[message]):
            head, inner = re.fullmatch(r"(\[\]|map |)(.+)", wire_type).groups()  # type: ignore[union-attr]
            if inner[0] == "." or inner[0].isupper():
                inner = proto_name(inner, place)
                waiting.append(inner)
            mark, shown = presence(go.get(field), field, head, inner)
            found[name].append(f"{number} {shown} {head.replace('map ', '{}')}{inner}{mark}")
    return dict(sorted(found.items()))


def presence(one: gosource.GoField | None, field: str, head: str, inner: str) -> tuple[str, str]:
    """Return (mark, JSON name): `?` kept when present, `!` always written, `^` inlined."""
    if one is None:
        return "", field
    if not one.json:
        return "^", "-"
    if one.type.startswith("*"):
        return "?", one.json
    if head or "omitzero" in one.options:
        return "", one.json
    # encoding/json never leaves out a struct that is no pointer, `omitempty` or not.
    always = "omitempty" not in one.options or "." in inner
    return "!" if always else "", one.json


def proto_name(name: str, place: str) -> str:
    """Return the cut name of a message that a generated.proto refers to."""
    if not name.startswith("."):
        return f"{place}.{name}"
    return short("io." + name.removeprefix(".").replace("k8s.io.", "k8s.", 1))


def enums(packages: dict[str, gosource.GoPackage], schemas: dict[str, Any]) -> dict[str, list[str]]:
    """Return the words of every `+enum` type of the packages that the schemas use."""
    used = {name.rpartition(".")[0] for name in schemas}
    constants = {
        key: one for package in packages.values() for key, one in package.constants.items()
    }
    return {
        f"{place}.{name}": sorted(
            {*words, *(constants[one] for one in package.borrowed.get(name, ()))}
        )
        for place, package in sorted(packages.items())
        if place in used
        for name, words in package.enums.items()
    }


def write(name: str, facts: Any) -> None:
    """Write one file: a line per definition, so that a new version reads well as a diff."""
    lines = [
        f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}"
        for key, value in facts.items()
    ]
    (FACTS / name).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{name}: {len(facts)} entries, {(FACTS / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
