"""The pytest plugin: fixtures that give a test a cluster of its own.

Loaded in every pytest run of the environment, so nothing heavy is imported before a fixture is used.
"""
