"""What a cluster should be: where it keeps its state, how many nodes, how Pods run.

Above both halves.
"""

from dataclasses import dataclass
from pathlib import Path

from arubeki.errors import ConfigError

RUNTIMES = ("auto", "sandbox", "plain", "fake")
NODES_LIMIT = 100
DEFAULT_PORT = 6443
PORT_TRIES = 100
"""How many ports after the default one are tried when that is taken."""


@dataclass(frozen=True, slots=True)
class Options:
    """The wishes of whoever starts a cluster.

    `storage` is "" for memory, a directory for SQLite, or `etcd://host:port[,host:port]`. `port` is
    a port that must be free, 0 for any, None for the default or the next free one; `serve` False
    opens none at all. `node_grace_seconds` is how long a node may be silent before it counts as
    lost, `eviction_seconds` how long Pods then stay that say nothing else.
    """

    storage: str | Path = ""
    nodes: int = 1
    runtime: str = "auto"
    port: int | None = None
    serve: bool = True
    node_grace_seconds: float = 50.0
    eviction_seconds: int = 300
    fake_start_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.runtime not in RUNTIMES:
            raise ConfigError(f"there is no runtime {self.runtime!r}; known: {', '.join(RUNTIMES)}")
        if not 0 <= self.nodes <= NODES_LIMIT:
            raise ConfigError(f"{self.nodes} nodes are not possible (0 to {NODES_LIMIT})")
        if self.node_grace_seconds <= 0:
            raise ConfigError("node_grace_seconds must be above 0")

    @property
    def is_etcd(self) -> bool:
        """Whether the state is in an etcd."""
        return str(self.storage).startswith("etcd://")

    @property
    def directory(self) -> Path | None:
        """The directory of the state; None when it is elsewhere."""
        return Path(self.storage) if self.storage and not self.is_etcd else None
