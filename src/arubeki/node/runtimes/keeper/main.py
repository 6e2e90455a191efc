"""The keeper itself: hears requests, forks supervisors, inherits the orphans of those that died.

Below the runtimes, in the keeper's interpreter: standard library only.
"""

import gc
import os
import select
import signal
import socket
import sys

from arubeki.node.runtimes.keeper import kin, namespaces
from arubeki.node.runtimes.keeper.namespaces import Libc
from arubeki.node.runtimes.keeper.supervisor import Supervisor


def main() -> None:
    """Serve the server whose requests come on standard input, until it is gone."""
    server = int(sys.argv[1])
    libc = Libc()
    for one in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(one, signal.SIG_IGN)  # Ctrl-C is the server's business
    if kin.LINUX:
        libc.prctl(namespaces.PR_SET_CHILD_SUBREAPER, 1)
        libc.prctl(namespaces.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:
            return
    requests = socket.socket(fileno=0)
    gc.disable()  # it would touch, and so copy, every page that the forks share
    gc.freeze()
    job = Keeper(requests).serve()
    if job is not None:
        os._exit(Supervisor(libc, *job).run())


class Keeper:
    """Forks a supervisor for each request: one byte with three descriptors."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._supervisors: set[int] = set()
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._woken, self._wake = kin.wakeup()

    def serve(self) -> tuple[int, list[int]] | None:
        """Return the job in each child; None in the parent once the server is gone."""
        poll = select.poll()
        poll.register(self._requests, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self._woken in ready:
                self._reap()
            if self._requests.fileno() not in ready:
                continue
            byte, descriptors, _, _ = socket.recv_fds(self._requests, 1, 3)
            if not byte:
                return None
            for one in descriptors:
                os.set_inheritable(one, False)
            keeper = os.getpid()
            child = os.fork()
            if child == 0:
                self._become_supervisor()
                return keeper, descriptors
            self._supervisors.add(child)
            for one in descriptors:
                os.close(one)

    def _become_supervisor(self) -> None:
        signal.set_wakeup_fd(-1)
        for fd in (self._woken, self._wake):
            os.close(fd)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        os.dup2(null, self._requests.detach())
        os.close(null)

    def _reap(self) -> None:
        for pid, status in kin.ended(self._woken):
            if pid in self._supervisors:
                self._supervisors.discard(pid)
                if status:  # it may not have cleaned up: its orphans are ours now
                    kin.kill_children(self._supervisors)
