"""Objects that tests of workloads share."""

from tests.conformance.kit.collection import named


def pod_spec(**more):
    return {"containers": [{"name": "c", "image": "pause"}], **more}


def template(labels, **more):
    return {"metadata": {"labels": labels}, "spec": pod_spec(**more)}


def replicated(name, labels, replicas, *, selector=None, **more):
    """Return a Deployment's or ReplicaSet's object; a ReplicationController's with `selector`."""
    spec = {
        "replicas": replicas,
        "selector": selector or {"matchLabels": labels},
        "template": template(labels, **more),
    }
    return named(name, labels, spec=spec)
