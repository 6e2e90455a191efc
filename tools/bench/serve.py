"""A server to be measured: `arubeki up`, but its ready block is what the benchmark must know.

python tools/bench/serve.py [OPTION OF up ...]
"""

import json
import os
import sys

from arubeki import Cluster
from arubeki.cli import main, up


def _place(cluster: Cluster, *_: object) -> str:
    return json.dumps({"port": cluster.port, "token": cluster.token, "pid": os.getpid()})


if __name__ == "__main__":
    up.ready_block = _place
    sys.exit(main(["up", "--port", "0", *sys.argv[1:]]))
