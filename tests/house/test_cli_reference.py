"""The reference of the command line is what `--help` prints, verb by verb."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from arubeki import cli
from arubeki.cli.parser import build

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "cli.md"
SECTION = re.compile(r"^## arubeki ?(\w*)\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sections() -> dict[str, str]:
    return {found[1]: found[2] for found in SECTION.finditer(PAGE.read_text(encoding="utf-8"))}


def test_every_verb_has_its_section() -> None:
    assert list(sections()) == ["", *build().verbs()]


@pytest.mark.parametrize("verb", ["", *build().verbs()])
def test_a_section_equals_the_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([verb, "--help"] if verb else ["--help"])
    assert sections()[verb] == capsys.readouterr().out, "run `make docs`"


def test_the_page_is_what_the_tool_writes() -> None:
    tool = "import cli_reference; print(cli_reference.render(), end='')"
    done = subprocess.run(
        [sys.executable, "-c", tool], cwd=ROOT / "tools", capture_output=True, text=True, check=True
    )
    assert done.stdout == PAGE.read_text(encoding="utf-8"), "run `make docs`"


def test_the_examples_in_the_help_can_be_parsed() -> None:
    found = 0
    for name, verb in build().verbs().items():
        for example in verb.examples:
            words = example.split()
            assert words[:2] == ["arubeki", name]
            build().parse_args(words[1:])
            found += 1
    assert found > 12
