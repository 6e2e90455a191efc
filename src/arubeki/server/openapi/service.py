"""Answers requests for OpenAPI documents: lazily, in slices, and packed once made.

Nothing is made before it is asked for. The index needs hashes alone, and they are taken of what a
document is made of (its resources, their schemas, the facts and the code at work), so that it is
answered at once and only documents whose resources have changed change their hash. A document is
written piece by piece, other requests being served in between, goes straight through gzip and is
kept so: a tenth of its size, which is all that most clients want. It is kept until its hash changes.

On the ring: [HTTP > **server**].
Source: kube-openapi pkg/handler3/handler.go (v3), pkg/handler/handler.go (v2).
"""

import asyncio
import functools
import hashlib
import pkgutil
import zlib
from collections.abc import Iterable, Iterator, Mapping
from email.utils import formatdate
from typing import NamedTuple

import msgspec

import arubeki
from arubeki import clock
from arubeki.api import facts
from arubeki.net.message import Request, Response
from arubeki.server import negotiation
from arubeki.server.openapi import gnostic
from arubeki.server.openapi.documents import Piece, key_of, version2_pieces, version3_pieces
from arubeki.server.openapi.routes import OTHERS
from arubeki.server.probes import version
from arubeki.server.resources import Registry, Resource

VERSION_2 = ""
"""The key of the v2 document beside those of v3, which are paths such as `apis/apps/v1`."""
_JSON = "application/json"
_PROTOBUF = "application/com.github.proto-openapi.spec.{}.v1.0+protobuf"
_PIECES_A_SLICE = 8
_GZIP = 31  # zlib's word for a gzip stream of the largest window
_GZIP_FROM_BYTES = 1400
_YEAR_SECONDS = 365 * 24 * 3600
_NEVER_CACHED = {"Cache-Control": "no-cache, private"}


class _Made(NamedTuple):
    """A document in one form: packed, with what it was made of and when."""

    digest: str
    packed: bytes
    size: int
    at_seconds: float


class OpenApi:
    """Describes what a registry serves."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._seen = -1
        self._groups: dict[str, list[Resource]] = {}
        self._marks: dict[Resource, bytes] = {}
        self._digests: dict[str, str] = {}
        self._made: dict[tuple[str, str], _Made] = {}
        self._making = asyncio.Lock()

    async def answer(self, request: Request) -> Response | None:
        """Return the answer to an OpenAPI request; None when the path is none of its."""
        path = request.path.removeprefix("/")
        if path not in ("openapi/v2", "openapi/v3") and not path.startswith("openapi/v3/"):
            return None
        self._refresh()
        if path == "openapi/v3":
            return self._index(request)
        if path == "openapi/v2":
            return await self._document(request, VERSION_2, self._digests[VERSION_2])
        key = path.removeprefix("openapi/v3/")
        digest = self._digests.get(key)
        if key == VERSION_2 or digest is None:
            return Response(404, dict(_NEVER_CACHED))
        return await self._document(request, key, digest)

    def _index(self, request: Request) -> Response:
        paths = {
            key: {"serverRelativeURL": _address(key, digest)}
            for key, digest in sorted(self._digests.items())
            if key != VERSION_2
        }
        body = msgspec.json.encode({"paths": paths})
        tag = f'"{hashlib.sha256(body).hexdigest().upper()}"'
        headers = {"Content-Type": _JSON, "ETag": tag, **_NEVER_CACHED}
        if _is_known(request, tag):
            return _not_modified(headers)
        return Response(200, headers, body)

    async def _document(self, request: Request, key: str, digest: str) -> Response:
        headers = {"Vary": "Accept, Accept-Encoding", **_NEVER_CACHED}
        form = _form(request.headers.get("accept", ""), key)
        if not form:
            return Response(406, headers)
        headers |= {"Content-Type": form, "ETag": f'"{digest}"'}
        asked = request.parameters().get("hash", [""])[0] if key != VERSION_2 else ""
        if asked and asked != digest:
            return Response(301, {**headers, "Location": _address(key, digest)})
        if asked:
            headers["Cache-Control"] = "public, immutable"
            headers["Expires"] = formatdate(clock.now() + _YEAR_SECONDS, usegmt=True)
        if _is_known(request, headers["ETag"]):
            return _not_modified(headers)
        made = await self._make(key, form, digest)
        headers["Last-Modified"] = formatdate(made.at_seconds, usegmt=True)
        if made.size >= _GZIP_FROM_BYTES and _takes_gzip(request):
            return Response(200, {**headers, "Content-Encoding": "gzip"}, made.packed)
        return Response(200, headers, zlib.decompress(made.packed, _GZIP))

    def _refresh(self) -> None:
        """Look at the registry anew, if it has changed."""
        if self._seen == self._registry.changes:
            return
        self._seen = self._registry.changes
        groups: dict[str, list[Resource]] = {key: [] for key in ("api", "apis", *OTHERS)}
        for resource in self._registry.all():
            key = key_of(resource)
            groups.setdefault(key, []).append(resource)
            if resource.group and resource.custom is None:
                groups.setdefault(key.rpartition("/")[0], [])
        self._groups = groups
        self._marks = {
            one: self._marks.get(one) or _mark(one) for group in groups.values() for one in group
        }
        self._digests = {key: self._digest(key, group) for key, group in groups.items()}
        self._digests[VERSION_2] = _hash(one.encode() for _, one in sorted(self._digests.items()))
        self._made = {
            place: made
            for place, made in self._made.items()
            if self._digests.get(place[0]) == made.digest
        }

    def _digest(self, key: str, group: list[Resource]) -> str:
        return _hash([_salt(), key.encode(), *(self._marks[one] for one in group)])

    async def _make(self, key: str, form: str, digest: str) -> _Made:
        """Return a document, made now if it is not there yet."""
        groups = self._groups  # replaced when the registry changes, never changed
        async with self._making:
            made = self._made.get((key, form))
            if made is not None and made.digest == digest:
                return made
            if key == VERSION_2:
                pieces, tables = version2_pieces(groups), gnostic.VERSION_2
            else:
                pieces, tables = version3_pieces(key, groups[key]), gnostic.VERSION_3
            chunks = _json(pieces) if form == _JSON else gnostic.encode(pieces, tables)
            made = await _pack(chunks, digest)
            if self._digests.get(key) == digest:
                self._made[key, form] = made
            return made


async def _pack(chunks: Iterable[bytes], digest: str) -> _Made:
    packer = zlib.compressobj(level=6, wbits=_GZIP)
    packed, size = [], 0
    for index, chunk in enumerate(chunks):
        packed.append(packer.compress(chunk))
        size += len(chunk)
        if index % _PIECES_A_SLICE == 0:
            await asyncio.sleep(0)
    packed.append(packer.flush())
    return _Made(digest, b"".join(packed), size, clock.now())


def _json(pieces: Iterable[Piece]) -> Iterator[bytes]:
    """Write a document as JSON, a piece at a time."""
    inside: tuple[str, ...] = ()
    before = b"{"
    for section, name, node in pieces:
        shared = 0
        while shared < min(len(inside), len(section)) and inside[shared] == section[shared]:
            shared += 1
        if len(inside) > shared:
            before = b"}" * (len(inside) - shared) + b","
        for word in section[shared:]:
            before += b'"%b":{' % word.encode()
        inside = section
        yield b"%b%b:%b" % (before, msgspec.json.encode(name), msgspec.json.encode(node))
        before = b","
    yield b"}" * (len(inside) + 1)


def _address(key: str, digest: str) -> str:
    return f"/openapi/v3/{key}?hash={digest}"


def _form(accept: str, key: str) -> str:
    """Return the media type in which a document is wanted; "" when it is in none we have."""
    protobuf = _PROTOBUF.format("v2" if key == VERSION_2 else "v3")
    # Clients still ask by the older name, whose `@` was no good in a media type.
    names = {
        _JSON: _JSON, "application/*": _JSON, "*/*": _JSON,
        protobuf: protobuf, protobuf.replace(".v1.0+", "@v1.0+"): protobuf,
    }  # fmt: skip
    for media_type, _ in negotiation.clauses(accept or "*/*"):
        if media_type in names:
            return names[media_type]
    return ""


def _is_known(request: Request, tag: str) -> bool:
    asked = request.headers.get("if-none-match", "").split(",")
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in asked)


def _not_modified(headers: Mapping[str, str]) -> Response:
    return Response(304, {name: one for name, one in headers.items() if name != "Content-Type"})


def _takes_gzip(request: Request) -> bool:
    clauses = negotiation.clauses(request.headers.get("accept-encoding", ""))
    return any(name in ("gzip", "*") for name, _ in clauses)


def _mark(resource: Resource) -> bytes:
    """Return a hash of all that a document says of a resource."""
    custom = resource.custom
    made_of = (
        resource.gvk, resource.plural, resource.list_kind, resource.namespaced, resource.verbs,
        [(one.name, one.gvk, one.verbs) for one in resource.subresources.values()],
        custom and (custom.schema, list(resource.selectable)),
    )  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(made_of)).digest()


@functools.cache
def _salt() -> bytes:
    """Return a hash of what all documents are made by and of: this package, the facts, the version.

    A client may keep a document for as long as its hash is told, so a new release must change it.
    """
    package = __name__.rpartition(".")[0]
    sources = sorted(
        one.name for one in pkgutil.iter_modules(__import__(package, fromlist=["_"]).__path__)
    )
    parts = [pkgutil.get_data(package, f"{name}.py") or b"" for name in sources]
    told = (arubeki.__version__, version()["gitVersion"])
    return _hash([*parts, *facts.sources(), *(one.encode() for one in told)]).encode()


def _hash(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.hexdigest().upper()
