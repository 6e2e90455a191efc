"""What a node gives to its Pods, and what they tell it.

Below the node agent: data.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from arubeki.kinds import core_v1 as core
from arubeki.node.expand import References
from arubeki.node.runtimes.base import Runtime


@dataclass(frozen=True, slots=True)
class Told:
    """An Event to be written about a Pod."""

    type: str
    reason: str
    message: str


Objects: TypeAlias = tuple[dict[str, core.ConfigMap], dict[str, core.Secret]]


@dataclass(frozen=True, slots=True)
class Site:
    """What a node gives to its Pods: a place, and what it knows of the world.

    `tokens` are those of a Pod's service account by audience, `token_fault` why one is missing.
    `objects` returns those of a namespace that are referred to, by name, as far as they exist.
    """

    runtime: Runtime
    directory: Path
    objects: Callable[[str, References], Objects]
    services: Callable[[str], Sequence[core.Service]]
    allocatable: Mapping[str, str]
    take_address: Callable[[str], str]
    release_address: Callable[[str], None]
    host_address: str
    tokens: Callable[[str], Mapping[str, str]] = lambda _uid: {}
    token_fault: Callable[[str], str] = lambda _uid: ""
