"""The cluster shown."""
