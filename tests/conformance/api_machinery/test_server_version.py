"""The version of the server.

Source: kubernetes test/e2e/apimachinery/server_version.go.
"""

import re

from tests.conformance.kit import conformance


@conformance("[sig-api-machinery] server version should find the server version [Conformance]")
def test_the_version_is_two_numbers(api):
    version = api.get("/version")
    # Minor versions of downstream builds may end in "+".
    assert re.fullmatch(r"[0-9]+", version["major"])
    assert re.fullmatch(r"[0-9]+\+?", version["minor"])
    assert version["gitVersion"].startswith(f"v{version['major']}.{version['minor'].rstrip('+')}.")
