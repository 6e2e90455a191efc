"""What is said of APIs that this server answers itself.

On the ring: [HTTP > **server** > storage].
Source: kube-aggregator pkg/apis/apiregistration/helpers.go.
"""

from typing import Any

from arubeki import clock


def local_condition() -> dict[str, Any]:
    """Return the condition of an APIService that this server answers itself."""
    return {
        "type": "Available",
        "status": "True",
        "lastTransitionTime": clock.timestamp(),
        "reason": "Local",
        "message": "Local APIServices are always available",
    }
