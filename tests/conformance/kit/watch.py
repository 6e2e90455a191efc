"""A watch as it comes over the wire: one JSON document a line."""

import json
import time

from tests.conformance.kit.patience import patience_seconds


class Watch:
    """The events of a watch, in order. Close it, or use it in a `with` block."""

    def __init__(self, connection, response):
        self._connection = connection
        self._response = response

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self.close()

    def close(self):
        self._response.close()
        self._connection.close()

    def next(self):
        """Return the next event: {"type": …, "object": {…}}. Raises: AssertionError."""
        try:
            line = self._response.readline()
        except TimeoutError:
            raise AssertionError("the watch is silent") from None
        if not line:
            raise AssertionError("the watch has ended")
        return json.loads(line)

    def rest(self):
        """Return the events until the server ends the watch."""
        found = []
        while line := self._response.readline():
            found.append(json.loads(line))
        return found

    def expect(self, kind, name=None):
        """Return the object of the next event, which must be of a type, about an object."""
        event = self.next()
        found = event["type"], event["object"].get("metadata", {}).get("name")
        assert found == (kind, name or found[1]), f"{kind} {name} was expected: {event}"
        return event["object"]

    def until(self, kind, name=None, where=lambda obj: True):
        """Return the object of the first event of a type about an object, and pass over others."""
        until = time.monotonic() + patience_seconds()
        passed = []
        while time.monotonic() < until:
            event = self.next()
            obj = event["object"]
            if event["type"] == kind and name in (None, obj["metadata"]["name"]) and where(obj):
                return obj
            passed.append((event["type"], obj.get("metadata", {}).get("name")))
        raise AssertionError(f"no {kind} {name}; there were {passed}")
