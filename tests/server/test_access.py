"""Who asks and whether they may: tokens of service accounts, reviews, acting as somebody else."""

import base64
import json

import pytest

from arubeki import clock
from arubeki.net.message import User
from arubeki.server.access import Access
from arubeki.server.app import App
from tests.server.support import ADMIN, CONFIG_MAPS, PODS, Object, World, pod, run

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
SECRETS = "/api/v1/namespaces/default/secrets"
AUTHENTICATION = "/apis/authentication.k8s.io/v1"
AUTHORIZATION = "/apis/authorization.k8s.io/v1"
ISSUER = "https://kubernetes.default.svc.cluster.local"


async def token_of(world: World, name: str = "a", **spec: object) -> str:
    request = await world.json("POST", f"{ACCOUNTS}/{name}/token", {"spec": spec})
    token: str = request["status"]["token"]
    return token


async def whoami(world: World, token: str) -> Object:
    answer = await world.json(
        "POST",
        f"{AUTHENTICATION}/selfsubjectreviews",
        {},
        user=None,
        headers={"authorization": f"Bearer {token}"},
    )
    found: Object = answer["status"]["userInfo"]
    return found


async def is_refused(world: World, token: str) -> str:
    """See that a token opens nothing; return why."""
    headers = {"authorization": f"Bearer {token}"}
    await world.fails(401, "GET", "/api", user=None, headers=headers)
    review = {"spec": {"token": token}}
    status = (await world.json("POST", f"{AUTHENTICATION}/tokenreviews", review))["status"]
    assert not status.get("authenticated")
    error: str = status["error"]
    return error


def claims_of(token: str, part: int = 1) -> Object:
    text = token.split(".")[part]
    found: Object = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


async def account(world: World, name: str = "a") -> Object:
    return await world.json("POST", ACCOUNTS, {"metadata": {"name": name}})


def test_a_token_says_whose_it_is_and_is_believed() -> None:
    async def test(world: World) -> None:
        uid = (await account(world))["metadata"]["uid"]
        token = await token_of(world)
        claims = claims_of(token)
        now = int(clock.now())
        assert claims.pop("jti")
        assert claims == {
            "aud": [ISSUER],
            "exp": now + 3600,
            "iat": now,
            "iss": ISSUER,
            "kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "a", "uid": uid}},
            "nbf": now,
            "sub": "system:serviceaccount:default:a",
        }
        user = await whoami(world, token)
        assert user["username"] == "system:serviceaccount:default:a"
        assert user["uid"] == uid
        assert user["groups"] == [
            "system:serviceaccounts",
            "system:serviceaccounts:default",
            "system:authenticated",
        ]
        (credential,) = user["extra"]["authentication.kubernetes.io/credential-id"]
        assert credential == f"JTI={claims_of(token)['jti']}"
        headers = {"authorization": f"Bearer {token}"}
        status = await world.fails(403, "GET", CONFIG_MAPS, user=None, headers=headers)
        assert 'User "system:serviceaccount:default:a" cannot list' in status["message"]

    run(test)


def test_the_key_is_published_for_others_to_check_with() -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    async def test(world: World) -> None:
        await account(world)
        token = await token_of(world)
        (key,) = (await world.json("GET", "/openid/v1/jwks"))["keys"]
        assert claims_of(token, 0) == {"alg": key["alg"], "kid": key["kid"]}
        x, y = (
            int.from_bytes(base64.urlsafe_b64decode(key[name] + "="), "big") for name in ("x", "y")
        )
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        said, _, signature = token.rpartition(".")
        raw = base64.urlsafe_b64decode(signature + "==")
        r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        encoded = utils.encode_dss_signature(r, s)
        public.verify(encoded, said.encode(), ec.ECDSA(hashes.SHA256()))
        about = await world.json("GET", "/.well-known/openid-configuration")
        assert about["issuer"] == claims_of(token)["iss"]
        assert about["jwks_uri"].endswith("/openid/v1/jwks")
        assert about["id_token_signing_alg_values_supported"] == ["ES256"]

    run(test)


def test_a_token_ends_with_its_time() -> None:
    import asyncio

    async def test(world: World) -> None:
        await account(world)
        token = await token_of(world, expirationSeconds=600)
        await asyncio.sleep(655)
        await whoami(world, token)
        await asyncio.sleep(10)
        assert "has expired" in await is_refused(world, token)

    run(test)


def test_a_token_is_good_for_its_audience_alone() -> None:
    async def test(world: World) -> None:
        await account(world)
        token = await token_of(world, audiences=["vault", "other"])
        assert "token audiences" in await is_refused(world, token)
        for wanted, good in ((["vault"], ["vault"]), (["none", "other"], ["other"])):
            review = {"spec": {"token": token, "audiences": wanted}}
            status = (await world.json("POST", f"{AUTHENTICATION}/tokenreviews", review))["status"]
            assert status["authenticated"]
            assert status["audiences"] == good
            assert status["user"]["username"] == "system:serviceaccount:default:a"

    run(test)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_token_that_somebody_changed_is_refused(place: int) -> None:
    async def test(world: World) -> None:
        await account(world)
        parts = (await token_of(world)).split(".")
        head, claims = claims_of(".".join(parts), 0), claims_of(".".join(parts))
        changed = [
            {**head, "alg": "none"},
            {**claims, "sub": "system:serviceaccount:kube-system:admin"},
            None,
        ][place]
        text = json.dumps(changed).encode() if changed else b"\0" * 64
        parts[place] = base64.urlsafe_b64encode(text).rstrip(b"=").decode()
        await is_refused(world, ".".join(parts))

    run(test)


def test_a_token_ends_with_its_account() -> None:
    async def test(world: World) -> None:
        await account(world)
        token = await token_of(world)
        await whoami(world, token)
        await world.json("DELETE", f"{ACCOUNTS}/a")
        assert 'serviceaccounts "a" not found' in await is_refused(world, token)
        await account(world)
        assert "does not match claim" in await is_refused(world, token)

    run(test)


def test_a_bound_token_ends_with_what_it_is_bound_to() -> None:
    async def test(world: World) -> None:
        await account(world)
        await world.json("POST", "/api/v1/nodes", {"metadata": {"name": "n"}})
        await world.json("POST", PODS, pod("p", serviceAccountName="a", nodeName="n"))
        await world.json("POST", SECRETS, {"metadata": {"name": "s"}})
        places = {"Pod": f"{PODS}/p", "Secret": f"{SECRETS}/s", "Node": "/api/v1/nodes/n"}
        for kind, path in places.items():
            name = path.rpartition("/")[2]
            reference = {"kind": kind, "apiVersion": "v1", "name": name}
            token = await token_of(world, boundObjectRef=reference)
            said = claims_of(token)["kubernetes.io"]
            assert said[kind.lower()]["name"] == name
            extra = (await whoami(world, token))["extra"]
            if kind != "Secret":
                assert extra[f"authentication.kubernetes.io/{kind.lower()}-name"] == [name]
            if kind == "Pod":
                assert said["node"]["uid"]
                assert extra["authentication.kubernetes.io/node-name"] == ["n"]
            await world.json("DELETE", path, gracePeriodSeconds=0)
            assert "has been invalidated" in await is_refused(world, token)

    run(test)


def test_a_pods_own_token_lives_a_year_and_warns_after_its_hour() -> None:
    async def test(world: World) -> None:
        await account(world)
        await world.json("POST", PODS, pod("p", serviceAccountName="a"))
        reference = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
        token = await token_of(world, expirationSeconds=3607, boundObjectRef=reference)
        claims = claims_of(token)
        assert claims["exp"] - claims["iat"] == 365 * 24 * 3600
        assert claims["kubernetes.io"]["warnafter"] - claims["iat"] == 3607

    run(test)


def test_servers_of_one_storage_believe_each_others_tokens() -> None:
    async def test(world: World) -> None:
        await account(world)
        token = await token_of(world)
        other = App(world.storage, access=Access())
        await other.start()
        first, world.app = world.app, other
        assert (await whoami(world, token))["username"].endswith(":a")
        world.app = first
        await other.stop()

    run(test)


def test_acting_as_somebody_else_is_for_who_may() -> None:
    async def test(world: World) -> None:
        joe = User("joe", ("system:authenticated",))
        status = await world.fails(403, "GET", "/api", user=joe, headers={"impersonate-user": "b"})
        assert status["message"] == (
            'users "b" is forbidden: User "joe" cannot impersonate resource "users" in API group '
            '"" at the cluster scope'
        )
        headers = {"impersonate-user": "joe"}
        await world.fails(403, "GET", CONFIG_MAPS, headers=headers)
        headers["impersonate-group"] = "devs, system:masters"
        await world.json("GET", CONFIG_MAPS, headers=headers)
        headers = {
            "impersonate-user": "joe",
            "impersonate-uid": "7",
            "impersonate-extra-scopes%2fa": "x, y",
        }
        review = await world.json(
            "POST", f"{AUTHENTICATION}/selfsubjectreviews", {}, headers=headers
        )
        assert review["status"]["userInfo"] == {
            "username": "joe",
            "uid": "7",
            "groups": ["system:authenticated"],
            "extra": {"scopes/a": ["x", "y"]},
        }

    run(test)


def test_the_clusters_own_parts_are_told_from_users_with_such_names() -> None:
    async def test(world: World) -> None:
        for name, may in (
            ("system:controller:x", True),
            ("system:node:n", True),
            ("system:kube-scheduler", True),
            ("system:serviceaccount:kube-system:x", False),
            ("system:anything", False),
        ):
            spec = {"user": name, "resourceAttributes": {"verb": "delete", "resource": "nodes"}}
            review = {"spec": spec}
            answer = await world.json("POST", f"{AUTHORIZATION}/subjectaccessreviews", review)
            assert answer["status"] == {"allowed": may}, name

    run(test)


def test_everybody_may_ask_what_there_is_and_what_he_may() -> None:
    async def test(world: World) -> None:
        joe = User("joe", ("system:authenticated",))
        await world.json("GET", "/apis", user=joe)
        await world.json("GET", "/api/v1", user=joe)
        body = {"spec": {"namespace": "default"}}
        path = f"{AUTHORIZATION}/selfsubjectrulesreviews"
        rules = (await world.json("POST", path, body, user=joe))["status"]["resourceRules"]
        assert all(rule["verbs"] == ["create"] for rule in rules)
        rules = (await world.json("POST", path, body, user=ADMIN))["status"]["resourceRules"]
        assert {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]} in rules
        await world.fails(401, "GET", "/api", user=None)

    run(test)


@pytest.mark.parametrize(
    "path", [f"{AUTHENTICATION}/selfsubjectreviews", f"{AUTHORIZATION}/selfsubjectaccessreviews"]
)
def test_what_is_only_asked_is_no_table(path: str) -> None:
    async def test(world: World) -> None:
        headers = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        status = await world.fails(406, "POST", path, {"spec": {}}, headers=headers)
        assert status["reason"] == "NotAcceptable"

    run(test)
