"""A source of objects that does what a test tells it, faults included."""

import asyncio

import msgspec

from arubeki.errors import Expired, WatchBroken


def config_map(name, revision, *, namespace="ns", uid=None, **more):
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(revision),
        **more.pop("metadata", {}),
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **more}


class Source:
    """Objects with a history. `faults` are raised by the next calls, one each.

    `calls` lists what was asked: ("list",) or ("watch", resource_version, send_initial_events).
    """

    def __init__(self):
        self.objects = {}
        self.history = []
        self.revision = 0
        self.oldest = 0
        self.faults = []
        self.calls = []
        self.knows_streaming = True
        self.readers = set()
        self.open = 0

    def put(self, name, **more):
        self.revision += 1
        known = name in self.objects
        self.objects[name] = config_map(name, self.revision, **more)
        self._tell("MODIFIED" if known else "ADDED", self.objects[name])

    def remove(self, name):
        self.revision += 1
        gone = self.objects.pop(name)
        gone = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self.revision)}}
        self._tell("DELETED", gone)

    def bookmark(self):
        self._tell("BOOKMARK", {"metadata": {"resourceVersion": str(self.revision)}}, keep=False)

    def compact(self):
        self.oldest = self.revision

    def cut(self, error=None):
        """Break every open watch; None ends it in good order."""
        for reader in self.readers:
            reader.put_nowait(error or "end")

    def say(self, type_, obj):
        """Send an event as it is to every open watch."""
        self._tell(type_, obj, keep=False)

    async def list_raw(self, kind, namespace="", *, labels="", fields=""):
        self.calls.append(("list",))
        self._fail()
        return [encoded(one) for one in self.objects.values()], str(self.revision)

    async def watch_raw(
        self,
        kind,
        namespace="",
        *,
        resource_version="",
        send_initial_events=False,
        labels="",
        fields="",
        timeout_seconds=0,
    ):
        self.calls.append(("watch", resource_version, send_initial_events))
        self._fail()
        queue = asyncio.Queue()
        if send_initial_events or not resource_version:
            for one in self.objects.values():
                queue.put_nowait(("ADDED", encoded(one)))
            if send_initial_events and self.knows_streaming:
                queue.put_nowait(("BOOKMARK", encoded(self._end())))
        else:
            if int(resource_version) < self.oldest:
                raise Expired("too old resource version")
            for revision, type_, data in self.history:
                if revision > int(resource_version):
                    queue.put_nowait((type_, data))
        self.readers.add(queue)
        self.open += 1
        try:
            async with asyncio.timeout(timeout_seconds or None):
                while True:
                    said = await queue.get()
                    if isinstance(said, Exception):
                        raise said
                    if said == "end":
                        return
                    yield said
        except TimeoutError:
            return
        finally:
            self.open -= 1
            self.readers.discard(queue)

    def _end(self):
        note = {"k8s.io/initial-events-end": "true"}
        return {"metadata": {"resourceVersion": str(self.revision), "annotations": note}}

    def _fail(self):
        if self.faults:
            fault = self.faults.pop(0)
            if fault is not None:
                raise fault

    def _tell(self, type_, obj, keep=True):
        if keep:
            self.history.append((self.revision, type_, encoded(obj)))
        for reader in self.readers:
            reader.put_nowait((type_, encoded(obj)))


def encoded(obj):
    return msgspec.Raw(msgspec.json.encode(obj))


__all__ = ["Source", "WatchBroken", "config_map", "encoded"]
