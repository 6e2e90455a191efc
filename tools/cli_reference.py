"""Writes docs/reference/cli.md from the parser itself: `make docs`.

Each verb's block is what its `--help` prints; a test sees that the file is up to date.
"""

from pathlib import Path

from arubeki.cli.parser import build

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"

HEAD = """\
# The command line

Made from the parser by `make docs`; each block is what `--help` prints.

Verbs that kubectl has take kubectl's arguments and print what kubectl prints. Options may stand
anywhere. Exit status: 0 done, 1 failed, 2 misused. A failure is one line that begins with `error:`,
below it perhaps a line of `help:`.
"""


def render() -> str:
    """Return the page."""
    parser = build()
    parts = [HEAD, _section("arubeki", parser.format_help())]
    for name, verb in parser.verbs().items():
        parts.append(_section(f"arubeki {name}", verb.format_help()))
    return "\n".join(parts)


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n```text\n{text.rstrip()}\n```\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
