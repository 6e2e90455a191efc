"""The structure of OpenAPI documents as short digests, and how they are recorded.

`official.txt` is what a kube-apiserver v1.37.2 with the definitions of customs.json told: a line for
each definition and each operation, with its digests in v3 and in v2. To record it anew:

    kubectl --kubeconfig FILE apply -f tests/server/openapi/customs.json
    python -m tests.server.openapi.structure FILE
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Object = dict[str, Any]

HERE = Path(__file__).parent
OFFICIAL = HERE / "official.txt"
CUSTOMS = HERE / "customs.json"
NONE = "-"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
# Kinds of every group: a document lists those of all groups that its server knows.
EVERYWHERE = (".meta.v1.DeleteOptions", ".meta.v1.WatchEvent")


def bare(node: Any, *, names: bool = False) -> Any:
    """Return a node without what is not its structure.

    That is: descriptions, media types of protobuf, the order of lists that are sets. `names` says
    that the keys of a mapping are names of fields or definitions, not keywords.
    """
    if isinstance(node, list):
        return [bare(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {}
    for key, value in node.items():
        if not names and (key == "description" or "protobuf" in key):
            continue
        if not names and key in ("required", "consumes", "produces") and isinstance(value, list):
            found[key] = sorted(one for one in value if "protobuf" not in one)
        else:
            found[key] = bare(value, names=not names and key in ("properties", "schemas"))
    return found


def digests(version: str, document: Object) -> Iterator[tuple[str, str]]:
    """Yield (what, digest) of each definition and operation of a document."""
    told = document["components"].get("schemas", {}) if version == "v3" else document["definitions"]
    for name, node in told.items():
        found = bare(node)
        if name.endswith(EVERYWHERE):
            found.pop("x-kubernetes-group-version-kind", None)
        yield f"{version} {name}", digest(found)
    shared = document.get("parameters", {})
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item and "/watch/" not in path:
                yield f"{version} {method} {path}", digest(operation(item, method, shared))


def operation(item: Object, method: str, shared: Object) -> Object:
    """Return an operation with all of its parameters, wherever they stand."""
    found: Object = bare(item[method])
    parameters = [*item.get("parameters", ()), *item[method].get("parameters", ())]
    told = [shared[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in parameters]
    found["parameters"] = sorted(
        (bare(one) for one in told), key=lambda one: json.dumps(one, sort_keys=True)
    )
    return found


def digest(node: Any) -> str:
    """Return eight characters that stand for a node."""
    return hashlib.sha256(json.dumps(node, sort_keys=True).encode()).hexdigest()[:8]


def documents(get: Callable[[str], Any]) -> Iterator[tuple[str, Object]]:
    """Yield (version, document) of all documents; `get` asks for one by its path."""
    for entry in get("/openapi/v3")["paths"].values():
        yield "v3", get(entry["serverRelativeURL"])
    yield "v2", get("/openapi/v2")


def recorded() -> dict[str, str]:
    """Return what was recorded: digests by what they are of."""
    found = {}
    for line in OFFICIAL.read_text(encoding="utf-8").splitlines():
        v3, v2, what = line.split(" ", 2)
        found |= {
            f"{version} {what}": one for version, one in (("v3", v3), ("v2", v2)) if one != NONE
        }
    return found


def main() -> None:
    """Record what the server of a kubeconfig tells."""

    def get(path: str) -> Any:
        words = ["kubectl", f"--kubeconfig={sys.argv[1]}", "get", "--raw", path]
        return json.loads(subprocess.run(words, check=True, capture_output=True).stdout)

    found: dict[str, str] = {}
    for version, document in documents(get):
        found |= dict(digests(version, document))
    whats = sorted({what.partition(" ")[2] for what in found})
    lines = [
        f"{found.get(f'v3 {one}', NONE)} {found.get(f'v2 {one}', NONE)} {one}\n" for one in whats
    ]
    OFFICIAL.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
