"""get and list."""

import base64
import json

import pytest

from tests.server.support import CONFIG_MAPS, PODS, World, config_map, pod, run


async def _fill(world: World, count: int) -> None:
    for index in range(count):
        labels = {"parity": "odd" if index % 2 else "even"}
        await world.json("POST", CONFIG_MAPS, config_map(f"c{index:02}", labels=labels))


def _names(found: dict) -> list[str]:
    return [item["metadata"]["name"] for item in found["items"]]


def test_an_object_comes_back_as_it_was_stored() -> None:
    async def test(world: World) -> None:
        created = await world.json("POST", CONFIG_MAPS, config_map("a", {"x": "é\u2028"}))
        assert await world.json("GET", f"{CONFIG_MAPS}/a") == created
        assert created["metadata"]["resourceVersion"] == str(world.storage.revision)
        status = await world.fails(404, "GET", f"{CONFIG_MAPS}/b")
        assert status["message"] == 'configmaps "b" not found'
        assert status["details"] == {"name": "b", "kind": "configmaps"}

    run(test)


def test_a_list_is_at_the_storages_revision() -> None:
    async def test(world: World) -> None:
        empty = await world.json("GET", CONFIG_MAPS)
        assert empty["items"] == []
        assert empty["metadata"] == {"resourceVersion": str(world.storage.revision)}
        await _fill(world, 2)
        found = await world.json("GET", CONFIG_MAPS)
        assert (found["kind"], found["apiVersion"]) == ("ConfigMapList", "v1")
        assert found["metadata"]["resourceVersion"] == str(world.storage.revision)
        assert found["items"][0] == await world.json("GET", f"{CONFIG_MAPS}/c00")
        everywhere = await world.json("GET", "/api/v1/configmaps")
        assert _names(everywhere) == ["c00", "c01"]
        other = await world.json("GET", "/api/v1/namespaces/kube-system/configmaps")
        assert other["items"] == []

    run(test)


def test_pages_are_all_at_the_first_pages_revision() -> None:
    async def test(world: World) -> None:
        await _fill(world, 5)
        first = await world.json("GET", CONFIG_MAPS, limit=2)
        assert _names(first) == ["c00", "c01"]
        assert first["metadata"]["remainingItemCount"] == 3
        await world.json("DELETE", f"{CONFIG_MAPS}/c02")
        await world.json("POST", CONFIG_MAPS, config_map("c025"))
        token = first["metadata"]["continue"]
        raw = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        assert raw == {
            "v": "meta.k8s.io/v1",
            "rv": int(first["metadata"]["resourceVersion"]),
            "start": "c01\0",
        }
        rest = await world.json("GET", CONFIG_MAPS, limit=10, continue_=token)
        assert _names(rest) == ["c02", "c03", "c04"]
        assert rest["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}

    run(test)


def test_a_page_with_a_selector_is_full_and_does_not_count_the_rest() -> None:
    async def test(world: World) -> None:
        await _fill(world, 6)
        found = await world.json("GET", CONFIG_MAPS, labelSelector="parity=odd", limit=2)
        assert _names(found) == ["c01", "c03"]
        assert "remainingItemCount" not in found["metadata"]
        token = found["metadata"]["continue"]
        rest = await world.json(
            "GET", CONFIG_MAPS, labelSelector="parity=odd", limit=2, continue_=token
        )
        assert _names(rest) == ["c05"]
        assert "continue" not in rest["metadata"]

    run(test)


def test_an_expired_page_offers_an_inconsistent_rest() -> None:
    async def test(world: World) -> None:
        await _fill(world, 4)
        first = await world.json("GET", CONFIG_MAPS, limit=2)
        await world.json("DELETE", f"{CONFIG_MAPS}/c02")
        await world.storage.compact(world.storage.revision)
        token = first["metadata"]["continue"]
        status = await world.fails(410, "GET", CONFIG_MAPS, continue_=token)
        assert status["reason"] == "Expired"
        assert status["message"].startswith("The provided continue parameter is too old")
        fresh = status["metadata"]["continue"]
        rest = await world.json("GET", CONFIG_MAPS, continue_=fresh)
        assert _names(rest) == ["c03"]
        old = first["metadata"]["resourceVersion"]
        status = await world.fails(
            410, "GET", CONFIG_MAPS, resourceVersion=old, resourceVersionMatch="Exact"
        )
        assert status["message"] == "The resourceVersion for the provided list is too old."

    run(test)


@pytest.mark.parametrize(
    "token",
    ["x", "!!!", base64.urlsafe_b64encode(b'{"v":"v9","rv":1,"start":"a"}').decode(),
     base64.urlsafe_b64encode(b'{"v":"meta.k8s.io/v1","rv":1,"start":"../../secrets"}').decode(),
     base64.urlsafe_b64encode(b'{"v":"meta.k8s.io/v1","rv":0,"start":"a"}').decode(), "é"],
)  # fmt: skip
def test_a_token_of_somebody_elses_making_is_refused(token: str) -> None:
    async def test(world: World) -> None:
        status = await world.fails(400, "GET", CONFIG_MAPS, continue_=token)
        assert status["message"].startswith("invalid continue token: ")

    run(test)


def test_a_list_at_an_exact_revision_shows_the_past() -> None:
    async def test(world: World) -> None:
        await _fill(world, 1)
        then = str(world.storage.revision)
        await _fill_more(world)
        exact = {"resourceVersion": then, "resourceVersionMatch": "Exact"}
        assert _names(await world.json("GET", CONFIG_MAPS, **exact)) == ["c00"]
        fresh = {"resourceVersion": then, "resourceVersionMatch": "NotOlderThan"}
        assert _names(await world.json("GET", CONFIG_MAPS, **fresh)) == ["c00", "later"]
        assert _names(await world.json("GET", CONFIG_MAPS, resourceVersion=0)) == ["c00", "later"]

    run(test)


async def _fill_more(world: World) -> None:
    await world.json("POST", CONFIG_MAPS, config_map("later"))


def test_a_revision_of_the_future_is_waited_for_and_then_refused() -> None:
    async def test(world: World) -> None:
        future = world.storage.revision + 100
        status = await world.fails(504, "GET", CONFIG_MAPS, resourceVersion=future)
        assert status["message"] == (
            f"Timeout: Too large resource version: {future}, current: {world.storage.revision}"
        )
        assert status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
        assert status["details"]["retryAfterSeconds"] == 1

    run(test)


@pytest.mark.parametrize(
    ("query", "cause"),
    [
        ({"resourceVersionMatch": "Exact"}, "resourceVersionMatch is forbidden unless"),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, 'resourceVersionMatch "exact"'),
        ({"resourceVersionMatch": "Odd", "resourceVersion": "1"}, 'Unsupported value: "Odd"'),
        ({"sendInitialEvents": "true"}, "sendInitialEvents is forbidden for list"),
    ],
)
def test_options_that_do_not_go_together_are_invalid(query: dict[str, str], cause: str) -> None:
    async def test(world: World) -> None:
        status = await world.fails(422, "GET", CONFIG_MAPS, **query)
        assert status["message"].startswith('ListOptions.meta.k8s.io "" is invalid: ')
        assert cause in status["message"]

    run(test)


@pytest.mark.parametrize(
    "query",
    [
        {"labelSelector": "a in"},
        {"labelSelector": "-a=b"},
        {"fieldSelector": "nothing"},
        {"resourceVersion": "abc"},
        {"resourceVersion": "-1"},
        {"resourceVersion": "99999999999999999999999"},
        {"limit": "many"},
        {"limit": "9" * 30},
        {"continue": "x", "resourceVersion": "5"},
    ],
)
def test_a_malformed_option_is_a_bad_request(query: dict[str, str]) -> None:
    async def test(world: World) -> None:
        await world.fails(400, "GET", CONFIG_MAPS, **query)

    run(test)


def test_fields_select_where_the_kind_has_them() -> None:
    async def test(world: World) -> None:
        await world.json("POST", PODS, pod("a", nodeName="n1"))
        await world.json("POST", PODS, pod("b", nodeName="n2", hostNetwork=True))
        await world.json("POST", PODS, pod("c"))

        async def selected(text: str) -> list[str]:
            return _names(await world.json("GET", "/api/v1/pods", fieldSelector=text))

        assert await selected("spec.nodeName=n1") == ["a"]
        assert await selected("spec.nodeName=") == ["c"]
        assert await selected("spec.nodeName!=n1,metadata.namespace=default") == ["b", "c"]
        assert await selected("spec.hostNetwork=false") == ["a", "c"]
        assert await selected("metadata.name=b") == ["b"]
        assert await selected("status.phase=Pending") == ["a", "b", "c"]
        one = await world.json("GET", PODS, fieldSelector="metadata.name=b,spec.nodeName=n1")
        assert one["items"] == []
        status = await world.fails(400, "GET", PODS, fieldSelector="spec.other=x")
        assert status["message"] == "field label not supported: spec.other"
        status = await world.fails(400, "GET", CONFIG_MAPS, fieldSelector="data=x")
        assert status["message"] == (
            '"data" is not a known field selector: only "metadata.name", "metadata.namespace"'
        )

    run(test)


def test_a_table_has_rows_and_columns() -> None:
    async def test(world: World) -> None:
        await _fill(world, 2)
        accept = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
        table = await world.json("GET", CONFIG_MAPS, headers=accept)
        assert table["kind"] == "Table"
        assert table["metadata"]["resourceVersion"] == str(world.storage.revision)
        assert [row["cells"][0] for row in table["rows"]] == ["c00", "c01"]
        assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
        single = await world.json("GET", f"{CONFIG_MAPS}/c01", headers=accept)
        assert [row["cells"][0] for row in single["rows"]] == ["c01"]

    run(test)


def test_metadata_alone_leaves_the_rest_out() -> None:
    async def test(world: World) -> None:
        await _fill(world, 1)
        shown_as = "application/vnd.kubernetes.protobuf;as={0};g=meta.k8s.io;v=v1,"
        shown_as += "application/json;as={0};g=meta.k8s.io;v=v1,application/json"
        accept = {"accept": shown_as.format("PartialObjectMetadataList")}
        found = await world.json("GET", CONFIG_MAPS, headers=accept)
        assert found["kind"] == "PartialObjectMetadataList"
        assert found["items"][0]["kind"] == "PartialObjectMetadata"
        assert "data" not in found["items"][0]
        accept = {"accept": shown_as.format("PartialObjectMetadata")}
        one = await world.json("GET", f"{CONFIG_MAPS}/c00", headers=accept)
        assert set(one) == {"kind", "apiVersion", "metadata"}

    run(test)


@pytest.mark.parametrize(
    ("accept", "code"),
    [
        ("*/*", 200),
        ("application/json, */*", 200),
        ("application/vnd.kubernetes.protobuf,application/json", 200),
        ("application/yaml", 200),
        ("application/vnd.kubernetes.protobuf", 406),
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("application/json;as=Table;v=v9;g=meta.k8s.io", 406),
    ],
)
def test_an_answer_is_in_a_form_that_was_asked_for(accept: str, code: int) -> None:
    async def test(world: World) -> None:
        await _fill(world, 1)
        for path in (CONFIG_MAPS, f"{CONFIG_MAPS}/c00"):
            answer = await world.ask("GET", path, headers={"accept": accept})
            assert answer.status == code
        if accept == "application/yaml":
            assert answer.content().startswith(b"apiVersion: v1\nkind: ConfigMap\n")

    run(test)


def test_people_get_indented_answers() -> None:
    async def test(world: World) -> None:
        await _fill(world, 1)
        for more in ({"pretty": "true"}, {"headers": {"user-agent": "curl/8"}}):
            for path in (CONFIG_MAPS, f"{CONFIG_MAPS}/c00"):
                answer = await world.ask("GET", path, **more)
                assert b'\n  "kind": ' in answer.content()

    run(test)


def test_a_long_table_is_whole() -> None:
    async def test(world: World) -> None:
        for index in range(250):
            await world.json("POST", CONFIG_MAPS, config_map(f"c{index:03}"))
        accept = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        table = await world.json("GET", CONFIG_MAPS, headers=accept)
        assert [row["cells"][0] for row in table["rows"]] == [f"c{i:03}" for i in range(250)]
        page = await world.json("GET", CONFIG_MAPS, headers=accept, limit=120)
        assert len(page["rows"]) == 120
        assert page["metadata"]["remainingItemCount"] == 130
        bare = await world.json("GET", CONFIG_MAPS, headers=accept, includeObject="None", limit=1)
        assert bare["rows"][0]["object"] is None
        empty = await world.json("GET", PODS, headers=accept)
        assert empty["rows"] == []
        assert empty["columnDefinitions"]

    run(test)
