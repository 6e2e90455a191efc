"""An exception as an answer: the `Status` object that every failure of the API is.

The sockets and the transport in process share it, so that a handler which raises looks the same
from both sides.

Between the halves: [client > **message** > server].
"""

import logging

import msgspec

from arubeki.errors import ApiError, InternalError
from arubeki.net.message import Response

_LOG = logging.getLogger("arubeki.net")


def status_response(error: BaseException) -> Response:
    """Return the answer for what a handler raised.

    What is no `ApiError` is a mistake of ours: it is logged with its traceback, and the client
    learns the class of the exception, not its text, which may hold what the client may not see.
    """
    if not isinstance(error, ApiError):
        _LOG.error("a handler failed", exc_info=error)
        error = InternalError(f"Internal error occurred: {type(error).__name__}")
    headers = {"content-type": "application/json"}
    if error.retry_after_seconds:
        headers["retry-after"] = str(error.retry_after_seconds)
    return Response(error.code, headers, msgspec.json.encode(error.to_status()))
