"""Where others learn whose tokens these are: OpenID discovery.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/serviceaccount/openidmetadata.go, pkg/routes/openidmetadata.go.
"""

from arubeki.net.message import Response
from arubeki.server import wire
from arubeki.server.access.accounts import Accounts
from arubeki.server.access.signing import ALGORITHM

CONFIGURATION = "/.well-known/openid-configuration"
KEYS = "/openid/v1/jwks"
_AGE = {"Cache-Control": "public, max-age=3600"}


async def answer(path: str, accounts: Accounts, address: str) -> Response | None:
    """Return the document at a path, None if it is none of these.

    `address` is where the server is reached: `127.0.0.1:6443`.
    """
    if path == CONFIGURATION:
        document = {
            "issuer": accounts.issuer,
            "jwks_uri": f"https://{address}{KEYS}",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }
        return _response(document, "application/json")
    if path == KEYS:
        key = await accounts.key()
        return _response({"keys": [key.document]}, "application/jwk-set+json")
    return None


def _response(document: object, media_type: str) -> Response:
    return Response(200, {"Content-Type": media_type, **_AGE}, wire.encode_json(document))
