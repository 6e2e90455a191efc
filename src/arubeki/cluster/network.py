"""The addresses of Services: which loopback network is this cluster's, and moving into it.

Two clusters on one machine may have been written to disk with the same network; whoever starts
second gets another one, and its Services move there, each keeping the rest of its address. A
server must not do so to the Services of a shared etcd, where a sibling on this machine may be the
one that holds the network.

Above both halves.
"""

import ipaddress
import socket
from dataclasses import dataclass

import msgspec

from arubeki.errors import RevisionMismatch
from arubeki.node.network import addresses
from arubeki.node.network.proxy import MOVED_BY
from arubeki.storage.base import Storage

BLOCKS = (200, 254)
"""Services' addresses come from one 127.N.0.0/16 of these; nodes take the lower ones."""
_KEY = "/arubeki/network"
_SERVICES = "/registry/services/specs/"
_LOW_PORT = 1023
_NONE = ("", "None")


@dataclass(slots=True)
class Network:
    """The addresses of a cluster's Services; `block` is held until closed."""

    block: addresses.Block
    is_served: bool = True
    """Whether Services answer at their addresses through this process."""
    notice: str = ""

    @property
    def cidr(self) -> str:
        """The network, "" to leave it to the server."""
        return "" if self.block.reason else self.block.cidr

    def close(self) -> None:
        """Give the network back."""
        self.block.close()


async def claim(storage: Storage, *, is_shared: bool, is_real: bool) -> Network:
    """Claim a network: that of the last start if it is free, since Services are stored with it.

    `is_shared`: other servers may use the storage. `is_real`: somebody will listen there.
    Raises: StorageError.
    """
    entry = await storage.get(_KEY)
    preferred = int(entry.value) if entry is not None else 0
    if not is_real:
        return Network(addresses.Block(preferred or BLOCKS[0]), is_served=False)
    block = addresses.claim(preferred, first=BLOCKS[0], last=BLOCKS[1])
    if block.reason:
        return Network(block, notice=f"Services answer on node ports alone: {block.reason}")
    if block.octet != preferred and preferred and is_shared:
        block.close()
        return Network(
            addresses.Block(preferred),
            is_served=False,
            notice=f"Services are answered by whoever holds {addresses.Block(preferred).cidr}",
        )
    if block.octet != preferred:
        await storage.commit(_KEY, str(block.octet).encode(), expected=None)
    moved = 0 if is_shared else await _move(storage, block)
    if moved and preferred:
        return Network(
            block,
            notice=f"another cluster has {addresses.Block(preferred).cidr}, so Services have new "
            f"addresses, in {block.cidr}",
        )
    return Network(block, notice=_low_ports(block))


async def _move(storage: Storage, block: addresses.Block) -> int:
    """Give Services whose address is elsewhere the same place in `block`; return how many."""
    target = ipaddress.IPv4Network(block.cidr)
    count = 0
    for entry in (await storage.range(_SERVICES)).entries:
        service = msgspec.json.decode(entry.value)
        spec = service.get("spec") or {}
        old = spec.get("clusterIP") or ""
        if old in _NONE or ipaddress.IPv4Address(old) in target:
            continue
        place = int(ipaddress.IPv4Address(old)) & int(target.hostmask)
        spec["clusterIP"] = str(target[place])
        spec["clusterIPs"] = [spec["clusterIP"]]
        service["metadata"].pop("resourceVersion", None)
        try:
            await storage.commit(entry.key, msgspec.json.encode(service), expected=entry.revision)
        except RevisionMismatch:
            continue
        count += 1
    return count


def _low_ports(block: addresses.Block) -> str:
    """Say where Services with a port below 1024 answer, if not there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((block.first, _LOW_PORT))
        except PermissionError:
            return (
                "ports below 1024 may not be bound here: a Service answers at the same address, "
                f"{MOVED_BY} higher"
            )
        except OSError:
            return ""
    return ""
