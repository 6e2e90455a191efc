"""Which node a Pod runs on: filter, score, bind."""

from arubeki.scheduler.scheduler import controller

__all__ = ["controller"]
