"""URLs of webhooks: what Kubernetes takes for one.

Pure: no I/O, no clock.
Source: apiserver pkg/util/webhook/validation.go ValidateWebhookURL, Go net/url.
"""

import re
from urllib.parse import SplitResult, urlsplit

from arubeki.api.fields import FieldError

_FORM = "; desired format: https://host[/path]"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def check_https(text: str, path: str, faults: list[FieldError]) -> None:
    """The text must be an https URL of a host and a path, without anything else."""
    try:
        url = _parsed(text)
    except ValueError as error:
        needed = f"url must be a valid URL: {error}{_FORM}"
        faults.append(FieldError.required(path, needed))
        return
    if url.scheme != "https":
        fault = f"'https' is the only allowed URL scheme{_FORM}"
        faults.append(FieldError.invalid(path, url.scheme, fault))
    user, _, host = url.netloc.rpartition("@")
    if not host:
        faults.append(FieldError.invalid(path, "", f"host must be specified{_FORM}"))
    if "@" in url.netloc:
        fault = "user information is not permitted in the URL"
        faults.append(FieldError.invalid(path, user, fault))
    if url.fragment:
        fault = "fragments are not permitted in the URL"
        faults.append(FieldError.invalid(path, url.fragment, fault))
    if url.query:
        fault = "query parameters are not permitted in the URL"
        faults.append(FieldError.invalid(path, url.query, fault))


def _parsed(text: str) -> SplitResult:
    """Return the parts of a URL. Raises: ValueError in Go's words, for what is no URL."""
    if any(ord(one) < 0x20 or ord(one) == 0x7F for one in text):
        shown = "".join(f"\\x{ord(one):02x}" if ord(one) < 0x20 else one for one in text)
        raise ValueError(f'parse "{shown}": net/url: invalid control character in URL')
    if text.startswith(":"):
        raise ValueError(f'parse "{text}": missing protocol scheme')
    first = text.partition("/")[0]
    if ":" in first and not _SCHEME.match(text):
        raise ValueError(f'parse "{text}": first path segment in URL cannot contain colon')
    found = urlsplit(text)
    port = found.netloc.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    if port and not (port.isascii() and port.isdigit()):
        raise ValueError(f'parse "{text}": invalid port ":{port}" after host')
    return found
