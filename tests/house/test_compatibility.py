"""docs/compatibility.md says of every official test what the tests here say.

That a test passes, or does not yet, is held by the run of the tests themselves: their marks are
strict. Here is held that the page agrees with the marks.
"""

import re
import sys
from pathlib import Path

from tests.conformance.kit.official import LIST, Official, official, ported

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "compatibility.md"
sys.path.insert(0, str(ROOT / "tools"))
import compatibility  # noqa: E402

sys.path.remove(str(ROOT / "tools"))


def test_every_ported_test_is_on_the_official_list() -> None:
    assert not ported().keys() - official().keys()


def test_the_page_says_what_the_marks_say() -> None:
    page = compatibility.render(official(), compatibility.expected(ported()))
    assert page == PAGE.read_text(encoding="utf-8"), "run `make compatibility`"


def test_the_page_names_every_official_test_once() -> None:
    names = re.findall(r"^\| (\[sig-.*) \| \w+ \| .* \|$", PAGE.read_text(), re.MULTILINE)
    assert sorted(names) == sorted(official())
    assert len(official()) == len(LIST.read_text(encoding="utf-8").splitlines()) - 1


def test_a_test_that_is_not_yet_passing_says_why() -> None:
    reasons = [one.not_yet for one in ported().values() if hasattr(one, "not_yet")]
    assert all(len(one.split()) > 2 for one in reasons)


def test_a_page_with_another_result_would_be_found() -> None:
    (name,) = ["[sig-x] test [Conformance]"]
    some = {name: Official(name, "a", "", "v1.0", "x.go")}
    pages = {
        compatibility.render(some, results)
        for results in (
            {},
            {name: ("passed", "")},
            {name: ("failed", "")},
            {name: ("not yet", "x")},
        )
    }
    assert len(pages) == 4
