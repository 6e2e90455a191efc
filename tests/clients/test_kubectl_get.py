"""kubectl get, describe and the like: every form of output, and every kind in them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from arubeki.check.local import LocalCluster
from tests.clients import manifests
from tests.clients.conftest import Kubectl

pytestmark = pytest.mark.kubectl

TABLES = Path(__file__).parents[1] / "server" / "transcripts"


@pytest.fixture
def two(quick: Kubectl) -> Kubectl:
    """Two ConfigMaps, one of which is labelled."""
    for name, value in (("a", "1"), ("b", "0")):
        made = manifests.config_map(name, x=value)
        made["metadata"]["labels"] = {"part": "of", **({"l": "1"} if name == "a" else {})}
        quick("create", "--validate=false", "-f", "-", stdin=json.dumps(made))
    return quick


def test_objects_in_every_form(two: Kubectl) -> None:
    assert two.json("get", "cm", "a")["data"] == {"x": "1"}
    assert '\n  x: "1"\n' in two("get", "cm", "a", "-o", "yaml")
    forms = {
        "name": "configmap/a configmap/b",
        "jsonpath={.items[*].metadata.name}": "a b",
        "custom-columns=N:.metadata.name,X:.data.x": "N X a 1 b 0",
        "custom-columns=N:.metadata.name,A:.metadata.labels": "N A a map[l:1 part:of] b map[part:of]",
        "go-template={{range .items}}{{.data.x}},{{end}}": "1,0,",
    }
    for form, text in forms.items():
        assert two("get", "cm", "-l", "part", "-o", form).split() == text.split()
    if two.minor >= 21:
        assert "managedFields" not in two("get", "cm", "a", "-o", "json")
        assert "managedFields" in two("get", "cm", "a", "-o", "json", "--show-managed-fields")


def test_objects_in_rows(two: Kubectl) -> None:
    def rows(*words: str) -> list[list[str]]:
        lines = two("get", *words, "-l", "part").splitlines()
        return [re.split(r" {2,}", line.strip()) for line in lines]

    assert [row[:2] for row in rows("cm")] == [["NAME", "DATA"], ["a", "1"], ["b", "1"]]
    assert [row[-1] for row in rows("cm", "--show-labels")] == ["LABELS", "l=1,part=of", "part=of"]
    assert rows("cm", "-L", "l")[0][-1] == "L"
    assert [row[0] for row in rows("cm", "--sort-by=.data.x")] == ["NAME", "b", "a"]
    assert [row[0] for row in rows("cm", "--no-headers", "--show-kind")] == [
        "configmap/a", "configmap/b",
    ]  # fmt: skip
    everywhere = rows("cm", "-A", "--field-selector=metadata.name=a")
    assert everywhere[0][:2] == ["NAMESPACE", "NAME"]
    assert [two.namespace, "a"] in [row[:2] for row in everywhere]
    chunks = rows("cm", "--chunk-size=1")
    assert [row[0] for row in chunks] == ["NAME", "a", "b"]


def test_what_is_not_there_is_told(two: Kubectl) -> None:
    done = two.run("get", "cm", "a", "absent", "-o", "name")
    assert (done.stdout, done.returncode) == ("configmap/a\n", 1)
    assert done.stderr == 'Error from server (NotFound): configmaps "absent" not found\n'
    assert two("get", "cm", "absent", "--ignore-not-found") == ""
    assert two.run("get", "pods").stderr == f"No resources found in {two.namespace} namespace.\n"
    label = two.refused("get", "cm", "--field-selector=data.x=1")
    assert '"data.x" is not a known field selector' in label
    assert "the server could not find the requested resource" in two.refused(
        "get", "--raw", "/apis/nope.example.com/v1"
    )


def every_object(namespace: str) -> list[dict[str, Any]]:
    """Return what the transcripts of Tables make: some objects of each kind, in a namespace."""
    found = []
    for path in sorted(TABLES.glob("tables-*.txt")):
        for block in path.read_text().split("\n\n"):
            line, *rest = block.strip().splitlines() or [""]
            if not line.startswith("POST") or "t.example.com" in block:
                continue
            made = json.loads(rest[0])
            made["metadata"].pop("finalizers", None)
            if "/namespaces/" in line:
                made["metadata"]["namespace"] = namespace
                if "involvedObject" in made:
                    made["involvedObject"]["namespace"] = namespace
            found.append(made)
    # A quota holds for what comes after it.
    return sorted(found, key=lambda made: made["kind"] == "ResourceQuota")


def test_every_kind_is_shown_and_described(quick: Kubectl, quiet: LocalCluster) -> None:
    kinds: set[str] = set()
    for made in every_object(quick.namespace):
        quiet.apply(made)
        group, _, version = made["apiVersion"].rpartition("/")
        kinds.add(f"{made['kind']}.{version}.{group}" if group else made["kind"])
    assert len(kinds) > 50
    served = ",".join(sorted(kinds)).lower()
    shown = quick("get", served, "-o", "wide", "--ignore-not-found")
    assert shown.count("NAME") >= len(kinds) - 1
    if quick.minor < 34:
        # They describe these by versions that Kubernetes serves no more.
        kinds -= {
            "IPAddress.v1.networking.k8s.io",
            "ServiceCIDR.v1.networking.k8s.io",
            "VolumeAttributesClass.v1.storage.k8s.io",
        }
    if quick.minor < 25:
        kinds -= {
            "CronJob.v1.batch",
            "EndpointSlice.v1.discovery.k8s.io",
            "HorizontalPodAutoscaler.v2.autoscaling",
            "PodDisruptionBudget.v1.policy",
        }
    done = quick.run("describe", ",".join(sorted(kinds)).lower())
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Name:") > len(kinds)
    for made in ("clusterrole/t-cr", "csr", "pc/q0"):
        quick("delete", *made.split("/"), *(["--all"] if "/" not in made else []))
