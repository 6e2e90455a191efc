from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from arubeki.server.openapi.yamltext import write

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_written_is_read_as_the_same(value: Any) -> None:
    assert yaml.safe_load(write(value)) == value


@pytest.mark.parametrize(
    "text", ["yes", "No", "null", "~", "1.5", "", " a", "a: b", "#x", "on", "é"]
)
def test_text_that_looks_like_something_else_stays_text(text: str) -> None:
    assert yaml.safe_load(write([text])) == [text]


def test_it_looks_as_in_gnostic() -> None:
    assert write("atomic") == "atomic\n"
    assert write([{"group": "", "kind": "Pod"}]) == '- group: ""\n  kind: Pod\n'
    assert write({"a": ["b"], "c": {}}) == "a:\n    - b\nc: {}\n"
