"""get and list: stored bytes go out as they are.

A list is its head, the objects' bytes and commas between. Selectors look at `Entry.meta`; nothing
is decoded for an ordinary list. Work on many entries gives the loop a turn now and then.

On the ring: [HTTP > **server** > storage].
Source: apiserver pkg/storage/etcd3/store.go, pkg/storage/continue.go.
"""

import asyncio
import base64
import posixpath
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from arubeki.api.syntax import json_fault
from arubeki.errors import BadRequest, Compacted, Expired, FutureRevision
from arubeki.net.message import Response
from arubeki.server import failures, wire
from arubeki.server.core import Call
from arubeki.server.meta import Selection
from arubeki.server.negotiation import (
    JSON,
    METADATA,
    TABLE,
    Form,
    answer_json,
    check_number,
    is_pretty,
    negotiate,
)
from arubeki.server.verbs import respond
from arubeki.server.verbs.options import (
    check_list_options,
    ensure_fresh,
    list_revision,
    revision_of,
    selection_of,
    whole_number,
)
from arubeki.storage.base import Entry

TURN_ENTRIES = 500
"""Entries looked into before others get a turn; a few milliseconds."""

_EXPIRED = "The resourceVersion for the provided list is too old."
_EXPIRED_CONTINUE = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


async def get(call: Call) -> Response:
    """Answer one object."""
    resource = call.resource
    if call.parameters:
        await ensure_fresh(call.core, revision_of(call.parameter("resourceVersion")))
    entry = await call.core.storage.get(resource.key(call.namespace, call.name))
    if entry is None:
        raise failures.not_found(resource, call.name)
    return await respond.respond(call, entry.value)


@dataclass(slots=True)
class Page:
    """A part of a list: its entries, the revision, and how to go on."""

    entries: Sequence[Entry]
    revision: int
    token: str = ""
    remaining: int | None = None


async def list_objects(call: Call) -> Response:
    """Answer a collection, or a page of it."""
    form = negotiate(call.header("accept"))
    check_list_options(call, watch=False)
    check_number(form, call.resource.list_kind, many=True)
    return await list_answer(call, form, await read_page(call, selection_of(call)))


async def list_answer(call: Call, form: Form, page: "Page") -> Response:
    """Return a page in a form."""
    metadata = list_metadata(page)
    if form.shape == TABLE:
        values = [entry.value for entry in page.entries]
        parts = await respond.table_parts(call, values, metadata, form, listed=True)
        return _answer(call, form, parts)
    kind, api_version = call.resource.list_kind, call.resource.api_version
    if form.shape == METADATA:
        kind, api_version = "PartialObjectMetadataList", f"meta.k8s.io/{form.version}"
    head = wire.encode_json({"kind": kind, "apiVersion": api_version, "metadata": metadata})
    parts = await _parts(call, page.entries, form)
    body = [head[:-1] + b',"items":[', *parts, b"]}\n"]
    return _answer(call, form, body)


def list_metadata(page: Page) -> dict[str, object]:
    """Return a page's ListMeta."""
    metadata: dict[str, object] = {"resourceVersion": str(page.revision)}
    if page.token:
        metadata["continue"] = page.token
    if page.remaining is not None:
        metadata["remainingItemCount"] = page.remaining
    return metadata


def _answer(call: Call, form: Form, body: Sequence[bytes]) -> Response:
    """Return the parts as they are, unless they are to be styled."""
    if form.media_type != JSON or is_pretty(call.parameters, call.header("user-agent")):
        return respond.finish(call, form, b"".join(body), 200)
    response = answer_json(b"")
    response.body = body
    return response


async def _parts(call: Call, entries: Sequence[Entry], form: Form) -> list[bytes]:
    """Return the items' bytes with commas between, as parts that nobody joins."""
    converter, metadata_only = call.resource.converter, form.shape == METADATA
    if not metadata_only and converter is None:
        values = [entry.value for entry in entries]
    else:
        values = []
        async for entry in _in_turns(entries):
            value = respond.served(call, entry.value)
            values.append(wire.partial(value, form.version) if metadata_only else value)
    return list(_comma_separated(values))


def _comma_separated(values: Sequence[bytes]) -> Iterator[bytes]:
    for index, value in enumerate(values):
        if index:
            yield b","
        yield value


async def _in_turns(entries: Sequence[Entry]) -> AsyncIterator[Entry]:
    for index, entry in enumerate(entries):
        if index and index % TURN_ENTRIES == 0:
            await asyncio.sleep(0)
        yield entry


async def read_page(call: Call, selection: Selection) -> Page:
    """Return what the options of a list ask for. Raises: BadRequest, Expired, Timeout."""
    limit = max(whole_number(call, "limit") or 0, 0)  # less than none is no limit
    token, text = call.parameter("continue"), call.parameter("resourceVersion")
    prefix = call.resource.key_prefix(call.namespace)
    if token:
        if text and text != "0":
            raise BadRequest("specifying resource version is not allowed when using continue")
        revision, start = decode_token(token)
        await ensure_fresh(call.core, revision)
        start = prefix + start
        return await _read(
            call, selection, prefix=prefix, start=start, limit=limit, revision=revision
        )
    revision = list_revision(text)
    match = call.parameter("resourceVersionMatch")
    # A limit with a bare revision means exactly it.
    exact = match == "Exact" or bool(limit and revision and not match)
    if revision:
        await ensure_fresh(call.core, revision)
    if text and revision == 0:
        limit = 0  # whatever the watch cache has, which is all
    if not exact:
        revision = 0  # not older than; the newest is that
    return await _read(call, selection, prefix=prefix, start="", limit=limit, revision=revision)


async def _read(
    call: Call, selection: Selection, *, prefix: str, start: str, limit: int, revision: int
) -> Page:
    storage = call.core.storage
    only = selection.fields.exact("metadata.name") if selection.fields else None
    if only is not None and (call.namespace or not call.resource.namespaced) and not revision:
        entry = await storage.get(call.resource.key(call.namespace, only))
        found = [entry] if entry is not None else []
        chosen, _ = await _select(call, found, selection, 0)
        return Page(chosen, storage.revision)
    whole = selection.is_all
    if not (whole or revision or start) and (
        page := await _read_few(call, selection, prefix, limit)
    ):
        return page
    try:
        part = await storage.range(
            prefix, start=start, limit=limit if whole else 0, revision=max(revision, 0)
        )
    except Compacted as error:
        raise _expired(start, prefix) from error
    except FutureRevision as error:
        raise failures.too_large_revision(error.asked, error.current) from error
    if whole:
        token = ""
        if part.remaining and part.entries:
            token = encode_token(part.revision, part.entries[-1].key[len(prefix) :])
        return Page(part.entries, part.revision, token, part.remaining if token else None)
    chosen, last = await _select(call, part.entries, selection, limit)
    resource = call.resource
    if len(part.entries) >= call.core.labels.indexed_from and resource.custom is None:
        await call.core.labels.build(resource.key_prefix(""), selection.labels, resource.projection)
    token = encode_token(part.revision, last[len(prefix) :]) if last else ""
    return Page(chosen, part.revision, token)


async def _read_few(call: Call, selection: Selection, prefix: str, limit: int) -> Page | None:
    """Return the newest objects selected by their labels, if an index knows them.

    None also where they fill a page: whether others follow is told by a look at all.
    """
    storage, indexes, everything = call.core.storage, call.core.labels, call.resource.key_prefix("")
    if not indexes.has(everything):
        return None
    await storage.current()
    found = indexes.candidates(everything, selection.labels)
    if found is None:
        return None
    revision = storage.revision
    within = [one for one in found if one.key.startswith(prefix)]
    chosen, _ = await _select(call, within, selection, 0)
    return None if limit and len(chosen) >= limit else Page(chosen, revision)


async def _select(
    call: Call, entries: Sequence[Entry], selection: Selection, limit: int
) -> tuple[list[Entry], str]:
    """Return the first `limit` entries selected, and the last one's key if there may be others.

    Whether what follows is selected too nobody looks: the next page may be empty, as in Kubernetes.
    """
    choose = _chooser(call, selection)
    chosen: list[Entry] = []
    for start in range(0, len(entries), TURN_ENTRIES):
        if start:
            await asyncio.sleep(0)
        chosen += choose(entries[start : start + TURN_ENTRIES])
        if limit and len(chosen) >= limit:
            last = chosen[limit - 1]
            return chosen[:limit], last.key if last is not entries[-1] else ""
    return chosen, ""


def _chooser(call: Call, selection: Selection) -> Callable[[Sequence[Entry]], list[Entry]]:
    """Return what picks the entries selected.

    A label selector over very many objects is little more than its loop, so that one is kept bare.
    """
    of, labels = call.resource.projection.of, selection.labels
    if labels is not None and selection.fields is None:
        test = labels.matches
        return lambda entries: [one for one in entries if test((one.meta or of(one)).labels)]
    return lambda entries: [one for one in entries if selection.matches(of(one))]


class _Token(msgspec.Struct):
    v: str = ""
    rv: int = 0
    start: str = ""


_NOT_BASE64 = re.compile("[^A-Za-z0-9_-]").search


def encode_token(revision: int, last: str) -> str:
    """Return the token that goes on after key `last` (relative to the list's prefix)."""
    raw = msgspec.json.encode(_Token("meta.k8s.io/v1", revision, last + "\0"))
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_token(text: str) -> tuple[int, str]:
    """Return the revision (-1: any) and the key to go on from. Raises: BadRequest.

    Source: apiserver pkg/storage/continue.go DecodeContinue.
    """
    odd = _NOT_BASE64(text)
    if odd or len(text) % 4 == 1:
        at = odd.start() if odd else len(text) - 1
        raise _unusable(f": illegal base64 data at input byte {at}")
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    try:
        token = msgspec.json.decode(raw, type=_Token)
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        raise _unusable(f": {json_fault(raw) or error}") from error
    if token.v != "meta.k8s.io/v1":
        raise _unusable(f": server does not recognize this encoded version {token.v}")
    if token.rv == 0:
        raise _unusable(": incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    if not token.start:
        raise _unusable(": encoded start key empty (version meta.k8s.io/v1)")
    key = token.start.removeprefix("/")
    if posixpath.normpath(f"/{key}") != f"/{key}":
        raise _unusable(f": {token.start}")  # it would lead out of the list
    return token.rv, key


def _unusable(why: str) -> BadRequest:
    return BadRequest(f"invalid continue token: continue key is not valid{why}")


def _expired(start: str, prefix: str) -> Expired:
    if not start:
        return Expired(_EXPIRED)
    token = encode_token(-1, start[len(prefix) :].rstrip("\0"))
    return Expired(_EXPIRED_CONTINUE, metadata={"continue": token})
