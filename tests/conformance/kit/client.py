"""HTTPS as the standard library speaks it, and the errors of the API."""

import contextlib
import functools
import http.client
import json
import ssl
import urllib.parse
from dataclasses import dataclass, field

from tests.conformance.kit.collection import Collection
from tests.conformance.kit.patience import patience_seconds
from tests.conformance.kit.watch import Watch

ANSWER_SECONDS = 30.0
"""How long an answer may take."""


class Refused(Exception):
    """The server answered with a Status: `code`, `reason`, `message`."""

    def __init__(self, answer):
        try:
            self.status = answer.json
        except ValueError:
            self.status = {"message": answer.body.decode(errors="replace")}
        self.code = answer.status
        self.reason = self.status.get("reason", "")
        self.message = self.status.get("message", "")
        super().__init__(f"{self.code} {self.reason}: {self.message}")


class NotServed(Exception):
    """Discovery does not know a kind."""


@dataclass
class Answer:
    """An answer, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def warnings(self):
        """The texts of its warnings, in order."""
        found = self.headers.get_all("Warning") or []
        return [json.loads(one.split(" ", 2)[2]) for one in found]


@dataclass(eq=False)
class Api:
    """A server under a URL. `headers` go with each request: whose, and for whom."""

    host: str
    port: int
    authority: str
    headers: dict = field(default_factory=dict)
    _connection: http.client.HTTPSConnection | None = None
    _kinds: dict = field(default_factory=dict)

    # Requests.

    def send(self, method, path, body=None, *, headers=None, **query):
        """Send a request and return its answer, whatever that is."""
        target, content, head = self._request(path, body, headers, query)
        for is_last in (False, True):
            connection = self._connection = self._connection or self.connect()
            try:
                connection.request(method, target, content, head)
                response = connection.getresponse()
                return Answer(response.status, response.headers, response.read())
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                # A connection that lay idle may be closed at any time.
                self.close()
                if is_last:
                    raise
            except BaseException:
                self.close()
                raise
        raise AssertionError("not reached")

    def ask(self, method, path, body=None, *, headers=None, **query):
        """Send a request and return the answer's JSON. Raises: Refused."""
        answer = self.send(method, path, body, headers=headers, **query)
        if answer.status >= 400:
            raise Refused(answer)
        return answer.json

    def get(self, path, **query):
        """Return the JSON under a path. Raises: Refused."""
        return self.ask("GET", path, **query)

    def watch(self, path, **query):
        """Open a watch over a connection of its own. Raises: Refused."""
        target, _, head = self._request(path, None, None, {**query, "watch": "true"})
        connection = self.connect(patience_seconds())
        connection.request("GET", target, None, head)
        response = connection.getresponse()
        if response.status != 200:
            with contextlib.closing(connection):
                raise Refused(Answer(response.status, response.headers, response.read()))
        return Watch(connection, response)

    def with_headers(self, **headers):
        """Return the same server for other headers: `Authorization`, `Impersonate-User`."""
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        return Api(self.host, self.port, self.authority, {**self.headers, **given})

    def close(self):
        """Close what is open; the next request opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _request(self, path, body, headers, query):
        given = {key: _text(value) for key, value in query.items() if value is not None}
        target = f"{path}?{urllib.parse.urlencode(given)}" if given else path
        head = {"Accept": "application/json", **self.headers}
        if body is not None and not isinstance(body, bytes):
            body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        if body is not None:
            head["Content-Type"] = "application/json"
        return target, body, {**head, **(headers or {})}

    def connect(self, timeout_seconds=ANSWER_SECONDS):
        """Return a new connection; whoever asks for it closes it."""
        return http.client.HTTPSConnection(
            self.host, self.port, context=_context(self.authority), timeout=timeout_seconds
        )

    # Kinds.

    def of(self, api_version, kind, namespace=""):
        """Return the objects of a kind, as discovery says where they are. Raises: NotServed."""
        if (api_version, kind) not in self._kinds:
            self._discover(api_version)
        try:
            plural, is_namespaced = self._kinds[api_version, kind]
        except KeyError:
            raise NotServed(f"{api_version} {kind}") from None
        return Collection(self, api_version, kind, plural, namespace if is_namespaced else "")

    def _discover(self, api_version):
        try:
            found = self.get(root_of(api_version))
        except Refused as error:
            raise NotServed(f"{api_version}: {error}") from error
        for one in found["resources"]:
            if "/" not in one["name"]:
                self._kinds[api_version, one["kind"]] = one["name"], one["namespaced"]


def root_of(api_version):
    """Return the path of a group's version."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


@functools.cache
def _context(authority):
    return ssl.create_default_context(cadata=authority)


def _text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)
