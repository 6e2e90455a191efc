"""Paths below an object that are no object: scale, log, binding, eviction."""
