from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arubeki.kinds.codec import decode, encode
from arubeki.kinds.model import UNSET, Model, UnsetType, required


class Part(Model):
    depth: int = 2


class Spec(Model):
    LIMIT: ClassVar[int] = 7

    name: str
    replicas: int = 1
    paused: bool = False
    image: str | None = None
    colour: str | None = "red"
    note: str | UnsetType = UNSET
    files: Mapping[str, str] = {}
    hosts: tuple[str, ...] = ()
    part: Part = Part()
    port: Annotated[int, "any annotation"] = msgspec.field(default=80, name="listen-port")
    tags: list[str] = msgspec.field(default_factory=list)


def test_what_was_not_said_is_not_on_the_wire() -> None:
    assert encode(Spec(name="a")) == b'{"name":"a"}'


def test_what_was_not_said_reads_as_the_default() -> None:
    spec = Spec(name="a")
    assert (spec.replicas, spec.paused, spec.image, spec.colour) == (1, False, None, "red")
    assert (spec.note, spec.files, spec.hosts, spec.part) == (UNSET, {}, (), Part())
    assert (spec.port, spec.tags, spec.LIMIT) == (80, [], 7)


@pytest.mark.parametrize(
    ("field", "value", "wire"),
    [
        ("replicas", 1, b'{"name":"a","replicas":1}'),
        ("paused", False, b'{"name":"a","paused":false}'),
        ("colour", "red", b'{"name":"a","colour":"red"}'),
        ("files", {}, b'{"name":"a","files":{}}'),
        ("hosts", (), b'{"name":"a","hosts":[]}'),
        ("part", Part(), b'{"name":"a","part":{}}'),
        ("port", 80, b'{"name":"a","listen-port":80}'),
        ("tags", [], b'{"name":"a","tags":[]}'),
    ],
)
def test_what_was_said_is_on_the_wire_also_where_it_equals_the_default(
    field: str, value: object, wire: bytes
) -> None:
    assert encode(Spec(name="a").evolve(**{field: value})) == wire
    assert encode(decode(Spec, wire)) == wire


def test_none_says_nothing_where_it_is_the_default_and_is_null_elsewhere() -> None:
    assert encode(Spec(name="a", image=None)) == b'{"name":"a"}'
    assert encode(Spec(name="a", colour=None)) == b'{"name":"a","colour":null}'
    assert decode(Spec, b'{"name":"a","colour":null}').colour is None


def test_models_are_equal_when_they_read_equal() -> None:
    assert Spec(name="a") == Spec(name="a", replicas=1, files={}, part=Part(depth=2))
    assert Spec(name="a") != Spec(name="a", replicas=2)
    assert Spec(name="a") != Part()
    assert hash(Part()) == hash(Part(depth=2))
    assert len({Part(), Part(depth=2), Part(depth=3)}) == 2


def test_a_default_that_can_change_is_not_shared() -> None:
    spec = Spec(name="a")
    spec.tags.append("x")
    assert spec.tags == [] == Spec(name="a").tags


def test_models_are_frozen_and_keyword_only() -> None:
    spec = Spec(name="a")
    with pytest.raises(AttributeError):
        spec.replicas = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        spec.image = "b"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Spec("a")  # type: ignore[misc]
    assert Spec.__struct_config__.gc is False


def test_evolving_leaves_the_original_and_refuses_unknown_fields() -> None:
    spec = Spec(name="a", replicas=3)
    assert spec.evolve(replicas=4).replicas == 4
    assert spec.replicas == 3
    assert encode(spec.evolve(replicas=UNSET)) == b'{"name":"a"}'
    with pytest.raises(TypeError):
        spec.evolve(replica=4)


def test_a_field_without_default_must_be_given() -> None:
    with pytest.raises(TypeError, match="name"):
        Spec()  # type: ignore[call-arg]


def test_a_required_field_that_is_missing_reads_as_zero_and_is_not_sent() -> None:
    class Port(Model):
        number: int = required(0)
        names: tuple[str, ...] = required(())

    port = decode(Port, b"{}")
    assert (port.number, port.names, encode(port)) == (0, (), b"{}")
    assert encode(Port(number=0, names=())) == b'{"number":0,"names":[]}'


def test_a_subclass_may_change_a_default() -> None:
    class More(Spec):
        replicas: int = 5
        image: str | None = "i"
        extra: int = 0

    more = More(name="a")
    assert (more.replicas, more.image, more.extra, more.colour) == (5, "i", 0, "red")
    assert encode(more.evolve(replicas=5)) == b'{"name":"a","replicas":5}'
    assert Spec(name="a").replicas == 1
    assert decode(More, b'{"name":"a","replicas":1}').replicas == 1


def test_a_subclass_may_take_a_default_away() -> None:
    class Optional(Spec):
        colour: str | None = None
        hosts: tuple[str, ...] | UnsetType = UNSET  # type: ignore[assignment]

    assert Optional(name="a").colour is None
    assert Optional(name="a").hosts is UNSET


def test_the_repr_shows_what_was_said() -> None:
    assert repr(Spec(name="a", replicas=1)) == "Spec(name='a', replicas=1)"


_said = st.fixed_dictionaries(
    {"name": st.text()},
    optional={
        "replicas": st.integers(-(2**63), 2**63 - 1),
        "paused": st.booleans(),
        "colour": st.none() | st.text(),
        "files": st.dictionaries(st.text(), st.text()),
        "hosts": st.lists(st.text()).map(tuple),
        "part": st.builds(Part, depth=st.integers(0, 9)),
        "note": st.text(),
    },
)


@given(_said)
def test_the_wire_holds_exactly_what_was_said(said: dict[str, object]) -> None:
    spec = Spec(**said)  # type: ignore[arg-type]
    assert msgspec.json.decode(encode(spec)).keys() == said.keys()
    again = decode(Spec, encode(spec))
    assert again == spec
    assert encode(again) == encode(spec)
    for field, value in said.items():
        assert getattr(again, field) == value
