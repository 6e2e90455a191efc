"""ConfigMaps and Secrets that stay as they are.

Source: kubernetes test/e2e/common/storage/configmap_volume.go, secrets_volume.go.
"""

import base64

import pytest

from tests.conformance.kit import Refused, conformance, named


def check_immutable(objects, value):
    """See data and `immutable` refuse to change once they must not, and everything else change."""
    current = objects.create(named("immutable", data={f"data-{n}": value for n in (1, 2, 3)}))
    current["data"]["data-4"] = value
    current = objects.update(current)
    assert current["data"]["data-4"] == value
    current["immutable"] = True
    current = objects.update(current)
    assert current["immutable"] is True

    for change in ({"data": {**current["data"], "data-5": value}}, {"immutable": False}):
        with pytest.raises(Refused) as refused:
            objects.update({**current, **change})
        assert (refused.value.code, refused.value.reason) == (422, "Invalid")
        assert objects.get("immutable") == current

    current["metadata"]["labels"] = {"label1": "value1"}
    assert objects.update(current)["metadata"]["labels"] == {"label1": "value1"}
    objects.delete("immutable")
    assert objects.is_gone("immutable")


@conformance(
    "[sig-storage] ConfigMap should be immutable if `immutable` field is set [Conformance]"
)
def test_an_immutable_config_map_stays_as_it_is(api, namespace):
    check_immutable(api.of("v1", "ConfigMap", namespace), "value")


@conformance("[sig-storage] Secrets should be immutable if `immutable` field is set [Conformance]")
def test_an_immutable_secret_stays_as_it_is(api, namespace):
    check_immutable(api.of("v1", "Secret", namespace), base64.b64encode(b"value\n").decode())
