"""A server to be measured: `arubeki up`, but its ready block is what the benchmark must know.

python tools/bench/serve.py [--alone] [OPTION OF up ...]

`--alone` leaves out the controllers, but for the one of the default ServiceAccounts, where only the
API server is to be measured: a Deployment that is created or changed is work for three of them.
"""

import json
import os
import sys

from arubeki import Cluster, controllers
from arubeki.cli import main, up
from arubeki.controllers import serviceaccount


def _place(cluster: Cluster, *_: object) -> str:
    return json.dumps({"port": cluster.port, "token": cluster.token, "pid": os.getpid()})


if __name__ == "__main__":
    up.ready_block = _place
    options = sys.argv[1:]
    if options[:1] == ["--alone"]:
        controllers.built_in = lambda **_: [serviceaccount.controller()]
        options = options[1:]
    sys.exit(main(["up", "--port", "0", *options]))
