"""Scenarios of what a namespace may have."""

from arubeki.controllers import resourcequota
from arubeki.kinds import core_v1 as core
from tests.controllers.scenario import Scenario
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
