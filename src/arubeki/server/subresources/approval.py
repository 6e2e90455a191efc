"""`certificatesigningrequests/approval`: only for who may approve for the signer.

On the ring: [HTTP > **server** > storage].
Source: kubernetes plugin/pkg/admission/certificates/approval, pkg/certauthorization.
"""

from arubeki.errors import Forbidden
from arubeki.net.message import Response
from arubeki.server import failures
from arubeki.server.access import Attributes
from arubeki.server.core import Call
from arubeki.server.verbs import writing
from arubeki.server.verbs.write import current

GROUP = "certificates.k8s.io"


async def update(call: Call) -> Response:
    """Write the conditions of a request."""
    await _check(call)
    return await writing.update(call)


async def patch(call: Call) -> Response:
    """Change the conditions of a request."""
    await _check(call)
    return await writing.patch_object(call)


async def _check(call: Call) -> None:
    """Return if who asks may approve for the request's signer. Raises: NotFound, Forbidden."""
    entry = await call.core.storage.get(call.resource.key("", call.name))
    if entry is None:
        return  # the write says so
    signer = current(call, entry)["spec"].get("signerName", "")
    for name in (signer, f"{signer.partition('/')[0]}/*"):
        asked = Attributes("approve", GROUP, "*", "signers", name=name)
        if call.core.access.allows(call.user, asked):
            return
    raise _refusal(call, signer)


def _refusal(call: Call, signer: str) -> Forbidden:
    why = f'user not permitted to approve requests with signerName "{signer}"'
    return failures.forbidden(call.resource, call.name, why)
