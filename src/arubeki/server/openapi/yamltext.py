"""Small values as YAML, which is how extensions travel within protobuf.

Block style, as gnostic has it; text is plain where nobody could take it for anything else, else
quoted as in JSON. A YAML library would do, at a hundred times the cost, and there are thousands.

On the ring: [HTTP > **server**]. Source: gnostic-models compiler/helpers.go, yaml.org/spec/1.2.2.
"""

import re
from typing import Any

import msgspec

# Begins like a word and is none of YAML's own, in 1.1 either.
_PLAIN = re.compile(
    r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z][A-Za-z0-9_./-]*", re.IGNORECASE
)

# What JSON leaves as it is and YAML must not have within quotes, or takes for the end of a line.
_ODD = re.compile("[^ -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]")


def write(value: Any) -> str:
    """Return a JSON value as YAML, with a line's end."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict) and value:
        found = []
        for key, one in value.items():
            lines = _lines(one)
            if isinstance(one, dict | list) and one:
                found += [f"{_scalar(key)}:", *(f"    {line}" for line in lines)]
            else:
                found.append(f"{_scalar(key)}: {lines[0]}")
        return found
    if isinstance(value, list) and value:
        return [
            f"{'- ' if first else '  '}{line}"
            for one in value
            for first, line in _numbered(_lines(one))
        ]
    return [_scalar(value)]


def _numbered(lines: list[str]) -> list[tuple[bool, str]]:
    return [(index == 0, line) for index, line in enumerate(lines)]


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return _ODD.sub(_escaped, msgspec.json.encode(value).decode())


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"
