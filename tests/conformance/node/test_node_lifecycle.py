"""Nodes, as objects.

Source: kubernetes test/e2e/node/node_lifecycle.go.
"""

from tests.conformance.kit import conformance, named
from tests.conformance.kit.lifecycle import is_newer


@conformance("[sig-node] Node Lifecycle should run through the lifecycle of a node [Conformance]")
def test_a_node_lives(api, unique):
    nodes = api.of("v1", "Node")
    name = f"fake-{unique}"
    condition = {"type": "Ready", "status": "True", "reason": "E2E", "message": "Set from a test"}
    made = nodes.create(
        named(name, spec={"unschedulable": True}, status={"conditions": [condition]})
    )
    assert made["metadata"]["name"] == name
    assert nodes.get(name)["metadata"]["name"] == name
    patched = nodes.patch(name, {"metadata": {"labels": {name: "patched"}}}, form="strategic")
    assert patched["metadata"]["labels"][name] == "patched"
    assert is_newer(patched, made)
    assert nodes.names(labelSelector=f"{name}=patched") == [name]
    updated = nodes.change(name, lambda obj: obj["metadata"]["labels"].update({name: "updated"}))
    assert updated["metadata"]["labels"][name] == "updated"
    nodes.delete(name)
    nodes.wait_gone(name)
