"""Objects as bytes: how they are stored, stamped with their revision, and told apart unread.

An object is stored as compact JSON that begins `{"apiVersion":…,"kind":…,"metadata":{`, without
resourceVersion. The revision is known only after the commit, so it is spliced in there, when the
storage makes the entry; from then on the bytes are what GET, LIST and WATCH send.

On the ring: [HTTP > **server** > storage].
"""

from typing import Any

import msgspec

_METADATA = b'"metadata":{'
_REVISION = b'"resourceVersion":"'
_HEAD = ("apiVersion", "kind", "metadata")
# For who reads it: what it is first, who owns which field last.
_FIRST = ("name", "generateName", "namespace", "uid", "generation", "creationTimestamp")
_PUT_ASIDE = ("resourceVersion", "managedFields")

encode_json = msgspec.json.Encoder().encode
decode_json = msgspec.json.Decoder().decode


def stamp(value: bytes, revision: int) -> bytes:
    """Return stored bytes with their resourceVersion; a stamp that is there already is replaced.

    Bytes that are no object (an allocation) come back as they are. The first `"metadata":{` is the
    object's own: what stands before it are two strings, in which a quote would be escaped.
    """
    head, found, rest = value.partition(_METADATA)
    if not found:
        return value
    if rest.startswith(_REVISION):
        _, _, rest = rest[len(_REVISION) :].partition(b'",')
    return b'%b"metadata":{"resourceVersion":"%d",%b' % (head, revision, rest)


def encode(obj: dict[str, Any]) -> bytes:
    """Return an object as it is stored: identity first, without its resourceVersion."""
    given = obj["metadata"]
    metadata = {key: given[key] for key in _FIRST if key in given}
    for key, one in given.items():
        if key not in metadata and key not in _PUT_ASIDE:
            metadata[key] = one
    if "managedFields" in given:
        metadata["managedFields"] = given["managedFields"]
    ordered = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}
    for key, one in obj.items():
        if key not in _HEAD:
            ordered[key] = one
    return encode_json(ordered)


def decode(value: bytes) -> dict[str, Any]:
    """Return stored or stamped bytes as a private dict."""
    obj: dict[str, Any] = decode_json(value)
    return obj


def with_api_version(value: bytes, old: str, new: str) -> bytes:
    """Return an object's bytes under another apiVersion, undecoded."""
    head = b'{"apiVersion":"%b"' % old.encode()
    if not value.startswith(head):
        raise ValueError(f"not an object of {old}")
    return b'{"apiVersion":"%b"%b' % (new.encode(), value[len(head) :])


class _MetadataOnly(msgspec.Struct, gc=False):
    metadata: msgspec.Raw


_metadata_only = msgspec.json.Decoder(_MetadataOnly).decode
_raw_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def raw_metadata(value: bytes) -> bytes:
    """Return the bytes of an object's metadata."""
    return bytes(_metadata_only(value).metadata)


def revision_of(value: bytes) -> str:
    """Return the resourceVersion in an object's bytes, "" if they bear none."""
    metadata: dict[str, msgspec.Raw] = _raw_members(_metadata_only(value).metadata)
    found = metadata.get("resourceVersion")
    return str(decode_json(found)) if found else ""


def partial(value: bytes, version: str = "v1") -> bytes:
    """Return an object as a PartialObjectMetadata."""
    return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%b","metadata":%b}' % (
        version.encode(),
        raw_metadata(value),
    )
