"""Each rule holds for the house, and each has been seen to bite."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house import rules

ROOT = Path(__file__).parents[2]
Rule = Callable[[Path], list[str]]

# A rule, and a file that breaks it: (where it lies, its text).
BROKEN: list[tuple[Rule, str, str]] = [
    (rules.oversized, "src/arubeki/a.py", '"""A."""\n' + "x = 1\n" * 500),
    (rules.oversized, "tests/a.py", "def f():\n" + "    x = 1\n" * 70),
    (rules.undocumented, "src/arubeki/a.py", "x = 1\n"),
    (rules.clock_readers, "src/arubeki/a.py", '"""A."""\ndef f():\n    import time\n'),
    (rules.clock_readers, "src/arubeki/a.py", '"""A."""\nfrom datetime import datetime\n'),
    (rules.clock_readers, "src/arubeki/a.py", '"""A."""\nimport os\nx = os.urandom(4)\n'),
    (rules.printers, "src/arubeki/a.py", '"""A."""\nprint("hello")\n'),
    (rules.swallowers, "src/arubeki/a.py", '"""A."""\ntry:\n    x = 1\nexcept:\n    x = 2\n'),
]


@pytest.mark.parametrize(
    "rule",
    [rules.oversized, rules.undocumented, rules.clock_readers, rules.printers, rules.swallowers],
    ids=lambda rule: rule.__name__,
)
def test_the_rule_holds(rule: Rule) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    BROKEN,
    ids=[f"{rule.__name__}-{i}" for i, (rule, *_) in enumerate(BROKEN)],
)
def test_the_rule_bites(rule: Rule, name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text('"""Fine."""\n')
    assert rule(tmp_path) == []
    path.write_text(text)
    assert rule(tmp_path) != []
