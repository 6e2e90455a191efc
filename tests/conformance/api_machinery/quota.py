"""What the tests of quotas share: the quotas, what is charged to them, and amounts."""

import re
from decimal import Decimal

from tests.conformance.kit import named

EXTENDED = "example.com/dongle"
SUFFIXES = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    "k": Decimal(1000),
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGT", 1)},
}


def amount(text):
    """Return a quantity as a number."""
    number, suffix = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(text)).groups()
    return Decimal(number) * SUFFIXES[suffix]


def amounts(quantities):
    return {name: amount(value) for name, value in quantities.items()}


def quota(name, scope="", **hard):
    """Return a ResourceQuota of everything that the tests count, or of Pods in a scope."""
    if scope:
        hard = {"pods": "5"}
        if "Terminating" in scope:
            hard |= {
                "requests.cpu": "1",
                "requests.memory": "500Mi",
                "limits.cpu": "2",
                "limits.memory": "1Gi",
            }
        return named(name, spec={"hard": hard, "scopes": [scope]})
    everything = {
        "pods": "5",
        "services": "10",
        "services.nodeports": "1",
        "services.loadbalancers": "1",
        "replicationcontrollers": "10",
        "resourcequotas": "1",
        "cpu": "1",
        "memory": "500Mi",
        "configmaps": "10",
        "secrets": "10",
        "persistentvolumeclaims": "10",
        "requests.storage": "10Gi",
        "ephemeral-storage": "50Gi",
        "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "10",
        "gold.storageclass.storage.k8s.io/requests.storage": "10Gi",
        "count/replicasets.apps": "5",
        f"requests.{EXTENDED}": "3",
    }
    return named(name, spec={"hard": everything | hard})


def pod(name, requests=None, limits=None, **spec):
    """Return a Pod that no node takes, so that only the quota looks at it."""
    resources = {"requests": requests or {}, "limits": limits or {}}
    container = {"name": "pause", "image": "pause", "resources": resources}
    selector = {"x-test.k8s.io/unsatisfiable": "not-schedulable"}
    return named(name, spec={"nodeSelector": selector, "containers": [container], **spec})


class Quotas:
    """The quotas of a namespace."""

    def __init__(self, objects):
        self.objects = objects

    def create(self, wanted):
        """Create a quota, and wait until its status counts for the first time."""
        made = self.objects.create(wanted)
        name = made["metadata"]["name"]
        hard = amounts(made["spec"]["hard"])

        def is_counted(obj):
            status = obj.get("status", {})
            used = status.get("used", {})
            return amounts(status.get("hard", {})) == hard and used.keys() == hard.keys()

        return self.objects.wait(name, is_counted)

    def wait_used(self, name, used):
        """Wait until so much of each is used."""
        wanted = amounts(used)

        def holds(obj):
            found = amounts(obj["status"].get("used", {}))
            assert amounts(obj["status"]["hard"]) == amounts(obj["spec"]["hard"])
            return wanted.items() <= found.items()

        return self.objects.wait(name, holds)
