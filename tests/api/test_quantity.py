import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arubeki.api import quantity

VECTORS = json.loads((Path(__file__).parent / "vectors" / "quantity.json").read_text())


@pytest.mark.parametrize(("text", "expected"), VECTORS, ids=[repr(text) for text, _ in VECTORS])
def test_a_quantity_reads_and_writes_as_in_kubernetes(text, expected):
    if "error" in expected:
        with pytest.raises(ValueError) as raised:
            quantity.parse(text)
        assert str(raised.value) == expected["error"]
        return
    assert quantity.canonical(text) == expected["canonical"]
    assert quantity.total([text]) == expected["rewritten"]
    assert quantity.parse(text) == Decimal(expected["value"])


def test_numbers_of_json_count_as_their_text():
    assert quantity.canonical(1) == "1"
    assert quantity.canonical(2.0) == "2"
    assert quantity.canonical(0.5) == "500m"
    assert quantity.parse(1e-07) == Decimal("1e-7")


def test_a_sum_has_the_form_of_its_first_part_that_is_not_zero():
    assert quantity.total([]) == "0"
    assert quantity.total(["0", "1Gi", "512Mi"]) == "1536Mi"
    assert quantity.total(["100m", "0.9"]) == "1"
    assert quantity.total(["1e3", "1"]) == "1001"


def test_quantities_compare_by_value():
    assert quantity.compare("1Ki", "1k") == 1
    assert quantity.compare("1000m", "1") == 0
    assert quantity.compare("-1", "0.1n") == -1


def test_whole_and_thousandths_are_rounded_up():
    assert quantity.whole("1.5Ki") == 1536
    assert quantity.whole("100m") == 1
    assert quantity.milli("0.0001") == 1
    assert quantity.milli("2") == 2000


def test_a_suffix_too_large_for_it_loses_nothing():
    assert quantity.canonical("55000E") == "55000E"  # Kubernetes itself answers "55" here


@pytest.mark.parametrize("text", ["1e100000", "1e-100000", "9" * 2000, "1e" + "9" * 900])
def test_a_number_of_absurd_size_is_refused_at_once(text):
    with pytest.raises(ValueError):
        quantity.parse(text)


@given(st.integers(-(10**21), 10**21), st.sampled_from(["", "k", "Mi", "n", "e3"]))
def test_what_is_written_back_has_the_same_value(number, suffix):
    text = f"{number}{suffix}"
    again = quantity.canonical(text)
    assert quantity.compare(again, text) == 0
    assert quantity.canonical(again) == again


@given(st.text(max_size=12))
def test_any_text_is_a_quantity_or_a_value_error(text):
    try:
        quantity.parse(text)
    except ValueError as error:
        assert str(error)
