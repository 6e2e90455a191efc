"""The objects that every cluster has from its first moment."""

from arubeki.server.bootstrap.namespaces import NAMESPACES
from arubeki.server.bootstrap.start import create_defaults

__all__ = ["NAMESPACES", "create_defaults"]
