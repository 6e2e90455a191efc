import gzip
import json
from typing import Any

from arubeki.net.message import Request, Response
from arubeki.server.watch.views import View
from tests.server.support import ADMIN, CONFIG_MAPS, World, config_map, run

FAR, NEAR = "192.0.2.7", "127.0.0.1"


async def listed(world: World, address: str, accepted: str = "gzip", query: str = "") -> Response:
    headers = {"accept-encoding": accepted} if accepted else {}
    request = Request("GET", CONFIG_MAPS, query, headers, b"", ADMIN, peer_address=address)
    answer = await world.app(request)
    assert isinstance(answer, Response)
    return answer


async def filled(world: World) -> None:
    for index in range(6):
        await world.json("POST", CONFIG_MAPS, config_map(f"c{index}", {"k": "x" * 50_000}))


def is_packed(answer: Response) -> bool:
    return answer.headers.get("Content-Encoding") == "gzip"


def test_a_large_answer_is_packed_for_who_is_far_and_wants_it() -> None:
    async def test(world: World) -> None:
        await filled(world)
        plain = await listed(world, FAR, "")
        packed = await listed(world, FAR, "br, gzip;q=0.5")
        assert is_packed(packed)
        assert packed.headers["Vary"] == "Accept-Encoding"
        assert len(packed.content()) < len(plain.content()) // 10
        assert json.loads(gzip.decompress(packed.content())) == json.loads(plain.content())

    run(test)


def test_what_is_small_near_or_not_wanted_so_goes_out_as_it_is() -> None:
    async def test(world: World) -> None:
        await filled(world)
        for answer in (
            await listed(world, NEAR),
            await listed(world, "::1"),
            await listed(world, ""),
            await listed(world, FAR, ""),
            await listed(world, FAR, "br"),
            await listed(world, FAR, "gzip;q=0"),
            await listed(world, FAR, query="limit=1"),
        ):
            assert not is_packed(answer)

    run(test)


def test_every_kind_has_a_bookmark_in_every_shape() -> None:
    async def test(world: World) -> None:
        for resource in world.app.registry.all():
            for shape in ("object", "table", "metadata"):
                line = View(resource, shape).bookmark(7, initial_end=True)
                event: dict[str, Any] = json.loads(line)
                assert event["type"] == "BOOKMARK"
                assert event["object"]["metadata"]["resourceVersion"] == "7"

    run(test)
