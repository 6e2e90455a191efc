"""Transcripts: requests in order, each with the answer that Kubernetes gives.

A transcript is a world of its own. A step is a paragraph: the request's line, its headers, its body
on one line (`text "..."` and `base64 ...` for what has no line of its own); then, after a dashed
rule, the status, the headers that matter (a Warning always does) and the body. A step without an
answer prepares the next. A watch is answered by its events, one a line, until it ends.

`{R}`, `{C}` and `{U}` in a request stand for the resourceVersion, continue token and uid of the last
answer that had one; after a header `as: first`, `{R.first}` stands for that step's for good, and
`{R+1000}` for one far ahead. Besides HTTP's methods there are three: `OPEN name path` begins a watch,
`CLOSE name` ends it and answers its events, and `COMPACT revision` forgets history.
"""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_ADDRESS = re.compile(r"\b(?:127\.240|10\.(?:9[6-9]|10\d|11[01]))\.\d+\.\d+\b")
_GENERATED = re.compile(r"(\bgen-[a-z-]*?)[a-z0-9]{5}\b")
_REVISION = re.compile(
    r"(resource version: |ResourceVersion in (?:the precondition|record) \()\d+"
    r"(?:(, current: | \()\d+)?"
)
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_AGE = re.compile(r"\d+s")
# The name of a scheme tells in which file of which build of Kubernetes it was made.
_SCHEME = re.compile(r'(?<=in scheme ")[^"]+')
_PLACE = re.compile(r"\{([RCU])(?:\.(\w+))?(?:\+(\d+))?\}")
_MASKED = {"uid": "U", "resourceVersion": "R", "continue": "C"}
_REQUEST_HEADERS = (
    "content-type", "accept", "accept-encoding", "user-agent", "audit-id", "if-none-match", "as",
    "impersonate-user", "impersonate-group", "impersonate-uid",
)  # fmt: skip


@dataclass
class Step:
    """One request and the answer expected; `status` is 0 where any will do."""

    line: str
    headers: dict[str, str]
    body: bytes
    status: int = 0
    expected_headers: dict[str, str] = field(default_factory=dict)
    expected: Any = None
    asked: Sequence[str] = ()
    comments: Sequence[str] = ()

    @property
    def is_watch(self) -> bool:
        return bool(re.match(r"CLOSE |GET .*[?&]watch=(1|true)", self.line))


def steps(text: str) -> Iterator[Step]:
    """Yield the steps of a transcript; a block of comments alone is a step without a line."""
    for block in re.split(r"\n\n+", text.strip("\n")):
        comments = [line for line in block.splitlines() if line.startswith("# ")]
        lines = [line for line in block.splitlines() if not line.startswith("# ")]
        if not lines:
            yield Step("", {}, b"", comments=comments)
            continue
        rule = lines.index("---")
        step = _asked(lines[:rule])
        step.comments = comments
        _answer(step, lines[rule + 1 :])
        yield step


def _asked(lines: Sequence[str]) -> Step:
    headers = {"user-agent": "test/1"}
    body = b""
    for line in lines[1:]:
        name, found, value = line.partition(": ")
        if found and name in _REQUEST_HEADERS:
            headers[name] = value
        elif line.startswith("text "):
            body = json.loads(line[5:]).encode()
        elif line.startswith("base64 "):
            body = base64.b64decode(line[7:])
        else:
            body = line.encode()
    if body and not lines[0].startswith("PATCH"):
        headers.setdefault("content-type", "application/json")
    return Step(lines[0], headers, body, asked=lines)


def _answer(step: Step, lines: list[str]) -> None:
    if not lines or lines[0] == "?":
        return
    step.status = int(lines[0])
    rest = lines[1:]
    while rest and re.match(r"[a-z-]+: ", rest[0]):
        name, _, value = rest.pop(0).partition(": ")
        step.expected_headers[name] = value
    if step.is_watch and step.status == 200:
        step.expected = [json.loads(line) for line in rest]
    elif rest:
        step.expected = json.loads(rest[0].removeprefix("text "))


class Memory:
    """What earlier answers gave, for the places in later requests."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def fill(self, text: str) -> str:
        """Return a request's text with its places filled."""

        def value(found: re.Match[str]) -> str:
            letter, name, more = found.groups()
            known = self._known.get((letter, name or ""), "")
            return str(int(known) + int(more)) if more else known

        return _PLACE.sub(value, text)

    def learn(self, answer: Any, name: str) -> None:
        """Note what an answer gives."""
        metadata = answer.get("metadata") if isinstance(answer, dict) else None
        if not isinstance(metadata, dict):
            return
        for letter, key in (("R", "resourceVersion"), ("C", "continue"), ("U", "uid")):
            if metadata.get(key):
                self._known[letter, ""] = self._known[letter, name] = metadata[key]


def masked(value: Any, expected: Any, key: str = "") -> Any:
    """Return what a server answered as a transcript shows it."""
    if isinstance(value, dict):
        known = expected if isinstance(expected, dict) else {}
        # Managers, and the words of a column's head, are shown only where they are the point. An
        # item of a list may bear its kind: Kubernetes leaves it out with built-in kinds, for thrift.
        optional = ("managedFields", "description")
        optional += ("apiVersion", "kind") if key == "items" and known else ()
        return {
            name: masked(one, known.get(name), name)
            for name, one in value.items()
            if name in known or name not in optional
        }
    if key == "items" and value == [] and expected is None:
        return None  # as Kubernetes shows an empty list of metadata; nobody is worse off with []
    if isinstance(value, list):
        known = expected if isinstance(expected, list) else []
        return [
            masked(one, known[index] if index < len(known) else None, key)
            for index, one in enumerate(value)
        ]
    if not isinstance(value, str):
        return value
    if key in _MASKED and value:
        return _MASKED[key]
    if key == "cells" and _AGE.fullmatch(value):
        return "AGE"
    if value.startswith(("406: ", "only the following media types")):
        value = value.replace(", application/vnd.kubernetes.protobuf", "")  # not answered here
    value = _SCHEME.sub("S", value)
    value = _TOKEN.sub("TOKEN", _ADDRESS.sub("IP", _TIME.sub("T", _UID.sub("U", value))))
    value = _REVISION.sub(
        lambda found: f"{found[1]}R" + (f"{found[2]}R" if found[2] else ""), value
    )
    return _GENERATED.sub(r"\1XXXXX", value)
