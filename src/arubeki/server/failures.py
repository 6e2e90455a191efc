"""Errors in Kubernetes' words, so that clients who read the text find what they know.

On the ring: [HTTP > **server** > storage]. Source: apimachinery pkg/api/errors/errors.go.
"""

from collections.abc import Sequence
from typing import Any

from arubeki import errors
from arubeki.api import fields
from arubeki.api.fields import FieldError
from arubeki.server.resources import Resource


def details_of(resource: Resource, name: str = "", uid: str = "") -> dict[str, Any]:
    """Return a Status' details that name a resource and an object."""
    found = {"name": name, "group": resource.group, "kind": resource.plural, "uid": uid}
    return {key: value for key, value in found.items() if value}


def not_found(resource: Resource, name: str) -> errors.NotFound:
    """The object is not there."""
    return errors.NotFound(
        f"{resource.qualified} {fields.shown(name)} not found", details=details_of(resource, name)
    )


def already_exists(resource: Resource, name: str) -> errors.AlreadyExists:
    """An object of that name is there."""
    return errors.AlreadyExists(
        f'{resource.qualified} "{name}" already exists', details=details_of(resource, name)
    )


def conflict(resource: Resource, name: str, why: str) -> errors.Conflict:
    """The write does not fit what is there."""
    return errors.Conflict(
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}',
        details=details_of(resource, name),
    )


class Undecodable(errors.BadRequest):
    """A body that is no object of its kind; `why` is what the decoder said."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


def cannot_handle(kind: str, version: str, expected: str, why: str) -> Undecodable:
    """A body says that it is a `kind`, but cannot be had as the `expected` one.

    Source: apiserver pkg/endpoints/handlers/rest.go transformDecodeError.
    """
    return Undecodable(
        f'{kind} in version "{version}" cannot be handled as a {expected}: {why}', why
    )


MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def modified(resource: Resource, name: str) -> errors.Conflict:
    """The object is no longer at the resourceVersion the writer has read."""
    return conflict(resource, name, MODIFIED)


def invalid(resource: Resource, name: str, faults: Sequence[FieldError]) -> errors.Invalid:
    """The object breaks rules.

    An Event is told to be one of the core group, where Kubernetes' own form of it is at home.
    """
    group = "" if resource.kind == "Event" and resource.custom is None else resource.group
    return fields.invalid(group, resource.kind, name, faults)


def forbidden(resource: Resource, name: str, why: str) -> errors.Forbidden:
    """Admission, or authorization, refuses."""
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    return errors.Forbidden(f"{subject} is forbidden: {why}", details=details_of(resource, name))


def no_such_path() -> errors.NotFound:
    """Nothing is served at this path of a group that is.

    Source: apimachinery pkg/api/errors/errors.go NewGenericServerResponse.
    """
    error = errors.NotFound("the server could not find the requested resource")
    error.bare_details = True
    return error


def method_not_allowed() -> errors.MethodNotAllowed:
    """The path is served, but not by this method."""
    error = errors.MethodNotAllowed(
        "the server does not allow this method on the requested resource"
    )
    error.bare_details = True
    return error


def too_large_revision(asked: int, current: int) -> errors.Timeout:
    """The resourceVersion asked for has not happened, and did not within the wait.

    client-go's reflector looks for the cause and lists anew.
    Source: apiserver pkg/storage/errors.go NewTooLargeResourceVersionError.
    """
    return errors.Timeout(
        f"Timeout: Too large resource version: {asked}, current: {current}",
        details={
            "causes": [
                {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            ],
            "retryAfterSeconds": 1,
        },
    )


def too_old_revision(asked: int, oldest: int) -> errors.Expired:
    """The resourceVersion asked for is no longer kept."""
    return errors.Expired(f"too old resource version: {asked} ({oldest})")
