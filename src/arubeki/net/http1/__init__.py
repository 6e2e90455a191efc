"""A handler on sockets: HTTP/1.1 over TCP and TLS."""

from arubeki.net.http1.limits import Limits
from arubeki.net.http1.server import Server, serve

__all__ = ["Limits", "Server", "serve"]
