import pytest

from arubeki.api import facts
from arubeki.api.objects import GVK


def test_every_stable_kind_has_a_compiled_schema():
    for gvk in facts.kinds():
        schema = facts.schema_of(gvk)
        assert schema is not None
        assert schema.name == facts.definition_name(gvk)
        assert schema.type == "object"


def test_an_unknown_kind_has_no_schema():
    assert facts.schema_of(GVK("example.com", "v1", "Pod")) is None
    assert facts.definition_name(GVK("", "v1", "pod")) is None


def test_list_types_keys_and_strategies_are_told():
    spec = facts.definition("io.k8s.api.core.v1.PodSpec")
    containers = spec.properties["containers"]
    assert (containers.type, containers.list_type, containers.list_keys) == (
        "array",
        "map",
        ("name",),
    )
    assert (containers.merge_key, containers.merge_strategy) == ("name", ("merge",))
    ports = facts.definition("io.k8s.api.core.v1.Container").properties["ports"]
    assert ports.list_keys == ("containerPort", "protocol")
    assert ports.items is not None
    assert ports.items.properties["protocol"].default == "TCP"
    assert spec.properties["volumes"].merge_strategy == ("merge", "retainKeys")
    finalizers = facts.definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta").properties[
        "finalizers"
    ]
    assert finalizers.list_type == "set"


def test_lists_are_atomic_and_maps_granular_unless_said():
    container = facts.definition("io.k8s.api.core.v1.Container")
    assert container.properties["command"].list_type == "atomic"
    labels = facts.definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta").properties[
        "labels"
    ]
    assert (labels.type, labels.map_type) == ("object", "granular")
    assert labels.additional is not None
    assert labels.additional.type == "string"
    assert facts.definition("io.k8s.api.core.v1.SecretKeySelector").map_type == "atomic"
    selector = facts.definition("io.k8s.api.core.v1.ServiceSpec").properties["selector"]
    assert selector.map_type == "atomic"


def test_a_definition_that_refers_to_itself_is_one_node():
    schema = facts.definition(
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    )
    assert schema.properties["properties"].additional is schema
    assert schema.properties["not"] is schema


def test_types_that_read_json_by_themselves_are_told():
    port = facts.definition("io.k8s.api.core.v1.ServicePort").properties["targetPort"]
    assert port.int_or_string
    limits = facts.definition("io.k8s.api.core.v1.ResourceRequirements").properties["limits"]
    assert limits.additional is not None
    assert limits.additional.format == "quantity"
    stamp = facts.definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta").properties[
        "creationTimestamp"
    ]
    assert (stamp.type, stamp.format) == ("string", "date-time")


def test_go_types_are_told_for_messages():
    container = facts.definition("io.k8s.api.core.v1.Container")
    assert container.properties["imagePullPolicy"].go_type == "v1.PullPolicy"
    assert container.properties["ports"].go_type == "[]v1.ContainerPort"
    assert container.properties["resources"].go_type == "v1.ResourceRequirements"


def test_enumerated_words_are_told_sorted():
    assert facts.enum_of("core.v1.PullPolicy") == ("Always", "IfNotPresent", "Never")
    with pytest.raises(KeyError):
        facts.enum_of("core.v1.Nothing")


def test_names_go_short_and_back():
    for gvk in facts.kinds():
        name = facts.definition_name(gvk)
        assert name is not None
        assert facts.full_name(facts.short_name(name)) == name
