"""autoscaling/v1 shows what autoscaling/v2 stores.

On the ring: [HTTP > **server** > storage].
"""

from typing import Any

from arubeki.api import autoscalers
from arubeki.server import wire


class AutoscalersV1:
    """The converter of autoscaling/v1 HorizontalPodAutoscalers."""

    def to_storage(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Return an autoscaler as v2."""
        return autoscalers.to_v2(obj)

    def to_served(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Return a v2 autoscaler as v1."""
        return autoscalers.to_v1(obj)

    def served_bytes(self, value: bytes) -> bytes:
        """Return a stored autoscaler's bytes as v1."""
        return wire.encode_json(autoscalers.to_v1(wire.decode(value)))
