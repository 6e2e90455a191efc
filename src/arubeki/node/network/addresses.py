"""Which loopback addresses belong to whom.

A node's Pods, and a cluster's Services, have a /16 of the loopback network for themselves: a block
127.X.0.0/16. Two clusters on one machine must not take the same one, so a block is claimed by
holding a socket bound at a place in it that nothing else uses. The kernel gives the place back when
the claimant dies, however it does, and holds across users and containers that share the network:
no lock file, nothing stale.

Where only 127.0.0.1 exists (macOS) there is one block of one address, and `reason` says so.

Below the node agent: one socket per claim, no traffic.
"""

import errno
import socket
from dataclasses import dataclass

from arubeki.errors import ArubekiError

_CLAIM_HOST = "255.254"
# Above what Linux gives to outgoing connections (32768-60999), below no well-known service.
_CLAIM_PORT = 61127

FIRST = 1
LAST = 254


class NoAddressLeft(ArubekiError):
    """Every address of a block is taken."""


@dataclass(slots=True, eq=False)
class Block:
    """A claimed 127.X.0.0/16; `octet` is X. Or, with a `reason`, 127.0.0.1 alone."""

    octet: int
    reason: str = ""
    _socket: socket.socket | None = None

    @property
    def cidr(self) -> str:
        """`127.X.0.0/16`."""
        return "127.0.0.1/32" if self.reason else f"127.{self.octet}.0.0/16"

    @property
    def first(self) -> str:
        """The first address: the node's own."""
        return "127.0.0.1" if self.reason else f"127.{self.octet}.0.1"

    def __contains__(self, address: str) -> bool:
        return not self.reason and address.startswith(f"127.{self.octet}.")

    def close(self) -> None:
        """Give the block back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def claim(preferred: int = 0, *, first: int = FIRST, last: int = LAST) -> Block:
    """Claim the block `preferred` (0: none), else the lowest free one from `first` to `last`.

    The preference is what keeps addresses over a restart: Services' are stored.
    """
    octets = range(first, last + 1)
    reason = ""
    for octet in (preferred, *octets) if preferred else octets:
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            held.bind((f"127.{octet}.{_CLAIM_HOST}", _CLAIM_PORT))
        except OSError as error:
            held.close()
            reason = error.strerror or str(error)
            if error.errno != errno.EADDRINUSE:
                return Block(0, f"127.{octet}.0.0/16 cannot be used: {reason}")
        else:
            return Block(octet, "", held)
    return Block(0, f"every block from 127.{first}.0.0/16 to 127.{last}.0.0/16 is taken")


class PodAddresses:
    """Gives each Pod of a node an address of the node's block.

    A returned address is not given again before all others were: whoever still talks to it then
    rather meets nobody than a stranger.
    """

    def __init__(self, block: Block) -> None:
        self._block = block
        self._by_uid: dict[str, str] = {}
        self._taken: set[str] = set()
        self._last = 1  # x.x.0.1 is the node's

    @property
    def reason(self) -> str:
        """Why all Pods have the same address; "" when each has its own."""
        return self._block.reason

    def allocate(self, uid: str, preferred: str = "") -> str:
        """Return the Pod's address, the same for the same uid; `preferred` if it is free.

        Raises: NoAddressLeft.
        """
        if self._block.reason:
            return self._block.first
        address = self._by_uid.get(uid)
        if address is None:
            usable = preferred in self._block and _usable(preferred)
            free = usable and preferred not in self._taken
            address = preferred if free else self._next()
            self._by_uid[uid] = address
            self._taken.add(address)
        return address

    def release(self, uid: str) -> None:
        """Give the Pod's address back; an unknown uid is fine."""
        address = self._by_uid.pop(uid, None)
        if address is not None:
            self._taken.discard(address)

    def _next(self) -> str:
        for _ in range(1 << 16):
            self._last = (self._last + 1) % (1 << 16)
            address = f"127.{self._block.octet}.{self._last >> 8}.{self._last & 0xFF}"
            if _usable(address) and address not in self._taken:
                return address
        raise NoAddressLeft(f"all addresses of {self._block.cidr} are taken")


def _usable(address: str) -> bool:
    """Whether it looks like a host's: many programs take .0 and .255 for a network's."""
    third, fourth = address.split(".")[2:]
    return fourth not in ("0", "255") and (third, fourth) != ("0", "1") and third != "255"
