"""A Pod as an API server sends it, of the size seen on busy clusters."""

import json
from typing import Any


def big_pod(name: str = "web-0") -> dict[str, Any]:
    """Return a Pod of about 8 KB of JSON, managedFields included."""
    containers = [_container(name) for name in ("app", "proxy", "metrics")]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(name),
        "spec": _spec(containers),
        "status": _status(containers),
    }


def _metadata(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": "shop",
        "uid": "6a1f3f7e-5b3c-4f0e-9a55-0c1f7c1f2c11",
        "resourceVersion": "48112",
        "creationTimestamp": "2026-01-05T07:31:12Z",
        "generateName": "web-",
        "labels": {"app": "web", "pod-template-hash": "7c9f8d6b5", "team": "shop"},
        "annotations": {"checksum/config": "0f" * 32, "example.com/note": "n" * 200},
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": "web-7c9f8d6b5",
                "uid": "0d0f1f55-8a2e-4a1b-b2a7-bb9b8f3b2a10",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
        "managedFields": [
            {
                "manager": "kube-controller-manager",
                "operation": "Update",
                "apiVersion": "v1",
                "time": "2026-01-05T07:31:12Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {f"f:field-{i}": {".": {}} for i in range(60)}},
            }
        ],
    }


def _spec(containers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "containers": containers,
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "nodeName": "n1",
        "preemptionPolicy": "PreemptLowerPriority",
        "priority": 0,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {"fsGroup": 2000, "runAsNonRoot": True},
        "serviceAccount": "default",
        "serviceAccountName": "default",
        "terminationGracePeriodSeconds": 30,
        "tolerations": [
            {
                "effect": "NoExecute",
                "key": f"node.kubernetes.io/{key}",
                "operator": "Exists",
                "tolerationSeconds": 300,
            }
            for key in ("not-ready", "unreachable")
        ],
        "volumes": [
            {"name": "config", "configMap": {"defaultMode": 420, "name": "web-config"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}},
            {
                "name": "token",
                "projected": {
                    "defaultMode": 420,
                    "sources": [
                        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                        {
                            "configMap": {
                                "items": [{"key": "ca.crt", "path": "ca.crt"}],
                                "name": "kube-root-ca.crt",
                            }
                        },
                    ],
                },
            },
        ],
    }


def _status(containers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "phase": "Running",
        "conditions": [
            {
                "type": kind,
                "status": "True",
                "lastProbeTime": None,
                "lastTransitionTime": "2026-01-05T07:31:20Z",
            }
            for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
        ],
        "hostIP": "10.0.0.5",
        "podIP": "10.1.0.17",
        "podIPs": [{"ip": "10.1.0.17"}],
        "qosClass": "Burstable",
        "startTime": "2026-01-05T07:31:12Z",
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "registry.example.com/app@sha256:" + "ab" * 32,
                "containerID": "containerd://" + "cd" * 32,
                "lastState": {},
                "ready": True,
                "restartCount": 0,
                "started": True,
                "state": {"running": {"startedAt": "2026-01-05T07:31:18Z"}},
            }
            for container in containers
        ],
    }


def big_pod_bytes(*, nulls: bool = False) -> bytes:
    """Return the same as compact JSON; `nulls` keeps the `null`s that Go writes."""
    pod = big_pod()
    if not nulls:
        for condition in pod["status"]["conditions"]:
            del condition["lastProbeTime"]
    return json.dumps(pod, separators=(",", ":")).encode()


def _container(name: str) -> dict[str, Any]:
    probe = {
        "failureThreshold": 3,
        "httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"},
        "periodSeconds": 10,
        "successThreshold": 1,
        "timeoutSeconds": 1,
    }
    return {
        "name": name,
        "image": f"registry.example.com/{name}:1.2.3",
        "imagePullPolicy": "IfNotPresent",
        "args": ["--port=8080", "--log-level=info"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "MODE", "value": "production"},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": name}}},
        ],
        "livenessProbe": probe,
        "readinessProbe": probe,
        "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
        "resources": {
            "limits": {"cpu": "1", "memory": "512Mi"},
            "requests": {"cpu": "250m", "memory": "256Mi"},
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/app", "readOnly": True},
            {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
        ],
    }
