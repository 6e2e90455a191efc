"""Paths below an object that are no object, and kinds that are asked and not stored."""
