"""What every verb needs: the storage, the registry, the settings, the strategies of the kinds.

On the ring: [HTTP > **server** > storage].
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from arubeki.net.message import Handler, Request, User
from arubeki.server.access import Access
from arubeki.server.access.accounts import Accounts
from arubeki.server.admission.quotas import Quotas
from arubeki.server.admission.ranges import Ranges
from arubeki.server.admission.strategy import Strategy
from arubeki.server.labels import LabelIndexes
from arubeki.server.resources import Registry, Resource
from arubeki.server.watch.hub import Hubs
from arubeki.storage.base import Storage

Nodes = Callable[[str], Handler | None]
"""The way from the server to a node: its handler by name, None where there is none."""


@dataclass(slots=True)
class Settings:
    """What the server is told about the cluster around it.

    `service_network` is where ClusterIPs come from, `address` and `port` where the API itself
    answers (the endpoints of the Service `kubernetes`). `eviction_seconds` is how long a Pod that says
    nothing else tolerates a node that is not ready or not reached. `issuer` is who the tokens of service
    accounts say to be from.
    """

    service_network: str = "127.240.0.0/16"
    node_ports: tuple[int, int] = (30000, 32767)
    address: str = "127.0.0.1"
    port: int = 6443
    event_seconds: float = 3600.0
    eviction_seconds: int = 300
    issuer: str = "https://kubernetes.default.svc.cluster.local"


@dataclass(slots=True)
class Core:
    """The server without its door: what the chain of a request hands to a verb."""

    storage: Storage
    registry: Registry
    settings: Settings
    nodes: Nodes
    hubs: Hubs
    access: Access
    accounts: Accounts
    strategies: Mapping[tuple[str, str], Strategy] = field(default_factory=dict)
    ordinary: Strategy = field(default_factory=Strategy)
    custom: Strategy = field(default_factory=Strategy)
    labels: LabelIndexes = field(init=False)
    quotas: Quotas = field(init=False)
    ranges: Ranges = field(init=False)

    def __post_init__(self) -> None:
        self.labels = LabelIndexes(self.storage)
        self.quotas = Quotas(self.storage, self.registry)
        self.ranges = Ranges(self.storage, self.registry)

    def strategy(self, resource: Resource) -> Strategy:
        """Return what is particular about a kind."""
        if resource.custom is not None:
            return self.custom
        return self.strategies.get((resource.group, resource.kind), self.ordinary)


@dataclass(slots=True)
class Call:
    """One request, resolved: who wants which verb on what."""

    core: Core
    request: Request
    user: User
    resource: Resource
    verb: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    parameters: Mapping[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def parameter(self, name: str) -> str:
        """Return the first value of a query parameter, "" when it is absent."""
        values = self.parameters.get(name)
        return values[0] if values else ""

    def flag(self, name: str) -> bool:
        """Tell whether a query parameter says true, as Go reads booleans of a query.

        Source: apimachinery pkg/runtime/conversion.go Convert_Slice_string_To_bool.
        """
        values = self.parameters.get(name)
        return values is not None and values[0].lower() not in ("false", "0")

    def header(self, name: str) -> str:
        """Return a header's value, "" when it is absent. `name` is in lower case."""
        return self.request.headers.get(name, "")


def parse_query(query: str) -> dict[str, list[str]]:
    """Return the values of a query by name."""
    if not query:
        return {}
    found: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found
