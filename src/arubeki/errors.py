"""Every exception of arubeki, in one tree.

    ArubekiError
    ├─ ApiError                   an answer of an API server; the class name is Kubernetes' reason
    │  ├─ BadRequest 400
    │  ├─ Unauthorized 401
    │  ├─ Forbidden 403
    │  ├─ NotFound 404
    │  ├─ MethodNotAllowed 405
    │  ├─ NotAcceptable 406
    │  ├─ AlreadyExists 409
    │  ├─ Conflict 409
    │  ├─ Gone 410
    │  ├─ Expired 410
    │  ├─ RequestEntityTooLarge 413
    │  ├─ UnsupportedMediaType 415
    │  ├─ Invalid 422
    │  ├─ TooManyRequests 429
    │  ├─ InternalError 500
    │  ├─ ServerTimeout 500
    │  ├─ NotServed 501           Kubernetes has it, this server does not
    │  ├─ ServiceUnavailable 503
    │  └─ Timeout 504
    ├─ TransportError             no usable answer at all; worth another try
    │  ├─ ConnectFailed
    │  ├─ TimedOut
    │  └─ WatchBroken
    ├─ StorageError               the store refused or failed; nothing was acknowledged
    │  ├─ RevisionMismatch        the key is not at the expected revision
    │  ├─ Compacted               the revision asked for is no longer kept
    │  ├─ FutureRevision          the revision asked for has not happened yet
    │  ├─ StorageBusy             another process owns the data
    │  ├─ StorageCorrupt          the data are torn or not ours
    │  └─ StorageFull             no space left
    ├─ Terminal                   raised by a reconciler: do not try this object again
    ├─ ConfigError                a kubeconfig, an option, a controller declared wrongly
    └─ CheckFailed                a claim about a controller does not hold

The same `ApiError` class is raised in the server, travels as a `Status` object, and is raised again
in the client. Below the ring: everything may import this module, it imports nothing of arubeki.
"""

from collections.abc import Mapping, Sequence
from typing import Any


class ArubekiError(Exception):
    """Anything that arubeki raises on purpose."""


class ApiError(ArubekiError):
    """A failed request, as Kubernetes' `Status` describes it.

    `details` is the `details` member of the Status (`{"name": str, "group": str, "kind": plural,
    "uid": str, "causes": [{"reason": str, "message": str, "field": str}],
    "retryAfterSeconds": int}`), each key optional. `metadata` is the Status' list metadata (the 410
    of an expired continue token carries a fresh one there).
    Source: apimachinery pkg/apis/meta/v1/types.go, pkg/api/errors/errors.go.
    """

    code: int = 500
    reason: str = ""
    bare_details: bool = False
    """Whether the Status bears `details` also when there are none."""

    def __init__(
        self,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
        self.metadata: dict[str, Any] = dict(metadata or {})

    @property
    def causes(self) -> Sequence[Mapping[str, str]]:
        """The single faults, each `{"reason", "message", "field"}`; empty when there is but one."""
        causes: Sequence[Mapping[str, str]] = self.details.get("causes", ())
        return causes

    def has_cause(self, reason: str) -> bool:
        """Whether one of the causes has this reason, for example `NamespaceTerminating`."""
        return any(cause.get("reason") == reason for cause in self.causes)

    @property
    def retry_after_seconds(self) -> int:
        """How long the server asks to wait before another try; 0 when it does not say."""
        return int(self.details.get("retryAfterSeconds", 0))

    def to_status(self) -> dict[str, Any]:
        """Return this error as a `Status` object, ready for the wire."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details or self.bare_details:
            status["details"] = self.details
        status["code"] = self.code
        return status

    @staticmethod
    def from_status(status: Mapping[str, Any], code: int = 0) -> "ApiError":
        """Return the error that a `Status` object (or what little of one there is) describes.

        `code` is the HTTP status, used when the body has none. An unknown reason falls back to the
        class of the code, an unknown code to `ApiError` itself.
        """
        number = int(status.get("code") or code or 500)
        reason = str(status.get("reason") or "")
        found = _BY_REASON.get(reason) or _BY_CODE.get(number, ApiError)
        details = status.get("details")
        metadata = status.get("metadata")
        error = found(
            str(status.get("message") or f"the server answered {number}"),
            details=details if isinstance(details, Mapping) else None,
            metadata=metadata if isinstance(metadata, Mapping) else None,
        )
        if number != found.code:
            error.code = number
        return error


class BadRequest(ApiError):
    """The request is malformed."""

    code = 400
    reason = "BadRequest"


class Unauthorized(ApiError):
    """The credential is missing or wrong."""

    code = 401
    reason = "Unauthorized"


class Forbidden(ApiError):
    """The identity may not do this, or admission refused it."""

    code = 403
    reason = "Forbidden"


class NotFound(ApiError):
    """The object, or the resource, does not exist."""

    code = 404
    reason = "NotFound"


class MethodNotAllowed(ApiError):
    """The resource does not have this verb."""

    code = 405
    reason = "MethodNotAllowed"


class NotAcceptable(ApiError):
    """None of the media types asked for can be given."""

    code = 406
    reason = "NotAcceptable"


class AlreadyExists(ApiError):
    """An object of that name is there."""

    code = 409
    reason = "AlreadyExists"


class Conflict(ApiError):
    """The object has changed since it was read, or another manager owns a field."""

    code = 409
    reason = "Conflict"


class Gone(ApiError):
    """The thing was there and is not kept any more."""

    code = 410
    reason = "Gone"


class Expired(ApiError):
    """The resourceVersion or continue token is older than the history kept: list again."""

    code = 410
    reason = "Expired"


class RequestEntityTooLarge(ApiError):
    """The body is over the limit (3 MiB)."""

    code = 413
    reason = "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    """The body's media type is not understood here."""

    code = 415
    reason = "UnsupportedMediaType"


class Invalid(ApiError):
    """The object breaks rules; `causes` names each field."""

    code = 422
    reason = "Invalid"


class TooManyRequests(ApiError):
    """Try again later; `retry_after_seconds` says when."""

    code = 429
    reason = "TooManyRequests"


class InternalError(ApiError):
    """The server made a mistake, or cannot write."""

    code = 500
    reason = "InternalError"


class ServerTimeout(ApiError):
    """The server could not do it in time; the request may be sent again."""

    code = 500
    reason = "ServerTimeout"


class NotServed(ApiError):
    """Kubernetes has this, arubeki does not (yet); nothing was changed."""

    code = 501
    reason = "NotServed"


class ServiceUnavailable(ApiError):
    """The server is starting or stopping."""

    code = 503
    reason = "ServiceUnavailable"


class Timeout(ApiError):
    """The request was understood but did not end in time."""

    code = 504
    reason = "Timeout"


_API_ERRORS: tuple[type[ApiError], ...] = (
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    AlreadyExists,
    Conflict,
    Gone,
    Expired,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    Invalid,
    TooManyRequests,
    InternalError,
    ServerTimeout,
    NotServed,
    ServiceUnavailable,
    Timeout,
)
_BY_REASON: dict[str, type[ApiError]] = {error.reason: error for error in _API_ERRORS}
# 409, 410 and 500 have two classes each; a body without a reason means the plainer one.
_BY_CODE: dict[int, type[ApiError]] = {
    **{error.code: error for error in _API_ERRORS},
    409: Conflict,
    410: Gone,
    500: InternalError,
}


class TransportError(ArubekiError):
    """No usable answer came; the request may or may not have been carried out."""


class ConnectFailed(TransportError):
    """Nothing could be sent."""


class TimedOut(TransportError):
    """No answer within the time allowed; a write may have happened."""


class WatchBroken(TransportError):
    """A watch ended without being asked to; resume it or list again."""


class StorageError(ArubekiError):
    """The storage refused or failed; nothing was acknowledged."""


class RevisionMismatch(StorageError):
    """The key is not at the revision the commit expected; nothing was written."""

    def __init__(self, key: str, expected: int, actual: int) -> None:
        super().__init__(f"{key} is at revision {actual}, not at {expected} (0: absent)")
        self.key = key
        self.expected = expected
        self.actual = actual


class Compacted(StorageError):
    """The revision asked for is older than the history kept."""

    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(f"revision {asked} is compacted, the oldest kept is {oldest}")
        self.asked = asked
        self.oldest = oldest


class FutureRevision(StorageError):
    """The revision asked for has not happened yet."""

    def __init__(self, asked: int, current: int) -> None:
        super().__init__(f"revision {asked} has not happened yet, the storage is at {current}")
        self.asked = asked
        self.current = current


class StorageBusy(StorageError):
    """Another process owns the data."""


class StorageCorrupt(StorageError):
    """The data are torn, foreign or of an unknown version; the message says what to do."""


class StorageFull(StorageError):
    """There is no space left; the message says where."""


class Terminal(ArubekiError):
    """Raised by a reconciler: trying again cannot help until something changes.

    Its message goes to the log and into the condition that `on_error` names. The run's status is
    written, nothing is pruned, and the next change of the object or of what it watches (its own
    status apart) has it tried again. For what a retry may put right, raise anything else.
    Source: controller-runtime pkg/reconcile/reconcile.go TerminalError.
    """


class ConfigError(ArubekiError):
    """A kubeconfig, an option or a controller's declaration is wrong; the message says which."""


class CheckFailed(ArubekiError, AssertionError):
    """A claim about a controller does not hold."""
