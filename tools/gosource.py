"""Reads facts out of Kubernetes' Go packages: struct tags, markers, and protobuf numbers.

Two kinds of text are understood, both machine-formatted, so lines and regular expressions suffice:
`types.go` (what a field is called in JSON, whether an empty one is written, what it defaults to,
which words an enum knows) and `generated.proto` (a field's number and wire type). Sentences are
never kept.

Part of tools/generate_facts.py.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

_TYPE = re.compile(r"^type (\w+) (.+?)\s*(?://.*)?$")
_FIELD = re.compile(r"^\t(?:(\w+)\s+)?(\*?[\w.\[\]*]+)\s*(?:`(.*)`)?\s*(?://.*)?$")
_TAG = re.compile(r'(\w+):"([^"]*)"')
_CONST = re.compile(r'^\t?(?:const )?(\w+)\s+(\w+)\s*=\s*"([^"]*)"')
_CAST = re.compile(r'^\t?(?:const )?(\w+)\s*=\s*(\w+)\("([^"]*)"\)')
_BORROWED = re.compile(r"^\t?(?:const )?\w+\s*=\s*(\w+)\((\w+)\.(\w+)\)")
_MARKER = re.compile(r"^\t*//\s*\+(\S+)\s*$")
_MESSAGE = re.compile(r"^message (\w+) \{")
_PROTO = re.compile(r"^\s+(optional|repeated|required|map<string, ([\w.]+)>)\s+(.+?) = (\d+)")


@dataclass
class GoField:
    """One field of a struct. `json` is "" for an inlined struct."""

    name: str
    type: str
    json: str
    options: set[str]
    proto: str
    markers: dict[str, str]


@dataclass
class GoPackage:
    """What the sources of one package say."""

    path: str
    structs: dict[str, list[GoField]] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    enums: dict[str, list[str]] = field(default_factory=dict)
    messages: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    borrowed: dict[str, list[str]] = field(default_factory=dict)
    """Words of enums that are constants of another package: `AddressType(v1.IPv4Protocol)`."""


def read_package(folder: Path, path: str) -> GoPackage:
    """Return the facts of the package in `folder`, whose import path is `path`."""
    package = GoPackage(path)
    marked: set[str] = set()
    values: dict[str, list[str]] = {}
    for source in sorted(folder.glob("*.go")):
        if source.name.startswith("zz_generated") or source.name.endswith("_test.go"):
            continue
        _read_go(source.read_text(encoding="utf-8"), package, marked, values)
    package.enums = {name: sorted(set(values[name])) for name in sorted(marked & set(values))}
    proto = folder / "generated.proto"
    if proto.exists():
        _read_proto(proto.read_text(encoding="utf-8"), package)
    return package


def _read_go(text: str, package: GoPackage, marked: set[str], values: dict[str, list[str]]) -> None:
    markers: dict[str, str] = {}
    inside: list[GoField] | None = None
    for line in text.splitlines():
        if found := _MARKER.match(line):
            key, _, value = found[1].partition("=")
            markers[key] = value
            continue
        if inside is not None:
            if line == "}":
                inside = None
            elif line.strip() and not line.lstrip().startswith("//"):
                if one := _go_field(line, markers):
                    inside.append(one)
                markers = {}
            continue
        if constant := _CONST.match(line) or _CAST.match(line):
            package.constants[constant[1]] = constant[3]
            values.setdefault(constant[2], []).append(constant[3])
        elif borrowed := _BORROWED.match(line):
            package.borrowed.setdefault(borrowed[1], []).append(borrowed[3])
        elif declared := _TYPE.match(line):
            name, what = declared[1], declared[2]
            if what == "struct {":
                inside = package.structs.setdefault(name, [])
            elif what == "struct{}":
                package.structs[name] = []
            elif not what.startswith(("interface", "func", "struct", "=")):
                package.named[name] = what
                if "enum" in markers:
                    marked.add(name)
        elif line.strip().startswith("//"):
            continue
        markers = {}


def _go_field(line: str, markers: dict[str, str]) -> GoField | None:
    found = _FIELD.match(line)
    if not found:
        return None
    tags = dict(_TAG.findall(found[3] or ""))
    name = found[1] or found[2].lstrip("*").rpartition(".")[2]
    json_name, *options = tags.get("json", "" if not found[1] else name).split(",")
    if json_name == "-" or tags.get("protobuf") == "-":
        return None
    named = re.search(r"name=(\w+)", tags.get("protobuf", ""))
    proto = named[1] if named else name[0].lower() + name[1:] if "protobuf" in tags else ""
    return GoField(name, found[2], json_name, set(options), proto, dict(markers))


def _read_proto(text: str, package: GoPackage) -> None:
    fields: list[tuple[int, str, str]] = []
    for line in text.splitlines():
        if message := _MESSAGE.match(line):
            fields = package.messages.setdefault(message[1], [])
        elif found := _PROTO.match(line):
            label, values, rest, number = found[1], found[2], found[3], int(found[4])
            if values:
                fields.append((number, rest, f"map {values}"))
            else:
                wire_type, _, name = rest.partition(" ")
                fields.append((number, name, "[]" * (label == "repeated") + wire_type))


def default_of(one: GoField, package: GoPackage) -> str | None:
    """Return the JSON text of a field's `+default` marker, None where there is none."""
    text = one.markers.get("default")
    if text is None:
        return None
    if reference := re.fullmatch(r"ref\((?:.*\.)?(\w+)\)", text):
        return json.dumps(package.constants[reference[1]])
    return json.dumps(json.loads(text))
