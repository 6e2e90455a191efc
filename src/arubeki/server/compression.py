"""Large answers, packed for clients that take them so and are not on this machine.

On loopback packing costs more than sending. Like Kubernetes' API server this one packs quickly
rather than well, and only what is worth it; others get their turn between two portions.

On the ring: [HTTP > **server**].
Source: apiserver pkg/endpoints/handlers/responsewriters/writers.go.
"""

import asyncio
import zlib
from ipaddress import ip_address

from arubeki.net.message import Request, Response
from arubeki.server.negotiation import clauses

THRESHOLD_BYTES = 128 * 1024
"""A smaller answer goes out as it is. Source: writers.go defaultGzipThresholdBytes."""
_LEVEL = 1
_GZIP = 31  # zlib's word for a gzip stream of the largest window
_PORTION_BYTES = 256 * 1024


async def compress(request: Request, response: Response) -> None:
    """Pack an answer, in place, if it is large and its client wants it so."""
    accepted = request.headers.get("accept-encoding", "")
    if "gzip" not in accepted or "Content-Encoding" in response.headers:
        return
    parts = [response.body] if isinstance(response.body, bytes) else response.body
    if sum(map(len, parts)) <= THRESHOLD_BYTES or _is_near(request.peer_address):
        return
    if not any(name == "gzip" for name, _ in clauses(accepted)):
        return
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
    packed, since = [], 0
    for part in parts:
        for start in range(0, len(part), _PORTION_BYTES):
            portion = part[start : start + _PORTION_BYTES]
            packed.append(packer.compress(portion))
            since += len(portion)
            if since >= _PORTION_BYTES:
                since = 0
                await asyncio.sleep(0)
    packed.append(packer.flush())
    response.body = [one for one in packed if one]
    response.headers = {
        **response.headers,
        "Content-Encoding": "gzip",
        "Vary": "Accept-Encoding",
    }


def _is_near(address: str) -> bool:
    """Tell whether a peer is on this machine, or in this process."""
    try:
        return not address or ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return True  # no address of a network: a socket of the file system
