"""All of it in one process, on one port: the one place where both halves meet."""
