"""Ways to run a container: fake, plain process, sandboxed process.

Nothing is imported here: the supervisor, an interpreter without site-packages, passes through.
"""
