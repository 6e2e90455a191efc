"""Durations as kubectl's users write them: `90s`, `1m30s`, `1.5h`.

Outside the ring.
"""

from arubeki.api import durations
from arubeki.cli.failures import Misuse


def seconds(text: str) -> float:
    """Return the seconds of a duration, which is not negative. Raises: Misuse."""
    try:
        found = durations.seconds(text)
    except ValueError:
        found = -1.0
    if found < 0:
        raise Misuse(f"{text!r} is no duration; examples: 5s, 2m, 1h30m")
    return found
