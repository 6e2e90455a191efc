"""Ways to run a container: fake, plain process, sandboxed process."""
