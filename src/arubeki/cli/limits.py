"""What a process that serves many asks of the operating system: more open files.

Outside the ring: [you > **cli** > cluster].
"""

OPEN_FILES = 65_536
"""Enough for the connections that a server bears, its storage, and the Pods' logs and pipes."""


def raise_open_files() -> None:
    """Let this process open as many files as it may, up to `OPEN_FILES`.

    Shells begin with 1,024, so that programs with `select` go on working, and a thousand watches
    are more than that. Processes of Pods inherit it; under Kubernetes they have more still.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
