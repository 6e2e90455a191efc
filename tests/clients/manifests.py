"""What the clients are given: small programs that run as Pods, and the objects around them."""

import sys

# Answers on the Pod's own address, and ends at once when it is told to.
SERVER = """
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
address = (os.environ["POD_IP"], 8000)
http.server.HTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def config_map(name="a", **data):
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data,
    }  # fmt: skip


def pod(name, script, **spec):
    """A Pod that runs a shell script once."""
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [
            {"name": "c", "image": "sh", "command": ["/bin/sh", "-c", script]}], **spec},
    }  # fmt: skip


def deployment(name="web", replicas=1, script="echo hello; exec sleep 600"):
    """A Deployment of shell scripts."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels}, "spec": pod("", script)["spec"] | {
                "restartPolicy": "Always"}}},
    }  # fmt: skip


def web(name="web", replicas=1, mark="one"):
    """A Deployment of web servers, ready when they answer."""
    found = deployment(name, replicas)
    (container,) = found["spec"]["template"]["spec"]["containers"]
    container |= {
        "command": [sys.executable, "-c", SERVER],
        "env": [
            {"name": "MARK", "value": mark},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "ports": [{"containerPort": 8000}],
        "readinessProbe": {"httpGet": {"port": 8000}, "periodSeconds": 1},
    }
    return found


def definition(group, plural="things", kind="Thing"):
    """A CustomResourceDefinition with a status, a scale and a column."""
    size = {"type": "integer", "minimum": 0, "default": 1}
    schema = {"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"size": size, "text": {"type": "string"}}},
        "status": {"type": "object", "properties": {"size": {"type": "integer"}, "conditions": {
            "type": "array", "items": {"type": "object", "required": ["type"], "properties": {
                "type": {"type": "string"}, "status": {"type": "string"}}}}}},
    }}  # fmt: skip
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
            "versions": [{
                "name": "v1", "served": True, "storage": True,
                "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}, "scale": {
                    "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}},
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
            }],
        },
    }  # fmt: skip


def thing(group, name="t", **spec):
    """One object of such a definition."""
    return {
        "apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec,
    }  # fmt: skip
