"""All of it in one process, on one port: the one place where both halves meet.

`Cluster` opens a storage, puts the server's handler on a socket and hands the same handler to the
clients of the controllers, the scheduler and the nodes. `Options` says what is wanted.
"""

from arubeki.cluster.cluster import Cluster
from arubeki.cluster.options import Options

__all__ = ["Cluster", "Options"]
