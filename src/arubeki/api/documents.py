"""YAML (and so JSON) text to plain objects, as Kubernetes reads it.

YAML has more than JSON: timestamps (text on the wire, so text here), keys that are no text (made
text), aliases (allowed, but bounded: shared nodes are how a few bytes become gigabytes).

Pure: no I/O, no clock.
"""

from typing import Any

DEPTH_LIMIT = 200
"""Nesting above this is refused; no kind of Kubernetes nests half as deep."""
NODE_LIMIT = 1_000_000
"""Values in one text, aliases counted as often as used. A body of 3 MiB cannot hold as many."""
ALIASED_LIMIT = 1_000_000
"""How much aliases may add to what the text itself can hold, in the measure of `_check_bounds`."""
_VALUE_WEIGHT = 8


def load(text: str | bytes) -> Any:
    """Return the one document of `text` (None if it is empty). Raises: ValueError."""
    found = load_all(text)
    if len(found) > 1:
        raise ValueError(f"expected one document, found {len(found)}")
    return found[0] if found else None


def load_all(text: str | bytes) -> list[Any]:
    """Return the documents of `text`, empty ones left out. Raises: ValueError."""
    import yaml

    try:
        _check_bounds(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    loader: Any = yaml.CSafeLoader(text)
    # Resolution is per class; an instance attribute shadows it, so nobody else's YAML changes.
    loader.yaml_implicit_resolvers = {
        first: [one for one in resolvers if one[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }
    budget = _Budget()
    found = []
    try:
        while loader.check_data():
            document = loader.get_data()
            if document is not None:
                found.append(budget.plain(document, 0))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    finally:
        loader.dispose()
    return found


def repeated(text: str | bytes) -> list[tuple[int, str]]:
    """Return the keys that a map of `text` has more than once, with the line of the repetition."""
    import yaml

    found = []
    # Of each open collection its keys so far (None: a list), and whether a key comes next.
    stack: list[tuple[set[str] | None, bool]] = []
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.CollectionEndEvent):
                stack.pop()
                continue
            if isinstance(event, yaml.NodeEvent) and stack:
                keys, is_key = stack[-1]
                stack[-1] = keys, not is_key
                if keys is not None and is_key and isinstance(event, yaml.ScalarEvent):
                    if event.value in keys and event.start_mark:
                        found.append((event.start_mark.line + 1, event.value))
                    keys.add(event.value)
            if isinstance(event, yaml.MappingStartEvent):
                stack.append((set(), True))
            elif isinstance(event, yaml.SequenceStartEvent):
                stack.append((None, False))
    except yaml.YAMLError:
        return []
    return found


def dump(value: Any) -> str:
    """Return `value` as YAML in block style, keys in their order."""
    import yaml

    text: str = yaml.dump(
        value, Dumper=yaml.CSafeDumper, sort_keys=False, default_flow_style=False, width=1000
    )
    return text


def _check_bounds(text: str | bytes) -> None:
    """Refuse what the composer, which recurses in C, or what follows it would die of.

    A value weighs 8 and its characters, an alias what its anchor weighs: lists of aliases of lists,
    merged maps of merged maps and long texts said often are found before any is built. Without
    aliases no text reaches 16 times its length.
    """
    import yaml

    left = 16 * len(text) + ALIASED_LIMIT
    anchors: dict[str, int] = {}
    # Of each open collection its anchor, and what was left when it began.
    stack: list[tuple[str | None, int]] = []
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.ScalarEvent):
            weight = _VALUE_WEIGHT + len(event.value)
            left -= weight
            if event.anchor:
                anchors[event.anchor] = weight
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in stack):
                raise ValueError(f"anchor '{event.anchor}' value contains itself")
            left -= anchors.get(event.anchor or "", 0)
        elif isinstance(event, yaml.CollectionStartEvent):
            stack.append((event.anchor, left))
            left -= _VALUE_WEIGHT
            if len(stack) > DEPTH_LIMIT:
                raise ValueError(f"nested deeper than {DEPTH_LIMIT}")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = stack.pop()
            if anchor:
                anchors[anchor] = before - left
        if left < 0:
            raise ValueError("document contains excessive aliasing")


class _Budget:
    """Copies a document into JSON's types and counts what it copies."""

    def __init__(self) -> None:
        self.left = NODE_LIMIT

    def plain(self, value: Any, depth: int) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"more than {NODE_LIMIT} values")
        if depth > DEPTH_LIMIT:
            raise ValueError(f"nested deeper than {DEPTH_LIMIT}")
        if isinstance(value, dict):
            return {_key(key): self.plain(one, depth + 1) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(one, depth + 1) for one in value]
        if isinstance(value, set):  # `!!set`
            raise ValueError("sets are not supported")
        if isinstance(value, bytes):  # `!!binary`
            raise ValueError("binary values are not supported; give them in base64 as text")
        return value


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int | float):
        return str(key)
    raise ValueError(f"key {key!r} is no text")
