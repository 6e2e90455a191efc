"""Scenarios of what a namespace may have, and of what is written by hand in it."""

from arubeki.controllers import mirroring, resourcequota
from arubeki.kinds import core_v1 as core
from tests.controllers.scenario import Scenario
from tests.controllers.test_mirroring import by_hand, service
from tests.controllers.test_resourcequota import make_quota, secret
from tests.support import play
from tests.support.play import NAMESPACE


class ResourceQuotas(Scenario):
    """Objects are counted as they come and go, and by what the quota says by then."""

    @staticmethod
    def build():
        return [resourcequota.controller()]

    @staticmethod
    async def act(world, settle):
        client = world.client
        await make_quota(world, pods="5", secrets="5")
        await settle()
        await client.create(play.pod("a"))
        await client.create(secret("a"))
        await client.create(secret("b"))
        await settle()
        await client.delete(core.Secret, "a", NAMESPACE)
        await client.patch(
            core.ResourceQuota, "q", NAMESPACE, {"spec": {"hard": {"pods": None, "cpu": "1"}}}
        )
        await settle()

    @staticmethod
    def check(state):
        (one,) = [one for one in state if one["kind"] == "ResourceQuota"]
        assert one["status"] == {
            "hard": {"secrets": "5", "cpu": "1"},
            "used": {"secrets": "1", "cpu": "0"},
        }


class Mirroring(Scenario):
    """Endpoints by hand come, change, and lose an address."""

    @staticmethod
    def build():
        return [mirroring.controller()]

    @staticmethod
    async def act(world, settle):
        await world.client.create(service())
        await world.client.create(by_hand("10.0.0.1", "10.0.0.2"))
        await settle()
        subset = {"addresses": [{"ip": "10.0.0.2"}], "ports": [{"port": 81}]}
        await world.client.patch(core.Endpoints, "s", NAMESPACE, {"subsets": [subset]})
        await settle()

    @staticmethod
    def check(state):
        slices = [one for one in state if one["kind"] == "EndpointSlice"]
        (one,) = [one for one in slices if one["metadata"]["namespace"] == NAMESPACE]
        assert [each["addresses"] for each in one["endpoints"]] == [["10.0.0.2"]]
        assert [port["port"] for port in one["ports"]] == [81]
