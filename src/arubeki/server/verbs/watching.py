"""watch: from a list's options to a stream of events.

On the ring: [storage > **watch** > informer].
Source: apiserver pkg/endpoints/handlers/get.go, pkg/storage/cacher/cacher.go.
"""

from arubeki import clock
from arubeki.errors import ApiError, Compacted, NotAcceptable
from arubeki.net.message import Stream
from arubeki.server import failures
from arubeki.server.core import Call
from arubeki.server.meta import Selection
from arubeki.server.negotiation import JSON, negotiate
from arubeki.server.verbs.options import (
    check_list_options,
    ensure_fresh,
    revision_of,
    selection_of,
    wait_for,
    whole_number,
)
from arubeki.server.verbs.respond import included
from arubeki.server.watch.feed import Feed, Plan
from arubeki.server.watch.hub import Filter
from arubeki.server.watch.views import View

MINIMUM_SECONDS = 1800.0
"""A watch without timeoutSeconds lasts between this and twice as long."""


async def watch(call: Call) -> Stream:
    """Answer a stream of what happens to the objects selected."""
    form = negotiate(call.header("accept"))
    if form.media_type != JSON:
        raise NotAcceptable(f"only the following media types are accepted: {JSON};stream=watch")
    check_list_options(call, watch=True)
    selection = selection_of(call)
    resource, hubs = call.resource, call.core.hubs
    filter = _filter(call, selection)
    include = included(call)
    plan = Plan(
        view=View(resource, form.shape, include, form.version),
        filter=filter,
        key=(resource, form.shape, form.version, include, filter.prefix, selection_key(call)),
        after=0,
        bookmarks=call.flag("allowWatchBookmarks"),
        timeout_seconds=_timeout(call),
    )
    await _begin(call, plan)
    feed = Feed(hubs, hubs.of(resource.prefix), plan)
    headers = {"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
    return Stream(feed.opened, feed.closed, headers=headers)


def selection_key(call: Call) -> tuple[str, str]:
    """Return what tells selections apart."""
    return call.parameter("labelSelector"), call.parameter("fieldSelector")


def _timeout(call: Call) -> float:
    asked = whole_number(call, "timeoutSeconds")
    if asked is not None and asked > 0:
        return float(asked)
    # Spread, so that the watches of a restarted server do not all come back at once.
    return MINIMUM_SECONDS * (1.0 + clock.random_fraction())


def _filter(call: Call, selection: Selection) -> Filter:
    resource = call.resource
    prefix = resource.key_prefix(call.namespace)
    key = ""
    if selection.fields is not None and (call.namespace or not resource.namespaced):
        name = selection.fields.exact("metadata.name")
        if name is not None:
            key = resource.key(call.namespace, name)
    return Filter(prefix, selection, resource.projection, key)


async def _begin(call: Call, plan: Plan) -> None:
    """Read what the watch shows first, or find out why it cannot be had.

    What is wrong with the revision is an ERROR event, not an answer: so does Kubernetes once the
    options are in order.
    """
    storage = call.core.storage
    text = call.parameter("resourceVersion")
    revision = revision_of(text)
    explicit = "sendInitialEvents" in call.parameters
    wants_initial = call.flag("sendInitialEvents") if explicit else not revision
    try:
        if wants_initial:
            await ensure_fresh(call.core, revision)
            if plan.filter.key:
                entry = await storage.get(plan.filter.key)
                plan.initial, plan.after = (entry,) if entry else (), storage.revision
            else:
                part = await storage.range(plan.filter.prefix)
                plan.initial, plan.after = part.entries, part.revision
            plan.initial_end = plan.bookmarks
        elif not revision:
            plan.after = await storage.current()
        elif revision < storage.compacted:
            raise failures.too_old_revision(revision, storage.compacted)
        elif not await wait_for(call.core, revision):
            # Kubernetes would wait without end. Who has seen a revision that we have not is a
            # client of our predecessor, whose data are gone: this answer makes it list anew.
            raise failures.too_large_revision(revision, storage.revision)
        else:
            plan.after = revision
    except Compacted as error:
        plan.error = failures.too_old_revision(error.asked, error.oldest)
    except ApiError as error:
        plan.error = error
