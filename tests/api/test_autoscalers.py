import json

from arubeki.api import autoscalers


def autoscaler(*metrics, **spec):
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "a", "annotations": {"own": "kept"}},
        "spec": {"maxReplicas": 3, "metrics": list(metrics), **spec},
    }


MEMORY = {
    "type": "Resource",
    "resource": {
        "name": "memory",
        "target": {"type": "AverageValue", "averageValue": "1Gi"},
    },
}
REQUESTS = {
    "type": "Object",
    "object": {
        "describedObject": {"kind": "Ingress", "name": "i", "apiVersion": "networking.k8s.io/v1"},
        "metric": {"name": "rps", "selector": {"matchLabels": {"a": "b"}}},
        "target": {"type": "AverageValue", "averageValue": "2k"},
    },
}


def test_v1_shows_the_cpu_target_as_its_own_field_and_the_rest_as_annotations():
    old = autoscalers.to_v1(autoscaler(MEMORY, autoscalers.cpu_metric(50)))
    assert old["spec"] == {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50}
    annotations = old["metadata"]["annotations"]
    assert annotations["own"] == "kept"
    (metric,) = json.loads(annotations[autoscalers.METRICS])
    assert metric["resource"] == {"name": "memory", "targetAverageValue": "1Gi"}


def test_nothing_is_lost_on_the_way_through_v1():
    behavior = {
        "scaleDown": {
            "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
        }
    }
    new = autoscaler(MEMORY, REQUESTS, autoscalers.cpu_metric(50), behavior=behavior)
    assert autoscalers.to_v2(autoscalers.to_v1(new)) == new


def test_v1_without_a_target_means_eighty_percent():
    old = autoscalers.to_v1(autoscaler())
    assert autoscalers.to_v2(old)["spec"]["metrics"] == [autoscalers.cpu_metric(80)]


def test_annotations_that_are_no_json_are_dropped():
    old = autoscalers.to_v1(autoscaler(autoscalers.cpu_metric(50)))
    old["metadata"]["annotations"][autoscalers.METRICS] = "nonsense"
    new = autoscalers.to_v2(old)
    assert new["spec"]["metrics"] == [autoscalers.cpu_metric(50)]
    assert new["metadata"]["annotations"] == {"own": "kept"}
