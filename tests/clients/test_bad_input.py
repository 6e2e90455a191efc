"""What is not in order, over real sockets: Kubernetes' own answer or a clean close, nothing stored."""

import base64
import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator

import pytest

from arubeki.check.local import LocalCluster
from tests.clients import manifests

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
APPLY, JSON_PATCH = "application/apply-patch+yaml", "application/json-patch+json"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
MIB = 1024 * 1024
LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "lease"},
    "spec": {"holderIdentity": "me"},
}
TIMEOUT_SECONDS = 20.0


@pytest.fixture(scope="module")
def served() -> Iterator[LocalCluster]:
    # Without nodes nothing is written but what the tests write.
    with LocalCluster(serve=True, runtime="fake", nodes=0) as cluster:
        cluster.apply([manifests.config_map("there", k="v"), LEASE])
        cluster.settle()
        yield cluster


class Wire:
    """Plain requests and plain bytes."""

    def __init__(self, served: LocalCluster) -> None:
        self.port = served.cluster.port
        self.token = served.cluster.token
        self.context = ssl.create_default_context(
            cadata=_authority(served.cluster.kubeconfig_entries()[0])
        )

    def ask(self, method, path, body=b"", kind="application/json", **headers):
        """Send a request; return the code and the parsed answer."""
        sent = {"authorization": f"Bearer {self.token}", "content-type": kind} | headers
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=self.context, timeout=TIMEOUT_SECONDS
        )
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def revision(self):
        """Return the number of the last write."""
        return self.ask("GET", CONFIG_MAPS)[1]["metadata"]["resourceVersion"]

    def connect(self):
        """Return a TLS connection."""
        plain = socket.create_connection(("127.0.0.1", self.port), TIMEOUT_SECONDS)
        return self.context.wrap_socket(plain, server_hostname="127.0.0.1")

    def head(self, method, path, *more):
        """Return the bytes of a request's head, but for its last line."""
        lines = (f"{method} {path} HTTP/1.1", "host: x", f"authorization: Bearer {self.token}")
        return "\r\n".join((*lines, *more, "")).encode()


def _authority(entry):
    return base64.b64decode(entry["certificate-authority-data"]).decode()


@pytest.fixture
def wire(served):
    found = Wire(served)
    before = found.revision()
    yield found
    assert found.revision() == before, "something was stored"


def dumped(value):
    return json.dumps(value).encode()


def bomb(first="[x, x, x, x, x, x, x, x, x]", form="[{}]"):
    """Nine lists of nine, each of the one before: 9 ** 9 values in 300 bytes."""
    lines = [f"a: &a {first}"]
    for one, below in zip("bcdefghi", "abcdefgh", strict=True):
        lines.append(f"{one}: &{one} {form.format(', '.join([f'*{below}'] * 9))}")
    return "\n".join(lines).encode()


def without(obj, *path):
    *above, last = path
    copy = json.loads(json.dumps(obj))
    node = copy
    for key in above:
        node = node[key]
    del node[last]
    return dumped(copy)


UNRECOGNIZED = "the object provided is unrecognized (must be of type ConfigMap): "
NO_KIND = f"{UNRECOGNIZED}couldn't get version/kind; json parse error: "
NOT_A_CONFIG_MAP = " cannot be handled as a ConfigMap: "
PATCHED = f"{CONFIG_MAPS}/there"

# What is wrong: (method, path, body, its type, code, reason, how the message begins).
REFUSED = {
    "JSON that ends early": (
        "POST", CONFIG_MAPS, b'{"a":', "application/json",
        400, "BadRequest", f'{NO_KIND}unexpected end of JSON input ({{"a":)'),
    "a body that is no object": (
        "POST", CONFIG_MAPS, b"[]", "application/json", 400, "BadRequest", NO_KIND),
    "no body": ("POST", CONFIG_MAPS, b"", "application/json", 400, "BadRequest", NO_KIND),
    "YAML that ends early": (
        "POST", CONFIG_MAPS, b"a: [", YAML, 400, "BadRequest", f"{UNRECOGNIZED}yaml: "),
    "a YAML bomb": (
        "POST", CONFIG_MAPS, bomb(), YAML, 400, "BadRequest",
        f"{UNRECOGNIZED}yaml: document contains excessive aliasing"),
    "a YAML bomb of merged maps": (
        "POST", CONFIG_MAPS, bomb("{x: y}", "{{<<: [{}]}}"), YAML,
        400, "BadRequest", f"{UNRECOGNIZED}yaml: document contains excessive aliasing"),
    "a YAML object that holds itself": (
        "POST", CONFIG_MAPS, b"a: &a [*a]", YAML, 400, "BadRequest", f"{UNRECOGNIZED}yaml: "),
    "protobuf without its mark": (
        "POST", CONFIG_MAPS, b"\xff\xfe", PROTOBUF, 400, "BadRequest",
        f"{UNRECOGNIZED}provided data does not appear to be a protobuf message, "
        "expected prefix [107 56 115 0] (fffe)"),
    "protobuf that is none": (
        "POST", CONFIG_MAPS, b"k8s\0garbage", PROTOBUF,
        400, "BadRequest", f"{UNRECOGNIZED}proto: illegal wireType 7"),
    "a kind that nobody knows": (
        "POST", CONFIG_MAPS, b'{"kind":"X","apiVersion":"v1"}', "application/json",
        400, "BadRequest", f'X in version "v1"{NOT_A_CONFIG_MAP}no kind "X" is registered'),
    "a kind that belongs elsewhere": (
        "POST", CONFIG_MAPS, b'{"kind":"Secret","apiVersion":"v1"}', "application/json",
        400, "BadRequest", f'Secret in version "v1"{NOT_A_CONFIG_MAP}converting (v1.Secret)'),
    "a version that nobody knows": (
        "POST", CONFIG_MAPS, b'{"kind":"ConfigMap","apiVersion":"v9"}', "application/json",
        400, "BadRequest", f'ConfigMap in version "v9"{NOT_A_CONFIG_MAP}no kind'),
    "text where a number belongs": (
        "POST", DEPLOYMENTS, b'{"metadata":{"name":"d"},"spec":{"replicas":"three"}}',
        "application/json", 400, "BadRequest",
        'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal '
        "string into Go struct field DeploymentSpec.spec.replicas of type int32"),
    "another namespace": (
        "POST", CONFIG_MAPS, b'{"metadata":{"name":"a","namespace":"b"}}', "application/json",
        400, "BadRequest",
        "the namespace of the provided object does not match the namespace sent on the request"),
    "a namespace that is not there": (
        "POST", CONFIG_MAPS.replace("default", "nowhere"), b'{"metadata":{"name":"a"}}',
        "application/json", 404, "NotFound", 'namespaces "nowhere" not found'),
    "a name that is taken": (
        "POST", CONFIG_MAPS, dumped(manifests.config_map("there")), "application/json",
        409, "AlreadyExists", 'configmaps "there" already exists'),
    "a new object with a version": (
        "POST", CONFIG_MAPS, b'{"metadata":{"name":"a","resourceVersion":"1"}}',
        "application/json", 500, "",
        "resourceVersion should not be set on objects to be created"),
    "a field that nobody knows, where that is asked": (
        "POST", f"{CONFIG_MAPS}?fieldValidation=Strict",
        b'{"metadata":{"name":"a","x":1},"y":2,"data":{"k":"1","k":"2"}}', "application/json",
        400, "BadRequest",
        f'ConfigMap in version "v1"{NOT_A_CONFIG_MAP}strict decoding error: '
        'unknown field "metadata.x", unknown field "y", duplicate field "data.k"'),
    "a type that is not read": (
        "POST", CONFIG_MAPS, b"x", "text/plain", 415, "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "),
    "a body over the limit": (
        "POST", CONFIG_MAPS, dumped(manifests.config_map("a", x="y" * 3 * MIB)),
        "application/json", 413, "RequestEntityTooLarge", "Request entity too large: limit is"),
    "objects in objects without end": (
        "POST", CONFIG_MAPS, b'{"a":' * 100_000, "application/json", 400, "BadRequest", NO_KIND),
    "lists in lists without end": (
        "PATCH", PATCHED, b'{"a":' + b"[" * 100_000, MERGE, 400, "BadRequest", ""),
    "a stale version": (
        "PUT", PATCHED, b'{"metadata":{"name":"there","resourceVersion":"1"}}',
        "application/json", 409, "Conflict",
        'Operation cannot be fulfilled on configmaps "there": the object has been modified; '
        "please apply your changes to the latest version and try again"),
    "another name than the path's": (
        "PUT", PATCHED, b'{"metadata":{"name":"other"}}', "application/json", 400, "BadRequest",
        "the name of the object (other) does not match the name on the URL (there)"),
    "a change of what is not there": (
        "PUT", f"{CONFIG_MAPS}/gone", b'{"metadata":{"name":"gone"}}', "application/json",
        404, "NotFound", 'configmaps "gone" not found'),
    "a patch of what is not there": (
        "PATCH", f"{CONFIG_MAPS}/gone", b"{}", MERGE, 404, "NotFound",
        'configmaps "gone" not found'),
    "a deletion of what is not there": (
        "DELETE", f"{CONFIG_MAPS}/gone", b"", "application/json", 404, "NotFound",
        'configmaps "gone" not found'),
    "a deletion of another object of that name": (
        "DELETE", PATCHED, b'{"preconditions":{"uid":"x"}}', "application/json",
        409, "Conflict", 'Operation cannot be fulfilled on ConfigMap "there": '),
    "options of a deletion that are none": (
        "DELETE", PATCHED, b'{"gracePeriodSeconds":"x"}', "application/json", 400, "BadRequest",
        "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds"),
    "a patch of no known kind": (
        "PATCH", PATCHED, b"{}", "application/json", 415, "UnsupportedMediaType", ""),
    "a merge patch that is no JSON": (
        "PATCH", PATCHED, b"{", MERGE, 400, "BadRequest", ""),
    "a patch that names the object otherwise": (
        "PATCH", PATCHED, b'{"metadata":{"name":"other"}}', MERGE, 400, "BadRequest",
        "the name of the object (other) does not match the name on the URL (there)"),
    "a strategic patch of an unknown directive": (
        "PATCH", f"{DEPLOYMENTS}/gone", b'{"spec":{"$patch":"burn"}}', STRATEGIC,
        404, "NotFound", 'deployments.apps "gone" not found'),
    "a JSON patch whose test fails": (
        "PATCH", PATCHED, b'[{"op":"test","path":"/data/k","value":"other"}]', JSON_PATCH,
        422, "Invalid", "the server rejected our request due to an error in our request"),
    "a JSON patch of a path that is not there": (
        "PATCH", PATCHED, b'[{"op":"remove","path":"/data/gone"}]', JSON_PATCH,
        422, "Invalid", "the server rejected our request due to an error in our request"),
    "an applied object without its kind": (
        "PATCH", f"{CONFIG_MAPS}/a?fieldManager=me", b"data: {a: b}", APPLY,
        400, "BadRequest", "invalid object type: /, Kind="),
    "an applied object of another name": (
        "PATCH", f"{CONFIG_MAPS}/a?fieldManager=me", dumped(manifests.config_map("b")), APPLY,
        400, "BadRequest",
        "the name of the object (b) does not match the name on the URL (a)"),
    "no number": (
        "GET", f"{CONFIG_MAPS}?limit=x", b"", "application/json", 400, "BadRequest",
        'strconv.ParseInt: parsing "x": invalid syntax'),
    "no version": (
        "GET", f"{CONFIG_MAPS}?watch=true&resourceVersion=x", b"", "application/json",
        500, "", 'resourceVersion: Invalid value: "x"'),  # which nobody has classified
    "a selector that is none": (
        "GET", f"{CONFIG_MAPS}?labelSelector=a=(", b"", "application/json", 400, "BadRequest",
        "unable to parse requirement: found '(', expected: identifier"),
    "a field that nothing is selected by": (
        "GET", f"{CONFIG_MAPS}?fieldSelector=spec.x=1", b"", "application/json",
        400, "BadRequest", '"spec.x" is not a known field selector: only "metadata.name"'),
    "a resource that nobody knows": (
        "GET", "/api/v1/nonsense", b"", "application/json", 404, "NotFound",
        "the server could not find the requested resource"),
    "a method that does not fit": (
        "PUT", CONFIG_MAPS, b"{}", "application/json", 405, "MethodNotAllowed",
        "the server does not allow this method on the requested resource"),
    "a method that is none": (
        "BREW", CONFIG_MAPS, b"", "application/json", 400, "BadRequest",
        "malformed HTTP request: "),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_in_kubernetes_words(what, wire):
    method, path, body, kind, code, reason, message = REFUSED[what]
    answered, status = wire.ask(method, path, body, kind)
    assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
    assert (answered, status["code"], status.get("reason", "")) == (code, code, reason)
    assert status["message"].startswith(message), status["message"]


# What is wrong: (method, path, body, its type, the fields and reasons of the causes).
INVALID = {
    "a name and labels": (
        "POST", CONFIG_MAPS, dumped({"metadata": {"name": "A_b", "labels": {"-": "  "}}}), "",
        [("metadata.name", "FieldValueInvalid"), ("metadata.labels", "FieldValueInvalid"),
         ("metadata.labels", "FieldValueInvalid")]),
    "no name": (
        "POST", CONFIG_MAPS, b"{}", "", [("metadata.name", "FieldValueRequired")]),
    "too much data": (
        "POST", CONFIG_MAPS, dumped(manifests.config_map("a", x="y" * (MIB + 1))), "",
        [("[]", "FieldValueTooLong")]),
    "everything that is wrong with a Deployment": (
        "POST", DEPLOYMENTS, dumped({"metadata": {"name": "d"}, "spec": {
            "replicas": -1, "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"x": "y"}}, "spec": {"containers": [
                {"name": "BAD_", "image": ""},
                {"name": "c", "image": "x", "ports": [{"containerPort": 99999}]}]}}}}), "",
        [("spec.replicas", "FieldValueInvalid"),
         ("spec.template.metadata.labels", "FieldValueInvalid"),
         ("spec.template.spec.containers[0].name", "FieldValueInvalid"),
         ("spec.template.spec.containers[0].image", "FieldValueRequired"),
         ("spec.template.spec.containers[1].ports[0].containerPort", "FieldValueInvalid")]),
    "a Deployment without a selector": (
        "POST", DEPLOYMENTS, without(manifests.deployment(), "spec", "selector"), "",
        [("spec.selector", "FieldValueRequired"),
         ("spec.template.metadata.labels", "FieldValueInvalid")]),
    "an apply without a manager": (
        "PATCH", f"{CONFIG_MAPS}/a", dumped(manifests.config_map()), APPLY,
        [("fieldManager", "FieldValueRequired")]),
    "a change of a Lease without its version": (
        "PUT", f"{LEASES}/lease", dumped(LEASE), "", [("metadata.resourceVersion", "FieldValueInvalid")]),
    "options that nobody knows": (
        "POST", f"{CONFIG_MAPS}?dryRun=some", dumped(manifests.config_map()), "",
        [("dryRun", "FieldValueNotSupported")]),
    "a patch that makes an object wrong": (
        "PATCH", PATCHED, b'{"metadata":{"labels":{"a":"b c"}}}', MERGE,
        [("metadata.labels", "FieldValueInvalid")]),
}  # fmt: skip


@pytest.mark.parametrize("what", INVALID)
def test_every_fault_is_told_with_its_field(what, wire):
    method, path, body, kind, causes = INVALID[what]
    answered, status = wire.ask(method, path, body, kind or "application/json")
    assert (answered, status["reason"]) == (422, "Invalid"), status["message"]
    told = [(one.get("field", ""), one["reason"]) for one in status["details"]["causes"]]
    assert told == causes
    assert all(one["message"] in status["message"] for one in status["details"]["causes"])


def test_an_unpaid_bill_is_asked_for(wire):
    for header in ("", "Bearer nonsense", "Basic eDp5", "Bearer"):
        answered, status = wire.ask("GET", CONFIG_MAPS, authorization=header)
        assert (answered, status["reason"], status["message"]) == (
            401, "Unauthorized", "Unauthorized",
        )  # fmt: skip


def test_a_conflict_of_managers_names_every_field(served):
    wire = Wire(served)
    first = manifests.config_map("owned", a="1", b="1")
    path = f"{CONFIG_MAPS}/owned?fieldManager="
    assert wire.ask("PATCH", f"{path}first", dumped(first), APPLY)[0] == 201
    other = dumped(manifests.config_map("owned", a="2", b="2"))
    answered, status = wire.ask("PATCH", f"{path}second", other, APPLY)
    assert (answered, status["reason"]) == (409, "Conflict")
    assert [(one["reason"], one["field"]) for one in status["details"]["causes"]] == [
        ("FieldManagerConflict", ".data.a"),
        ("FieldManagerConflict", ".data.b"),
    ]
    assert wire.ask("GET", f"{CONFIG_MAPS}/owned")[1]["data"] == {"a": "1", "b": "1"}


# Bytes that are no HTTP, or hardly.
GARBAGE = {
    "HTTP/0.9": b"GET /\r\n\r\n",
    "no HTTP at all": bytes(range(256)) * 10,
    "a line without end": b"G" * 100_000,
    "a method without end": b"GET" * 40_000 + b" / HTTP/1.1\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    "a length and chunks": (
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"
    ),
    "chunks that are none": (
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
    ),
    "headers without end": b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: " + b"b" * 100_000,
    "headers without number": b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 1000 + b"\r\n",
    "a URL without end": b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    "a header in two lines": b"GET / HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("what", GARBAGE)
def test_bytes_that_are_no_request_end_their_connection(what, wire):
    with wire.connect() as connection:
        with contextlib.suppress(OSError):  # it may be refused before all is sent
            connection.sendall(GARBAGE[what])
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        status = json.loads(answer.read())
        connection.shutdown(socket.SHUT_WR)  # nothing follows, so nobody waits for it
        assert b"HTTP/1.1" not in _all_of(connection)
    assert answer.status in (400, 408, 413, 414, 431, 505)
    assert (status["kind"], status["code"]) == ("Status", answer.status)
    assert wire.ask("GET", "/api/v1")[0] == 200


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 100, b"\0" * 9]
)
def test_bytes_that_are_no_tls_end_their_connection(said, wire):
    with socket.create_connection(("127.0.0.1", wire.port), TIMEOUT_SECONDS) as connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        assert b"HTTP/1.1 200" not in _all_of(connection)
    assert wire.ask("GET", "/api/v1")[0] == 200


def test_who_goes_amid_its_body_has_said_nothing(wire):
    body = dumped(manifests.config_map("half"))
    for sent in (0, 1, len(body) - 1):
        for parting in ("close", "reset"):
            connection = wire.connect()
            length = f"content-length: {len(body)}"
            head = wire.head("POST", CONFIG_MAPS, "content-type: application/json", length)
            connection.sendall(head + b"\r\n" + body[:sent])
            if parting == "reset":
                linger = b"\x01\0\0\0\0\0\0\0"  # on, 0 s: closing sends RST
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection.close()
    assert wire.ask("GET", f"{CONFIG_MAPS}/half")[0] == 404


def test_who_hangs_holds_nobody_up(wire):
    hanging = [wire.connect() for _ in range(30)]
    try:
        for number, connection in enumerate(hanging):
            said = wire.head("POST", CONFIG_MAPS, "content-length: 99")
            connection.sendall(said[: number * 8] if number % 2 else said + b"\r\n{")
        watching = wire.connect()
        watching.sendall(wire.head("GET", f"{CONFIG_MAPS}?watch=true") + b"\r\n")
        hanging.append(watching)
        assert watching.recv(15) == b"HTTP/1.1 200 OK"
        assert wire.ask("GET", CONFIG_MAPS)[0] == 200
    finally:
        for connection in hanging:
            connection.close()


def test_many_requests_in_one_breath_are_answered_one_by_one(wire):
    with wire.connect() as connection:
        one = wire.head("GET", f"{CONFIG_MAPS}/gone") + b"\r\n"
        last = wire.head("GET", PATCHED, "connection: close") + b"\r\n"
        connection.sendall(one * 20 + last)
        said = _all_of(connection)
    assert said.count(b"HTTP/1.1 404 Not Found") == 20
    assert said.count(b"HTTP/1.1 200 OK") == 1
    assert said.rindex(b"HTTP/1.1 404") < said.index(b"HTTP/1.1 200")


def _all_of(connection):
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except (ConnectionResetError, ssl.SSLError):
        pass
    return b"".join(pieces)
