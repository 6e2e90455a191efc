"""Secrets, as objects.

Source: kubernetes test/e2e/common/node/secrets.go.
"""

import base64

import pytest

from tests.conformance.kit import Refused, conformance, named
from tests.conformance.kit.lifecycle import is_newer


@pytest.fixture
def secrets(api, namespace):
    return api.of("v1", "Secret", namespace)


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@conformance(
    "[sig-node] Secrets should fail to create secret due to empty secret key [Conformance]"
)
def test_a_secret_with_an_empty_key_is_refused(secrets):
    with pytest.raises(Refused) as refused:
        secrets.create(named("empty-key", data={"": encoded("value-1\n")}))
    assert refused.value.code == 422
    assert secrets.is_gone("empty-key")


@conformance("[sig-node] Secrets should patch a secret [Conformance]")
def test_a_secret_is_patched_and_deleted_by_label(secrets):
    constant = {"labelSelector": "testsecret-constant=true"}
    assert secrets.everywhere().items(**constant) == []
    made = secrets.create(
        named(
            "secret",
            {"testsecret-constant": "true"},
            type="Opaque",
            data={"key": encoded("value")},
        )
    )
    assert secrets.everywhere().names(**constant) == ["secret"]
    patch = {
        "metadata": {"labels": {"testsecret": "true"}},
        "data": {"key": encoded("value1")},
    }
    patched = secrets.patch("secret", patch, form="strategic")
    found = secrets.get("secret")
    assert patched == found and is_newer(found, made)
    assert base64.b64decode(found["data"]["key"]) == b"value1"
    assert found["metadata"]["labels"] == {"testsecret-constant": "true", "testsecret": "true"}
    secrets.delete_collection(labelSelector="testsecret=true")
    assert secrets.everywhere().items(**constant) == []
