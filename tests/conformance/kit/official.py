"""The official list, and which of it is ported here."""

import csv
import importlib
from dataclasses import dataclass
from pathlib import Path

ROOM = Path(__file__).parents[1]
LIST = ROOM / "official.tsv"


@dataclass(frozen=True)
class Official:
    """A test of the official list: `needs` is what it needs beside its class, `file` its source."""

    name: str
    kind: str
    needs: str
    release: str
    file: str

    @property
    def sig(self):
        """Who keeps it: `sig-api-machinery`."""
        return self.name[1 : self.name.index("]")]


def official():
    """Return the list, by name."""
    with LIST.open(encoding="utf-8") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {
            row["name"]: Official(
                row["name"], row["class"], row["needs"], row["release"], row["file"]
            )
            for row in rows
        }


def ported():
    """Return the functions of this folder that are ports, by official name. Raises: ValueError."""
    found = {}
    for path in sorted(ROOM.rglob("test_*.py")):
        name = ".".join(("tests.conformance", *path.relative_to(ROOM).with_suffix("").parts))
        for each in vars(importlib.import_module(name)).values():
            if getattr(each, "__module__", "") != name or not hasattr(each, "conformance"):
                continue
            if each.conformance in found:
                raise ValueError(f"ported twice: {each.conformance}")
            found[each.conformance] = each
    return found
