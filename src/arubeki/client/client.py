"""The verbs of the API: get, list, create, apply, update, patch, delete, watch, logs.

A kind is said as a class (`core_v1.Pod`, typed objects in and out) or as an `api.objects.Kind`
(plain dicts in and out). A failure is raised as the `ApiError` that the server's `Status` describes.

On the ring: [informer > **client** > transport > HTTP].
"""

from arubeki.api.objects import Kind
from arubeki.client.discovery import Discovery
from arubeki.client.reading import Reading
from arubeki.client.transport import Transport
from arubeki.client.writing import Writing


class Client(Reading, Writing):
    """One API server under one identity."""

    def __init__(self, transport: Transport, *, manager: str = "arubeki") -> None:
        """Speak through `transport`; `manager` owns the fields that this client writes."""
        self.transport = transport
        self.manager = manager
        self.discovery = Discovery(transport)

    async def kind_of(self, api_version: str, kind: str) -> Kind:
        """Return where objects of a kind are served, as the server's discovery says.

        Raises: NotFound when the server has no such kind.
        """
        return await self.discovery.kind_of(api_version, kind)

    async def close(self) -> None:
        """Let go of the connections."""
        await self.transport.close()
