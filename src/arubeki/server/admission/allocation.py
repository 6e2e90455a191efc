"""What must not be given twice: addresses and ports, as objects in the store.

Each taken address or port is a key of its own, made by a commit that expects it absent. So two
servers on one store cannot give out the same, and nothing is lost with a process.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/registry/core/service/{ipallocator,portallocator}, .../allocator/storage.
"""

import ipaddress
from collections.abc import Iterator

import msgspec

from arubeki import clock
from arubeki.errors import RevisionMismatch
from arubeki.storage.base import Storage

PREFIX = "/registry/arubeki/allocations/"
_DRAWS = 16
"""Random draws before the range is searched from one end to the other."""


class Pool:
    """Some numbers of a range, each taken by at most one owner.

    The first `static` numbers are drawn last, so that who asks for one of them by name mostly finds
    it free (KEP-3070).
    """

    def __init__(self, storage: Storage, name: str, first: int, size: int, static: int) -> None:
        self._storage = storage
        self._prefix = f"{PREFIX}{name}/"
        self._first = first
        self._size = size
        self._static = min(static, size)

    @property
    def shown(self) -> str:
        """The range as messages show it: `30000-32767`."""
        return f"{self._first}-{self._first + self._size - 1}"

    def has(self, number: int) -> bool:
        """Tell whether a number is of the range."""
        return self._first <= number < self._first + self._size

    async def take(self, number: int, owner: str) -> bool:
        """Take a number for `owner`; tell whether it was free, or his already."""
        value = msgspec.json.encode({"owner": owner})
        try:
            await self._storage.commit(self._key(number), value, expected=0)
        except RevisionMismatch:
            return await self.owner(number) == owner
        return True

    async def take_any(self, owner: str) -> int | None:
        """Take a free number for `owner`; None when all are taken."""
        for number in self._candidates():
            if await self._storage.get(self._key(number)) is None:
                try:
                    await self._storage.commit(
                        self._key(number), msgspec.json.encode({"owner": owner}), expected=0
                    )
                except RevisionMismatch:
                    continue
                return number
        return None

    async def free_one(self) -> int | None:
        """Return a number that is free, without taking it; None when all are taken."""
        for number in self._candidates():
            if await self._storage.get(self._key(number)) is None:
                return number
        return None

    async def release(self, number: int, owner: str) -> None:
        """Give a number back, if it is the owner's."""
        entry = await self._storage.get(self._key(number))
        if entry is None or _owner(entry.value) != owner:
            return
        try:
            await self._storage.commit(entry.key, None, expected=entry.revision)
        except RevisionMismatch:
            return  # another server has just done so

    async def owner(self, number: int) -> str:
        """Return who has a number, "" when nobody."""
        entry = await self._storage.get(self._key(number))
        return "" if entry is None else _owner(entry.value)

    async def taken(self) -> dict[int, str]:
        """Return every taken number and its owner."""
        part = await self._storage.range(self._prefix)
        return {
            int(entry.key.removeprefix(self._prefix)): _owner(entry.value) for entry in part.entries
        }

    def _key(self, number: int) -> str:
        return f"{self._prefix}{number:010d}"

    def _candidates(self) -> Iterator[int]:
        dynamic = self._size - self._static
        for _ in range(_DRAWS if dynamic else 0):
            drawn = int.from_bytes(clock.random_bytes(4), "big") % dynamic
            yield self._first + self._static + drawn
        yield from range(self._first + self._static, self._first + self._size)
        yield from range(self._first, self._first + self._static)


def _owner(value: bytes) -> str:
    owner: str = msgspec.json.decode(value)["owner"]
    return owner


class Addresses:
    """The ClusterIPs of a network, as text. The network's own and its broadcast address are none."""

    def __init__(self, storage: Storage, network: str) -> None:
        self.network = ipaddress.IPv4Network(network)
        size = self.network.num_addresses - 2
        # Source: ipallocator.go calculateRangeOffset: 16 to 256 addresses are for static use.
        static = min(max(16, size // 16), 256) if size > 32 else 0
        self.pool = Pool(storage, "addresses", int(self.network[1]), size, static)

    @property
    def first(self) -> str:
        """The address of the Service `kubernetes`."""
        return str(self.network[1])

    @staticmethod
    def text(number: int) -> str:
        """Return an address as text."""
        return str(ipaddress.IPv4Address(number))

    def number(self, text: str) -> int | None:
        """Return an address as a number; None unless it is of the network."""
        try:
            number = int(ipaddress.IPv4Address(text))
        except ValueError:
            return None
        return number if self.pool.has(number) else None


def node_ports(storage: Storage, bounds: tuple[int, int]) -> Pool:
    """Return the pool of nodePorts, `bounds` inclusive."""
    first, last = bounds
    size = last - first + 1
    # Source: portallocator.go calculateRangeOffset: 16 to 128 ports are for static use.
    static = min(max(16, size // 32), 128) if size > 32 else 0
    return Pool(storage, "nodeports", first, size, static)
