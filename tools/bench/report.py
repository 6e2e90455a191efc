"""Writes what was measured: JSON for machines, a table within docs/benchmarks.md for people."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from figures import text

DOCS = Path(__file__).parents[2] / "docs"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"


def line(figure: dict[str, Any]) -> str:
    """Return a figure on one line, for the terminal."""
    reached = {True: "ok", False: "NOT REACHED", None: ""}[figure.get("reached")]
    parts = [figure["what"], _measured(figure), f"must reach {_bound(figure)}", reached]
    return "  " + "; ".join(part for part in parts if part)


def write(found: dict[str, Any], groups: Sequence[str]) -> None:
    """Write both files; groups that were not measured now keep what was measured before."""
    path = DOCS / "benchmarks.json"
    before = json.loads(path.read_text())["figures"] if path.exists() else {}
    together = {**before, **found["figures"]}
    found["figures"] = {name: together[name] for name in groups if name in together}
    DOCS.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    page = DOCS / "benchmarks.md"
    old = page.read_text() if page.exists() else f"# Benchmarks\n\n{_BEGIN}\n{_END}\n"
    head, _, rest = old.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    page.write_text(f"{head}{_BEGIN}\n{_table(found)}{_END}{tail}")


def _table(found: dict[str, Any]) -> str:
    about = "; ".join(f"{name}: {value}" for name, value in found["machine"].items())
    lines = [
        f"Measured on: {about}.",
        "",
        "| what | must reach | measured: median (min … max) | n | reached | load |",
        "|---|---|---|---|---|---|",
    ]
    notes = []
    for figures in found["figures"].values():
        for figure in figures:
            mark = ""
            if note := figure.get("note"):
                notes.append(note)
                mark = f" [{len(notes)}]"
            reached = {True: "yes", False: "**no**", None: ""}[figure.get("reached")]
            cells = [
                figure["what"] + mark,
                _bound(figure),
                _measured(figure),
                str(figure.get("n", "")),
                reached,
                figure.get("load", ""),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    lines.append("")
    lines += [f"{number}. {note}." for number, note in enumerate(notes, 1)]
    return "\n".join(lines).rstrip() + "\n"


def _bound(figure: dict[str, Any]) -> str:
    bound = figure.get("must_be")
    if not bound:
        return "(reported)"
    ((how, value),) = bound.items()
    sign = "≥" if how == "at_least" else "≤"
    return f"{sign} {text(value)} {figure['unit']}".rstrip()


def _measured(figure: dict[str, Any]) -> str:
    if "median" not in figure:
        return f"not measured: {figure.get('why', 'unknown')}"
    low, high = text(figure["min"]), text(figure["max"])
    return f"{text(figure['median'])} {figure['unit']}".rstrip() + f" ({low} … {high})"
