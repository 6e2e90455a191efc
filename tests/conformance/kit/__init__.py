"""What the conformance tests share: a thin client of their own, watches, and patience.

Nothing here uses the project's client or runtime: what the tests say holds for whoever speaks HTTP.
"""

from tests.conformance.kit.client import Answer, Api, NotServed, Refused
from tests.conformance.kit.collection import Collection, named
from tests.conformance.kit.lifecycle import discovered, life_of
from tests.conformance.kit.marks import conformance, not_yet
from tests.conformance.kit.patience import eventually, patience
from tests.conformance.kit.watch import Watch

__all__ = [
    "Answer",
    "Api",
    "Collection",
    "NotServed",
    "Refused",
    "Watch",
    "conformance",
    "discovered",
    "eventually",
    "life_of",
    "named",
    "not_yet",
    "patience",
]
