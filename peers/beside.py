"""Run a command beside a cluster of ours: `python peers/beside.py COMMAND…`, which finds KUBECONFIG set."""

import os
import subprocess
import sys

from arubeki.check.local import LocalCluster


def main() -> int:
    """Start a cluster whose Pods are status only, run the command, and end with its code."""
    with LocalCluster(serve=True) as cluster:
        environment = os.environ | {"KUBECONFIG": cluster.kubeconfig}
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
