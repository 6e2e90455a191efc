"""The chain that every request walks: who, what, whether he may, the verb, the error.

`App` is a `net.message.Handler` and knows no socket. In order: probes (without credential),
authentication, routing, authorization, the verb. Whatever goes wrong becomes a `Status`; what nobody
expected becomes a 500 that names the request, with the traceback in the log alone.

On the ring: [HTTP > **server** > storage].
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from arubeki import clock
from arubeki.errors import (
    ApiError,
    InternalError,
    ServiceUnavailable,
    StorageError,
    StorageFull,
)
from arubeki.net.message import Answer, Request, Response, User
from arubeki.server import bootstrap, failures, probes, routing, strategies
from arubeki.server.access import Access, Attributes, documents, impersonation
from arubeki.server.access.accounts import Accounts
from arubeki.server.admission.allocation import Addresses, node_ports
from arubeki.server.admission.classes import Classes
from arubeki.server.admission.pods import PodStrategy
from arubeki.server.admission.services import ServiceStrategy
from arubeki.server.builtin import built_in
from arubeki.server.compression import compress
from arubeki.server.core import Call, Core, Nodes, Settings, parse_query
from arubeki.server.custom.registration import Definitions
from arubeki.server.custom.strategy import CustomStrategy, DefinitionStrategy
from arubeki.server.discovery import Discovery
from arubeki.server.negotiation import failure, is_pretty, warning_header
from arubeki.server.resources import Registry
from arubeki.server.subresources import approval, eviction, pods, reviews, scale, tokens
from arubeki.server.sweeping import Sweeper
from arubeki.server.verbs import deletion, read, watching, writing
from arubeki.server.watch.hub import Hubs
from arubeki.storage.base import Storage

if TYPE_CHECKING:
    from arubeki.server.openapi import OpenApi

_log = logging.getLogger("arubeki.server")

Verb = Callable[[Call], Awaitable[Answer]]

_VERBS: Mapping[str, Verb] = {
    "get": read.get,
    "list": read.list_objects,
    "watch": watching.watch,
    "create": writing.create,
    "update": writing.update,
    "patch": writing.patch_object,
    "delete": deletion.delete,
    "deletecollection": deletion.delete_collection,
}
_SUBRESOURCES: Mapping[tuple[str, str], Verb] = {
    ("status", "get"): read.get,
    ("status", "update"): writing.update,
    ("status", "patch"): writing.patch_object,
    ("finalize", "update"): writing.update,
    ("scale", "get"): scale.get,
    ("scale", "update"): scale.update,
    ("scale", "patch"): scale.patch,
    ("approval", "get"): read.get,
    ("approval", "update"): approval.update,
    ("approval", "patch"): approval.patch,
    ("binding", "create"): pods.bind,
    ("eviction", "create"): eviction.create,
    ("ephemeralcontainers", "get"): read.get,
    ("ephemeralcontainers", "update"): writing.update,
    ("ephemeralcontainers", "patch"): writing.patch_object,
    ("resize", "get"): read.get,
    ("resize", "update"): writing.update,
    ("resize", "patch"): writing.patch_object,
    ("log", "get"): pods.log,
    ("token", "create"): tokens.create,
}
_UNSTORED: Mapping[str, Verb] = {
    "bindings": pods.bind,
    "localsubjectaccessreviews": reviews.local_access,
    "selfsubjectaccessreviews": reviews.self_access,
    "selfsubjectreviews": reviews.self_subject,
    "selfsubjectrulesreviews": reviews.self_rules,
    "subjectaccessreviews": reviews.access,
    "tokenreviews": reviews.token,
}
"""What can be created, and is not stored."""
_TEXT = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
_METHODS = {
    "GET": "get", "HEAD": "head", "POST": "post", "PUT": "put", "PATCH": "patch",
    "DELETE": "delete", "OPTIONS": "options",
}  # fmt: skip


class App:
    """An API server as a handler.

    `access` says who asks and whether he may, `nodes` finds the handler of a node (for logs).
    `readiness` holds what /readyz asks, by name: each returns "" when all is well, else what is
    not; whoever composes the cluster adds his own.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        access: Access,
        nodes: Nodes | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.registry = Registry(built_in())
        self.settings = settings or Settings()
        self.readiness: dict[str, probes.Check] = {
            "storage": lambda: "" if self._started else "not started",
            "default-objects": lambda: "" if self._complete else "not there yet",
        }
        self._access = access
        accounts = Accounts(storage, self.registry, self.settings.issuer)
        access.authenticator.bearers.append(accounts.bearer)
        self._core = Core(
            storage,
            self.registry,
            self.settings,
            nodes or _no_node,
            Hubs(storage),
            access,
            accounts,
        )
        definitions = self.registry.find("apiextensions.k8s.io", "v1", "customresourcedefinitions")
        assert definitions is not None
        self._definitions = Definitions(self._core, definitions)
        self._addresses = Addresses(storage, self.settings.service_network)
        services = ServiceStrategy(self._addresses, node_ports(storage, self.settings.node_ports))
        self._sweeper = Sweeper(self._core, services)
        self._core.custom = CustomStrategy()
        classes = Classes(storage, self.registry)
        self._core.strategies = strategies.built_in(
            services,
            DefinitionStrategy(self._definitions.taken),
            PodStrategy(
                classes,
                self.settings.eviction_seconds,
                lambda name: accounts.look_up("nodes", "", name),
            ),
            classes,
        )
        self._discovery = Discovery(self.registry)
        self._openapi: OpenApi | None = None
        self._started = self._complete = False
        self._requests = 0
        self._run = clock.new_uid()[:24]

    async def start(self) -> None:
        """Make ready to serve: what every cluster has is there afterwards.

        The storage is open by now. Raises: ApiError, StorageError.
        """
        await self._definitions.start()
        await self._sweeper.start()
        self._started = True
        await bootstrap.create_defaults(self, self._core, self._addresses.first)
        self._complete = True

    async def lasting_token(self, namespace: str, account: str, uid: str, secret: str) -> str:
        """Return the token that a Secret is to hold for a service account. Raises: StorageError."""
        return await self._core.accounts.issue_lasting(namespace, account, uid, secret)

    async def stop(self) -> None:
        """End every watch; requests are refused from now on. The storage stays open."""
        self._started = False
        await self._definitions.stop()
        await self._sweeper.stop()
        self._core.hubs.close()
        self._core.labels.close()

    async def __call__(self, request: Request) -> Answer:
        """Answer a request. Never raises."""
        audit_id = request.headers.get("audit-id", "")
        if not audit_id or len(audit_id) > 64 or not audit_id.isprintable():
            audit_id = self._next_id()
        try:
            answer = await self._answer(request)
        except ApiError as error:
            answer = _refusal(request, error)
        except StorageFull as error:
            answer = failure(InternalError(str(error)))
        except StorageError as error:
            _log.error("request %s: %s %s: %s", audit_id, request.method, request.path, error)
            answer = failure(ServiceUnavailable(f"the storage refused: {error}"))
        except Exception:
            _log.exception("request %s: %s %s", audit_id, request.method, request.path)
            why = f"Internal error occurred: see the server's log for request {audit_id}"
            answer = failure(InternalError(why))
        answer.headers = {**answer.headers, "Audit-Id": audit_id}
        return answer

    def _next_id(self) -> str:
        """Return an id that no other request has, cheaper than a random one each."""
        self._requests += 1
        return f"{self._run}{self._requests & 0xFFFFFFFFFFFF:012x}"

    async def _answer(self, request: Request) -> Answer:
        if not request.path.startswith("/api"):
            probe = probes.answer(request, self.readiness)
            if probe is not None:
                return probe
        user = await self._access.user_of(request)
        if impersonation.is_asked(request.headers):
            user = impersonation.impersonated(self._access, user, request.headers)
        if not self._started:
            raise ServiceUnavailable(
                "the server is starting or stopping", details={"retryAfterSeconds": 1}
            )
        call = routing.resolve(self._core, request, user)
        if call is None:
            return await self._document(request, user)
        self._access.authorize(user, routing.attributes_of(call))
        try:
            answer = await self._dispatch(call)
        except ApiError as error:
            answer = _refusal(request, error)  # with the warnings that came before
        if isinstance(answer, Response) and "accept-encoding" in request.headers:
            await compress(request, answer)
        if call.resource.deprecation:
            call.warnings.append(call.resource.deprecation)
        custom = call.resource.custom
        if custom is not None and custom.deprecated:
            call.warnings.append(
                custom.deprecation_warning
                or f"{call.resource.api_version} {call.resource.kind} is deprecated"
            )
        if call.warnings:
            answer.headers = {**answer.headers, "Warning": warning_header(call.warnings)}
        return answer

    async def _document(self, request: Request, user: User) -> Answer:
        """Answer what is no object: discovery, OpenAPI, whose tokens these are."""
        verb = _METHODS.get(request.method, request.method.lower())
        self._access.authorize(user, Attributes(verb=verb, path=request.path))
        answer = self._discovery.answer(request)
        if answer is None and request.path.startswith("/openapi/"):
            answer = await self._described().answer(request)
        if answer is None:
            address = f"{self.settings.address}:{self.settings.port}"
            answer = await documents.answer(request.path, self._core.accounts, address)
        if answer is None:
            root, _, below = request.path[1:].partition("/")
            group = below.partition("/")[0]
            if root == "api" or (root == "apis" and group in self.registry.groups()):
                raise failures.no_such_path()
            return Response(404, dict(_TEXT), b"404 page not found\n")
        if request.method not in ("GET", "HEAD"):
            raise failures.method_not_allowed()
        # The maker keeps its answer; ours gets headers of its own.
        return Response(answer.status, dict(answer.headers), answer.body)

    def _described(self) -> "OpenApi":
        """Return what makes documents, which most servers are never asked for."""
        if self._openapi is None:
            from arubeki.server.openapi import OpenApi

            self._openapi = OpenApi(self.registry)
        return self._openapi

    async def _dispatch(self, call: Call) -> Answer:
        if call.subresource:
            verb = _SUBRESOURCES.get((call.subresource, call.verb))
        elif call.resource.prefix:
            verb = _VERBS.get(call.verb)
        else:
            verb = _UNSTORED.get(call.resource.plural) if call.verb == "create" else None
        if verb is None:
            raise failures.method_not_allowed()
        return await verb(call)


def _refusal(request: Request, error: ApiError) -> Response:
    """Return an error in the form that the client reads."""
    pretty = is_pretty(parse_query(request.query), request.headers.get("user-agent", ""))
    return failure(error, request.headers.get("accept", ""), pretty=pretty)


def _no_node(_: str) -> None:
    """Find no node: a server without any."""


__all__ = ["App", "Settings"]
