import asyncio
import gzip

import pytest

from arubeki.api.objects import GVK
from arubeki.net.message import Request
from arubeki.server.resources import Custom, Resource
from tests.server.openapi.support import (
    PROTOBUF_2,
    PROTOBUF_3,
    Described,
    custom,
    references,
)
from tests.server.support import DEFINITIONS, World, definition, run

SCHEMA = {
    "type": "object",
    "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
}
DEPLOYMENT = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


@pytest.fixture(scope="module")
def described() -> Described:
    return Described(*custom(SCHEMA))


def test_the_index_names_every_document_with_its_hash(described: Described) -> None:
    index = described.index()
    assert {"api", "api/v1", "apis", "apis/apps", "apis/apps/v1", "version"} <= index.keys()
    assert {"apis/example.com/v1"} <= index.keys()
    assert "apis/example.com" not in index
    for url in index.values():
        answer = described.ask(url)
        assert answer.status == 200
        assert answer.headers["ETag"] == f'"{url.partition("hash=")[2]}"'


def test_what_a_hash_leads_to_may_be_kept_for_a_year(described: Described) -> None:
    answer = described.ask(described.index()["apis/apps/v1"])
    assert answer.headers["Cache-Control"] == "public, immutable"
    assert "Expires" in answer.headers
    without = described.ask("/openapi/v3/apis/apps/v1")
    assert without.headers["Cache-Control"] == "no-cache, private"
    assert "Expires" not in without.headers


def test_an_old_hash_is_led_to_the_new_one(described: Described) -> None:
    answer = described.ask("/openapi/v3/api/v1?hash=OLD")
    assert answer.status == 301
    assert answer.headers["Location"] == described.index()["api/v1"]


@pytest.mark.parametrize("url", ["/openapi/v3", "/openapi/v3/api/v1", "/openapi/v2"])
def test_a_known_tag_is_not_sent_again(described: Described, url: str) -> None:
    tag = described.ask(url).headers["ETag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        answer = described.ask(url, if_none_match=known)
        assert (answer.status, answer.content()) == (304, b"")
        assert answer.headers["ETag"] == tag
    assert described.ask(url, if_none_match='"other"').status == 200


@pytest.mark.parametrize(
    ("url", "protobuf"), [("/openapi/v2", PROTOBUF_2), ("/openapi/v3/api/v1", PROTOBUF_3)]
)
def test_a_document_comes_in_the_form_that_is_preferred(
    described: Described, url: str, protobuf: str
) -> None:
    told = protobuf.replace("@", ".")
    for accept, form in (
        ("", "application/json"),
        ("application/json, */*", "application/json"),
        (protobuf, told),
        (told, told),
        (f"application/json;q=0.5, {protobuf}", told),
        (f"text/html, {protobuf};q=0, application/*", "application/json"),
    ):
        answer = described.ask(url, accept=accept)
        assert (answer.status, answer.headers["Content-Type"]) == (200, form), accept
        assert "Accept" in answer.headers["Vary"]
    assert described.ask(url, accept="text/html").status == 406


def test_a_document_is_packed_where_that_is_asked_for(described: Described) -> None:
    plain = described.ask("/openapi/v2")
    assert "Content-Encoding" not in plain.headers
    packed = described.ask("/openapi/v2", accept_encoding="br, gzip;q=0.5")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content()) == plain.content()
    assert len(packed.content()) * 8 < len(plain.content())
    refused = described.ask("/openapi/v2", accept_encoding="gzip;q=0, identity")
    assert "Content-Encoding" not in refused.headers
    small = described.ask("/openapi/v3/version", accept_encoding="gzip")
    assert len(small.content()) < 3000


def test_an_unknown_document_is_not_found(described: Described) -> None:
    for path in ("/openapi/v3/api/v9", "/openapi/v3/", "/openapi/v3/openapi/v2"):
        assert described.ask(path).status == 404


@pytest.mark.parametrize("path", ["/api", "/openapi", "/openapi/v4", "/openapi/v2/"])
def test_other_paths_are_not_its_own(described: Described, path: str) -> None:
    assert asyncio.run(described.openapi.answer(Request("GET", path))) is None


def test_patch_says_that_the_server_validates(described: Described) -> None:
    # What kubectl looks for before it sends `fieldValidation` and `dryRun`; old ones look into v2.
    for key in ("apis/apps/v1", "v2"):
        patch = described.document(key)["paths"][DEPLOYMENT]["patch"]
        assert patch["x-kubernetes-group-version-kind"] == {
            "group": "apps", "version": "v1", "kind": "Deployment",
        }  # fmt: skip
        assert {"fieldValidation", "dryRun"} <= {one.get("name") for one in patch["parameters"]}


def test_only_built_in_kinds_take_strategic_patches(described: Described) -> None:
    # Where kubectl apply finds it, it sends one, and a custom kind answers 415.
    strategic = "application/strategic-merge-patch+json"
    thing = "/apis/example.com/v1/namespaces/{namespace}/things/{name}"
    for key, path, takes in (
        ("apis/apps/v1", DEPLOYMENT, True),
        ("apis/example.com/v1", thing, False),
    ):
        patch = described.document(key)["paths"][path]["patch"]
        assert (strategic in patch["requestBody"]["content"]) is takes
        assert "application/apply-patch+yaml" in patch["requestBody"]["content"]


def test_every_reference_leads_somewhere_and_nothing_is_left_over(described: Described) -> None:
    for key in (*described.index(), "v2"):
        found = described.document(key)
        if key == "v2":
            told = {f"#/definitions/{name}" for name in found["definitions"]}
            told |= {f"#/parameters/{name}" for name in found["parameters"]}
        else:
            told = {
                f"#/components/schemas/{name}" for name in found["components"].get("schemas", {})
            }
        unused = {one.rpartition("/")[2].rpartition(".")[2] for one in told - references(found)}
        assert references(found) <= told, key
        # A watch sends them, and no operation has a place to say so.
        assert unused <= {"WatchEvent", "ListMeta", "ObjectMeta"}, key


def test_operations_have_names_of_their_own(described: Described) -> None:
    paths = described.document("v2")["paths"].values()
    names = [one["operationId"] for item in paths for one in item.values() if "tags" in one]
    assert len(names) == len(set(names)) > 500


def test_a_new_definition_changes_its_own_documents_alone() -> None:
    described = Described()
    before, whole = described.index(), described.ask("/openapi/v2").headers["ETag"]
    (thing,) = custom(SCHEMA)
    described.registry.add(thing)
    after = described.index()
    assert after.keys() - before.keys() == {"apis/example.com/v1"}
    assert {key: after[key] for key in before} == before
    assert described.ask("/openapi/v2").headers["ETag"] != whole
    described.registry.remove(thing)
    assert described.index() == before
    assert described.ask("/openapi/v3/apis/example.com/v1").status == 404
    assert described.ask("/openapi/v2").headers["ETag"] == whole


def test_a_definition_that_changes_in_what_is_told_changes_its_hash() -> None:
    described = Described(*custom(SCHEMA))
    first = described.index()["apis/example.com/v1"]
    other = {"type": "object", "properties": {"spec": {"type": "object"}}}
    for resource in custom(other):
        described.registry.add(resource)
    second = described.index()["apis/example.com/v1"]
    assert second != first
    schemas = described.document("apis/example.com/v1")["components"]["schemas"]
    assert schemas["com.example.v1.Thing"]["properties"]["spec"] == {"type": "object"}
    again = Resource(
        gvk=GVK("example.com", "v1", "Thing"),
        plural="things",
        short_names=("th",),  # of which no document tells
        custom=Custom("things.example.com", schema=other),
    )
    described.registry.add(again)
    assert described.index()["apis/example.com/v1"] == second


def test_a_document_is_made_once_and_by_one_of_those_who_ask() -> None:
    described = Described()

    async def ask_twice() -> list[bytes]:
        request = Request("GET", "/openapi/v3/apis/apps/v1", headers={"accept-encoding": "gzip"})
        answers = await asyncio.gather(*(described.openapi.answer(request) for _ in range(2)))
        return [one.content() for one in answers if one is not None]

    first, second = asyncio.run(ask_twice())
    assert first is second
    assert asyncio.run(ask_twice())[0] is first


def test_a_document_is_made_in_slices() -> None:
    described = Described()

    async def turns() -> int:
        making = asyncio.ensure_future(described.openapi.answer(Request("GET", "/openapi/v2")))
        count = 0
        while not making.done():
            await asyncio.sleep(0)
            count += 1
        return count

    assert asyncio.run(turns()) > 50


def test_nothing_is_made_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a document was made")

    described = Described()
    monkeypatch.setattr("arubeki.server.openapi.builtins.schema", never)
    assert described.index()
    tag = described.index()["api/v1"].partition("hash=")[2]
    assert described.ask("/openapi/v3/api/v1", if_none_match=f'"{tag}"').status == 304


def test_a_kind_is_told_of_as_soon_as_it_is_served_and_no_longer() -> None:
    async def test(world: World) -> None:
        async def told() -> bool:
            index = await world.json("GET", "/openapi/v3")
            whole = await world.json("GET", "/openapi/v2")
            in_v2 = "com.example.v1.Widget" in whole["definitions"]
            assert in_v2 is ("apis/example.com/v1" in index["paths"])
            return in_v2

        assert not await told()
        await world.json("POST", DEFINITIONS, definition())
        assert await told()
        await world.json("DELETE", f"{DEFINITIONS}/widgets.example.com")
        for _ in range(50):
            await asyncio.sleep(0)
        assert not await told()

    run(test)
