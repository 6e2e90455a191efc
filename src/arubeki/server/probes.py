"""/livez, /readyz, /healthz and /version: what may be asked without a credential.

On the ring: [HTTP > **server**]. Source: apiserver pkg/server/healthz/healthz.go.
"""

import platform
from collections.abc import Callable, Mapping

import msgspec

from arubeki.net.message import Request, Response
from arubeki.server.core import parse_query
from arubeki.server.negotiation import answer_json

Check = Callable[[], str]
"""Returns "" when all is well, else what is not."""

KUBERNETES_MINOR = 35
"""The release whose behaviour and schemas are followed, as clients compare it with their own."""
_TEXT = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-cache, private"}


def answer(request: Request, readiness: Mapping[str, Check]) -> Response | None:
    """Return the answer to a probe; None if the request is none."""
    path = request.path.rstrip("/")
    if path == "/version":
        return answer_json(msgspec.json.encode(version()))
    root, _, check = path[1:].partition("/")
    if root not in ("livez", "readyz", "healthz"):
        return None
    # Alive is who answers; only readiness looks around.
    checks = readiness if root != "livez" else {}
    checks = {"ping": lambda: "", **checks}
    if check:
        if check not in checks:
            return Response(404, _TEXT, b"404 page not found\n")
        checks = {check: checks[check]}
    query = parse_query(request.query)
    excluded = query.get("exclude", [])
    return _judged(root, {k: v for k, v in checks.items() if k not in excluded}, query, check)


def _judged(
    root: str, checks: Mapping[str, Check], query: Mapping[str, list[str]], check: str
) -> Response:
    lines, failed = [], False
    for name, judge in checks.items():
        why = judge()
        failed = failed or bool(why)
        lines.append(f"[-]{name} failed: {why}" if why else f"[+]{name} ok")
    if failed:
        text = "\n".join([*lines, f"{root} check failed", ""])
        return Response(500, _TEXT, text.encode())
    if "verbose" in query and not check:
        return Response(200, _TEXT, "\n".join([*lines, f"{root} check passed", ""]).encode())
    return Response(200, _TEXT, b"ok")


def version() -> dict[str, str]:
    """Return what /version tells. Source: apimachinery pkg/version/types.go."""
    release = f"v1.{KUBERNETES_MINOR}.0"
    return {
        "major": "1",
        "minor": str(KUBERNETES_MINOR),
        "gitVersion": f"{release}+arubeki",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system().lower()}/{_architecture()}",
    }


def _architecture() -> str:
    machine = platform.machine().lower()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
