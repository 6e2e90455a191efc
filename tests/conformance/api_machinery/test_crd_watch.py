"""Watches of custom resources.

Source: kubernetes test/e2e/apimachinery/crd_watch.go.
"""

from tests.conformance.kit import conformance, named
from tests.conformance.kit.custom import defined, definition, objects_of


@conformance(
    "[sig-api-machinery] CustomResourceDefinition Watch [Privileged:ClusterAdmin] "
    "CustomResourceDefinition Watch watch on custom resource definition objects [Conformance]"
)
def test_watches_see_each_its_own_custom_resource(api):
    with defined(api, definition()) as made:
        objects = objects_of(api, made)

        def watching(name):
            return objects.watch(fieldSelector=f"metadata.name={name}", timeoutSeconds=600)

        with watching("name1") as a, watching("name2") as b:
            # Each watch is told of the other's object nothing: its next event is about its own.
            for watch, name in ((a, "name1"), (b, "name2")):
                created = objects.create(named(name, content={"key": "value"}))
                assert created["metadata"]["uid"]
                assert created["apiVersion"] == f"{made['spec']['group']}/v1beta1"
                assert created["kind"] == made["spec"]["names"]["kind"]
                assert watch.expect("ADDED", name) == created
            for watch, name in ((a, "name1"), (b, "name2")):
                patch = [{"op": "add", "path": "/dummy", "value": "test"}]
                patched = objects.patch(name, patch, form="json")
                assert watch.expect("MODIFIED", name) == patched
            for watch, name in ((a, "name1"), (b, "name2")):
                objects.delete(name)
                watch.expect("DELETED", name)
            for watch, name in ((a, "name1"), (b, "name2")):
                objects.create(named(name))
                watch.expect("ADDED", name)
