"""The sorted keys agree with a sorted list."""

from bisect import bisect_left

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arubeki.storage import keys
from arubeki.storage.keys import SortedKeys, end_of

texts = st.text(st.sampled_from("ab/\U0010ffff"), max_size=4)


@given(
    first=st.lists(texts),
    changes=st.lists(st.tuples(st.booleans(), texts)),
    questions=st.lists(st.tuples(texts, texts, st.integers(0, 5))),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_changes_leave_them_in_order(
    first: list[str],
    changes: list[tuple[bool, str]],
    questions: list[tuple[str, str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys, "_CHUNK", 2)  # so that chunks split and vanish
    tested, truth = SortedKeys(set(first)), sorted(set(first))
    for adds, key in changes:
        at = bisect_left(truth, key)
        if adds and key not in truth:
            tested.add(key)
            truth.insert(at, key)
        elif not adds and key in truth:
            tested.remove(key)
            del truth[at]
        assert tested.select("", "") == truth
    for low, high, limit in questions:
        expected = [key for key in truth if low <= key and (not high or key < high)]
        assert tested.select(low, high, limit) == (expected[:limit] if limit else expected)
        assert tested.count(low, high) == len(expected)


@given(texts, texts)
def test_the_end_of_a_prefix_is_just_above_all_that_begin_with_it(prefix: str, key: str) -> None:
    end = end_of(prefix)
    assert key.startswith(prefix) == (prefix <= key and (not end or key < end))
