"""In which form an answer goes out: the object itself, a Table, or its metadata alone.

On the ring: [HTTP > **server** > storage].
Source: apiserver pkg/endpoints/handlers/negotiation/negotiate.go.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from arubeki.errors import ApiError, NotAcceptable
from arubeki.net.message import Response

OBJECT = "object"
TABLE = "table"
METADATA = "metadata"

JSON = "application/json"
YAML = "application/yaml"
_BROWSERS = ("curl", "Wget", "Mozilla/5.0")
_BASE_HEADERS = {"Content-Type": JSON, "Cache-Control": "no-cache, private"}


@dataclass(frozen=True, slots=True)
class Form:
    """What was asked for: one of OBJECT, TABLE, METADATA, as JSON or YAML.

    `version` is that of meta.k8s.io, `name` the kind asked for where it is not the object's.
    """

    shape: str = OBJECT
    media_type: str = JSON
    version: str = "v1"
    name: str = ""


_PLAIN = Form()


@lru_cache(maxsize=256)
def negotiate(accept: str, *, forms: bool = True) -> Form:
    """Return the first acceptable form of an Accept header.

    `forms` says whether the resource can be shown as a Table or as metadata. Protobuf answers are
    not given: every client that asks for them takes JSON as well, but one that asks for nothing
    else is refused. Raises: NotAcceptable.
    """
    if not accept:
        return _PLAIN
    is_known = False
    for media_type, parameters in clauses(accept):
        chosen = _media_type(media_type)
        if not chosen:
            continue
        is_known = True
        shown_as = parameters.get("as", "")
        if not shown_as:
            return Form(OBJECT, chosen)
        version = parameters.get("v", "")
        if not forms or parameters.get("g") != "meta.k8s.io" or version not in ("v1", "v1beta1"):
            continue
        if shown_as == "Table":
            return Form(TABLE, chosen, version, shown_as)
        if shown_as in ("PartialObjectMetadata", "PartialObjectMetadataList"):
            return Form(METADATA, chosen, version, shown_as)
    if is_known:
        raise NotAcceptable(f"only the following media types are accepted: {JSON}, {YAML}")
    # Kubernetes refuses it earlier, in the words of its router.
    error = NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {JSON}, {YAML}")
    error.bare_details = True
    raise error


def clauses(accept: str) -> list[tuple[str, Mapping[str, str]]]:
    """Return what an Accept header accepts, with its parameters, the preferred first."""
    found = [_clause(one) for one in accept.split(",")]
    found.sort(key=lambda one: -_quality(one[1].get("q", "1")))
    return [one for one in found if _quality(one[1].get("q", "1")) > 0]


def check_number(form: Form, kind: str, *, many: bool) -> None:
    """Refuse the metadata of one as that of many, and the reverse. Raises: NotAcceptable."""
    if form.shape == METADATA and form.name.endswith("List") is not many:
        what = "is a list" if many else "is not a list"
        raise NotAcceptable(f"you requested {form.name}, but the requested object {what} ({kind})")


def _clause(text: str) -> tuple[str, Mapping[str, str]]:
    media_type, *rest = text.split(";")
    parameters = {}
    for one in rest:
        name, _, value = one.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"')
    return media_type.strip().lower(), parameters


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _media_type(asked: str) -> str:
    if asked in (JSON, "*/*", "application/*"):
        return JSON
    return YAML if asked in (YAML, "application/x-yaml", "text/yaml") else ""


def is_pretty(parameters: Mapping[str, list[str]], user_agent: str) -> bool:
    """Tell whether a person will read the answer."""
    asked = parameters.get("pretty")
    if asked:
        return asked[0].lower() not in ("false", "0")
    return user_agent.startswith(_BROWSERS)


def warning_header(warnings: list[str]) -> str:
    """Return a Warning header for texts that the client should show its user. Source: RFC 7234 5.5."""
    shown = []
    for text in dict.fromkeys(warnings):
        escaped = "".join(one if one.isprintable() else " " for one in text)
        escaped = escaped.replace("\\", "\\\\").replace('"', '\\"')
        shown.append(f'299 - "{escaped[:4096]}"')
    return ", ".join(shown)


def answer_json(body: bytes, status: int = 200) -> Response:
    """Return JSON bytes as an answer."""
    return Response(status, dict(_BASE_HEADERS), body)


def answer_as(media_type: str, body: bytes, status: int, *, pretty: bool) -> Response:
    """Return JSON bytes in a media type, indented for people."""
    response = answer_json(body, status)
    if media_type == YAML:
        from arubeki.api import documents

        response.headers = {**response.headers, "Content-Type": YAML}
        response.body = documents.dump(msgspec.json.decode(body)).encode()
    elif pretty:
        response.body = msgspec.json.format(body, indent=2) + b"\n"
    return response


def failure(error: ApiError, accept: str = "", *, pretty: bool = False) -> Response:
    """Return an error as its Status, in YAML where nothing else is asked for."""
    media_type = JSON
    if "yaml" in accept:
        chosen = [_media_type(one) for one, _ in clauses(accept)]
        media_type = next((one for one in chosen if one), JSON)
    body = msgspec.json.encode(error.to_status())
    response = answer_as(media_type, body, error.code, pretty=pretty)
    if error.retry_after_seconds:
        response.headers = {**response.headers, "Retry-After": str(error.retry_after_seconds)}
    return response
