"""Addresses of Pods and Services on this machine, and the proxy that carries Services' traffic.

Everything stays on the loopback network 127.0.0.0/8, on which Linux lets anybody bind.
"""

from arubeki.node.network.addresses import Block, NoAddressLeft, PodAddresses, claim
from arubeki.node.network.proxy import Backends, Listening, ServiceProxy

__all__ = [
    "Backends",
    "Block",
    "Listening",
    "NoAddressLeft",
    "PodAddresses",
    "ServiceProxy",
    "claim",
]
