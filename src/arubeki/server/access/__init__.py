"""Who asks, and whether they may."""

from arubeki.server.access.authentication import Authenticator
from arubeki.server.access.authorization import Access, Attributes

__all__ = ["Access", "Attributes", "Authenticator"]
