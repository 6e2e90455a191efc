"""The durable default: a mirror in memory over one SQLite file."""

from arubeki.storage.sqlite.storage import SqliteStorage

__all__ = ["SqliteStorage"]
