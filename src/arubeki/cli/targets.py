"""What the command line means: which kinds, in which namespace, which names.

Outside the ring: [you > **cli** > client].
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from arubeki.cli import manifests
from arubeki.cli.failures import Misuse
from arubeki.cli.session import Session
from arubeki.client.discovery import Served
from arubeki.errors import BadRequest


class Target(NamedTuple):
    """Objects of a kind by name; no names: all of them. Namespace "" means all, or none."""

    served: Served
    namespace: str
    names: list[str]


def said(options: Any) -> list[tuple[str, str]]:
    """Return the (kind, name) pairs that the words mean; none where manifests are named with -f.

    Pure, so that what is said wrongly is told before a cluster is looked for. Raises: Misuse.
    """
    if options.filename:
        if options.what:
            raise Misuse("say what with -f or by name, not both")
        return []
    pairs = split(options.what)
    if any(name for _, name in pairs):
        if options.selector or getattr(options, "field_selector", ""):
            raise Misuse("a name cannot be said when a selector is")
        if getattr(options, "all", False):
            raise Misuse("a name cannot be said together with --all")
        if getattr(options, "all_namespaces", False):
            raise Misuse("a resource cannot be retrieved by name across all namespaces")
    return pairs


async def targets(session: Session, options: Any) -> list[Target]:
    """Return what `KIND NAME ...`, `KIND/NAME ...` or `-f FILE` mean, in that order.

    Raises: Misuse, NotFound for a kind, ConfigError for a manifest.
    """
    pairs = said(options)
    if options.filename:
        placed = [
            await place(session, options, obj)
            for obj in manifests.read(options.filename, recursive=options.recursive)
        ]
        return [Target(served, namespace, [name]) for served, namespace, name in placed]
    found: dict[str, Target] = {}
    everywhere = getattr(options, "all_namespaces", False)
    for word, name in pairs:
        for served in await session.meant(word):
            namespace = session.namespace if served.kind.namespaced and not everywhere else ""
            known = found.setdefault(served.qualified, Target(served, namespace, []))
            if name:
                known.names.append(name)
    return list(found.values())


async def place(
    session: Session, options: Any, obj: dict[str, Any], *, is_coming: bool = False
) -> tuple[Served, str, str]:
    """Return the kind, namespace and name of a manifest's object, the namespace filled in.

    Raises: NotFound for its kind, BadRequest for what it lacks.
    """
    served = await session.kind_of(obj, is_coming=is_coming)
    metadata = obj.get("metadata")
    if metadata is None:
        metadata = obj["metadata"] = {}
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise BadRequest(f"a {obj['kind']} of the manifests has no metadata.name")
    if not served.kind.namespaced:
        return served, "", name
    own = metadata.get("namespace") or session.namespace
    metadata["namespace"] = own
    if options.namespace and own != options.namespace:
        raise BadRequest(
            f"the namespace of {served.label}/{name} is {own}, but --namespace says "
            f"{options.namespace}"
        )
    return served, own, name


def split(words: Sequence[str]) -> list[tuple[str, str]]:
    """Return (kind, name) pairs of `KIND NAME ...`, `KIND/NAME ...` or `KIND,KIND` ("" for all).

    Raises: Misuse for a mixture.
    """
    if not words:
        raise Misuse("say what: KIND, KIND NAME or KIND/NAME")
    if any("/" in word for word in words):
        pairs = [tuple(word.split("/", 1)) for word in words if "/" in word]
        if len(pairs) != len(words):
            raise Misuse("KIND/NAME and KIND NAME cannot be mixed")
        for kind, name in pairs:
            if not kind or not name or "/" in name:
                raise Misuse(f"{kind}/{name} is not KIND/NAME")
        return [(kind, name) for kind, name in pairs]
    kinds, names = [one for one in words[0].split(",") if one], words[1:]
    if not kinds or not all(names):
        raise Misuse("a kind or a name is empty")
    return [(kind, name) for kind in kinds for name in (names or [""])]
