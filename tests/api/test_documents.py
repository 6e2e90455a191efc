import pytest

from arubeki.api import documents


def test_timestamps_stay_text() -> None:
    assert documents.load("at: 2026-01-01T00:00:00Z") == {"at": "2026-01-01T00:00:00Z"}


def test_keys_become_text() -> None:
    assert documents.load("2: a\ntrue: b\n") == {"2": "a", "true": "b"}


def test_json_is_yaml() -> None:
    assert documents.load('{"a": [1, 2.5, null, true, "x"]}') == {"a": [1, 2.5, None, True, "x"]}


def test_several_documents_and_empty_ones() -> None:
    assert documents.load_all("---\na: 1\n---\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]


def test_aliases_are_followed() -> None:
    assert documents.load("a: &x [1]\nb: *x\n") == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [*x]",  # a document that contains itself
        "[" * 201 + "]" * 201,
        "[" * 100_000,
        "a: [",
        "a: \x00",
        "!!python/object/apply:os.getcwd []",
        "? [1, 2]\n: x",
        "a: !!binary aGVsbG8=",
        "a: !!set {x, y}",
    ],
)
def test_what_cannot_be_plain_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        documents.load_all(text)


def lines_of(first: str, form: str, levels: int) -> str:
    """Nested aliases: each line holds ten times the one before."""
    lines = [f"a0: &a0 {first}"]
    for n in range(1, levels):
        lines.append(f"a{n}: &a{n} {form.format(', '.join([f'*a{n - 1}'] * 10))}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        lines_of("[x, x, x, x, x, x, x, x, x, x]", "[{}]", 9),
        lines_of("{a: 1, b: 2, c: 3}", "{{<<: [{}]}}", 9),
        f"a: &a {'x' * 10_000}\nb: [{', '.join(['*a'] * 10_000)}]",
        "\n---\n".join([lines_of("[x, x, x, x, x, x, x, x, x, x]", "[{}]", 4)] * 20),
    ],
    ids=["lists", "merges", "texts", "documents"],
)
def test_aliases_cannot_multiply_without_bound(text: str) -> None:
    with pytest.raises(ValueError, match="excessive aliasing"):
        documents.load_all(text)


def test_aliases_multiply_within_the_bound() -> None:
    found = documents.load(lines_of("[x, x]", "[{}]", 4))
    assert len(found["a3"]) == 10
    assert found["a3"][9][9][9] == ["x", "x"]
    merged = documents.load(lines_of("{a: 1, b: 2}", "{{<<: [{}]}}", 3))
    assert merged["a2"] == {"a": 1, "b": 2}


def test_a_text_without_aliases_is_never_too_heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "ALIASED_LIMIT", 0)
    many = 2_000
    assert len(documents.load(f"[{'a,' * many}]")) == many
    assert len(documents.load(f"[{'[],' * many}]")) == many
    assert len(documents.load("{" + ",".join(f"{n}" for n in range(many)) + "}")) == many


def test_dump_and_load_are_inverse() -> None:
    value = {"kind": "X", "spec": {"b": "2026-01-01", "a": ["1", 1, None], "t": "line\nline\n"}}
    assert documents.load(documents.dump(value)) == value
