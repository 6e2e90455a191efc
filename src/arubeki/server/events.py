"""One Event, two spellings: events.k8s.io/v1 shows what core/v1 stores.

Both versions share a storage key, so a recorder may write one and `kubectl get events` read the
other. The stored form is core/v1, as in Kubernetes.

On the ring: [HTTP > **server** > storage].
"""

from typing import Any

import msgspec

# events.k8s.io/v1 name -> core/v1 name. What both call alike is not listed.
# Source: kubernetes pkg/apis/events/v1/conversion.go.
_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_SERVED = {core: served for served, core in _NAMES.items()}


class EventsV1:
    """The converter of events.k8s.io/v1 Events."""

    def to_storage(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Return an events.k8s.io/v1 Event as core/v1."""
        stored = {_NAMES.get(name, name): value for name, value in obj.items()}
        stored["apiVersion"] = "v1"
        return stored

    def to_served(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Return a core/v1 Event as events.k8s.io/v1."""
        served = {_SERVED.get(name, name): value for name, value in obj.items()}
        served["apiVersion"] = "events.k8s.io/v1"
        return served

    def served_bytes(self, value: bytes) -> bytes:
        """Return a stored Event's bytes as events.k8s.io/v1; metadata and the rest stay raw."""
        members: dict[str, msgspec.Raw] = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
        members["apiVersion"] = msgspec.Raw(b'"events.k8s.io/v1"')
        return msgspec.json.encode({_SERVED.get(name, name): raw for name, raw in members.items()})
