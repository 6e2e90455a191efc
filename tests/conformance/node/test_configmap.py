"""ConfigMaps, as objects.

Source: kubernetes test/e2e/common/node/configmap.go.
"""

import pytest

from tests.conformance.kit import Refused, conformance, named
from tests.conformance.kit.lifecycle import contains, is_newer


@pytest.fixture
def config_maps(api, namespace):
    return api.of("v1", "ConfigMap", namespace)


@conformance("[sig-node] ConfigMap should fail to create ConfigMap with empty key [Conformance]")
def test_a_config_map_with_an_empty_key_is_refused(config_maps):
    with pytest.raises(Refused) as refused:
        config_maps.create(named("empty-key", data={"": "value-1"}))
    assert refused.value.code == 422
    assert config_maps.is_gone("empty-key")


@conformance(
    "[sig-node] ConfigMap should update ConfigMap successfully [Conformance] [NodeConformance]"
)
def test_a_config_map_is_updated(config_maps):
    config_maps.create(named("map", data={f"data-{one}": f"value-{one}" for one in (1, 2, 3)}))
    config_maps.update(named("map", data={"data": "value"}))
    assert config_maps.get("map")["data"] == {"data": "value"}


@conformance("[sig-node] ConfigMap should run through a ConfigMap lifecycle [Conformance]")
def test_a_config_map_lives(config_maps):
    static = {"labelSelector": "test-configmap-static=true"}
    since = config_maps.list(**static)["metadata"]["resourceVersion"]
    with config_maps.watch(resourceVersion=since, **static) as watch:
        config_maps.create(
            named("map", {"test-configmap-static": "true"}, data={"valueName": "value"})
        )
        watch.expect("ADDED", "map")
        found = config_maps.get("map")
        assert found["data"] == {"valueName": "value"}
        assert found["metadata"]["labels"] == {"test-configmap-static": "true"}

        patch = {
            "metadata": {"labels": {"test-configmap": "patched"}},
            "data": {"valueName": "value1"},
        }
        patched = config_maps.patch("map", patch, form="strategic")
        assert is_newer(patched, found)
        assert watch.expect("MODIFIED", "map") == patched == config_maps.get("map")
        (listed,) = config_maps.everywhere().items(labelSelector="test-configmap=patched")
        assert contains(listed, patch)
        assert listed["metadata"]["namespace"] == found["metadata"]["namespace"]
        assert listed["metadata"]["labels"]["test-configmap-static"] == "true"

        config_maps.delete_collection(**static)
        watch.expect("DELETED", "map")
    assert config_maps.items(**static) == []
