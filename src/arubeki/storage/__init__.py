"""The truth: bytes under keys, each change at a revision of its own."""
