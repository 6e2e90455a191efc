"""What objects are charged, and to which quotas."""

import pytest

from arubeki.api import charges
from arubeki.api.charges import CLAIMS, PODS, SERVICES


def container(name="c", requests=None, limits=None, **more):
    resources = {"requests": requests or {}, "limits": limits or {}}
    return {"name": name, "resources": resources, **more}


def pod(*containers, init=(), **spec):
    quality = spec.pop("quality", "Burstable")
    content = {"containers": list(containers), "initContainers": list(init), **spec}
    return {"metadata": {}, "spec": content, "status": {"qosClass": quality}}


def test_a_pod_takes_what_its_containers_ask_for_together():
    one = container(requests={"cpu": "100m", "memory": "1Gi"}, limits={"cpu": "1"})
    found = charges.charge(PODS, pod(one, container("d", requests={"cpu": "0.5"})))
    assert found == {
        "count/pods": "1",
        "pods": "1",
        "cpu": "600m",
        "requests.cpu": "600m",
        "limits.cpu": "1",
        "memory": "1Gi",
        "requests.memory": "1Gi",
    }


def test_a_pod_takes_what_it_needs_at_its_height():
    def cpu(*, init):
        return charges.charge(PODS, pod(container(requests={"cpu": "2"}), init=init))["cpu"]

    assert cpu(init=[container(requests={"cpu": "3"}), container(requests={"cpu": "1"})]) == "3"
    sidecar = container(requests={"cpu": "1"}, restartPolicy="Always")
    assert cpu(init=[sidecar]) == "3"
    assert cpu(init=[sidecar, container(requests={"cpu": "4"})]) == "5"
    assert cpu(init=[container(requests={"cpu": "2500m"}), sidecar]) == "3"


def test_overhead_counts_as_a_request_and_as_a_limit_where_there_is_one():
    overhead = {"cpu": "100m", "memory": "1Mi"}
    found = charges.charge(
        PODS, pod(container(requests={"cpu": "1"}, limits={"cpu": "2"}), overhead=overhead)
    )
    assert (found["cpu"], found["limits.cpu"], found["memory"]) == ("1100m", "2100m", "1Mi")
    assert "limits.memory" not in found


def test_extended_resources_and_huge_pages_have_names_of_their_own():
    asked = {"example.com/gpu": "2", "hugepages-2Mi": "4Mi"}
    found = charges.charge(PODS, pod(container(requests=asked, limits=asked)))
    assert found["requests.example.com/gpu"] == "2"
    assert "example.com/gpu" not in found
    assert found["hugepages-2Mi"] == found["requests.hugepages-2Mi"] == "4Mi"


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_has_ended_takes_its_place_only(phase):
    ended = pod(container(requests={"cpu": "1"}))
    ended["status"]["phase"] = phase
    assert charges.charge(PODS, ended) == {"count/pods": "1"}
    running = pod(container(requests={"cpu": "1"}))
    assert charges.charge(PODS, running, is_overdue=True) == {"count/pods": "1"}


@pytest.mark.parametrize(
    ("spec", "ports", "balancers"),
    [
        ({}, "0", "0"),
        ({"type": "NodePort"}, "2", "0"),
        ({"type": "LoadBalancer"}, "2", "1"),
        ({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}, "1", "1"),
    ],
)
def test_a_service_takes_the_node_ports_that_it_is_going_to_have(spec, ports, balancers):
    spec["ports"] = [{"port": 80}, {"port": 81, "nodePort": 30000}]
    found = charges.charge(SERVICES, {"spec": spec})
    assert found["services"] == found["count/services"] == "1"
    assert found["services.nodeports"] == ports
    assert found["services.loadbalancers"] == balancers


def test_a_claim_is_charged_for_its_class_too():
    spec = {"resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "gold"}
    found = charges.charge(CLAIMS, {"metadata": {}, "spec": spec})
    assert found["requests.storage"] == "1Gi"
    assert found["gold.storageclass.storage.k8s.io/requests.storage"] == "1Gi"
    assert found["gold.storageclass.storage.k8s.io/persistentvolumeclaims"] == "1"


def test_each_resource_is_of_one_kind():
    assert charges.place_of("limits.memory") == PODS
    assert charges.place_of("requests.example.com/gpu") == PODS
    assert charges.place_of("services.nodeports") == SERVICES
    assert charges.place_of("gold.storageclass.storage.k8s.io/requests.storage") == CLAIMS
    assert charges.place_of("secrets") == ("", "secrets")
    assert charges.place_of("count/widgets.example.com") == ("example.com", "widgets")
    assert charges.place_of("nonsense") is None
    assert charges.covered(PODS, ["pods", "secrets", "cpu"]) == {"pods", "cpu"}


def scoped(*scopes, **expression):
    selector = {"scopeSelector": {"matchExpressions": [expression]}} if expression else {}
    return {"spec": {"scopes": list(scopes), **selector}}


def test_scopes_tell_pods_apart():
    ending = pod(activeDeadlineSeconds=0)
    lasting = pod(quality="BestEffort")
    for scope, one in (
        ("Terminating", ending),
        ("NotTerminating", lasting),
        ("BestEffort", lasting),
        ("NotBestEffort", ending),
    ):
        other = lasting if one is ending else ending
        assert charges.matches(scoped(scope), PODS, one)
        assert not charges.matches(scoped(scope), PODS, other)
    assert not charges.matches(scoped("Terminating", "BestEffort"), PODS, ending)
    assert not charges.matches(scoped("BestEffort"), SERVICES, {"spec": {}})


@pytest.mark.parametrize(
    ("operator", "names"),
    [
        ("In", ["high"]),
        ("NotIn", ["low", ""]),
        ("Exists", ["high", "low"]),
        ("DoesNotExist", [""]),
    ],
)
def test_priorities_are_chosen_by_name(operator, names):
    quota = scoped(scopeName="PriorityClass", operator=operator, values=["high"])
    found = [
        name
        for name in ("high", "low", "")
        if charges.matches(quota, PODS, pod(priorityClassName=name))
    ]
    assert found == names


def test_affinity_across_namespaces_is_a_scope():
    quota = scoped("CrossNamespacePodAffinity")
    term = {"topologyKey": "zone", "namespaces": ["other"]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"podAffinityTerm": term}]}
    assert charges.matches(quota, PODS, pod(affinity={"podAffinity": required}))
    assert charges.matches(quota, PODS, pod(affinity={"podAntiAffinity": preferred}))
    assert not charges.matches(quota, PODS, pod())


def test_what_containers_must_say_is_told():
    asked = pod(container("b", requests={"cpu": "1"}), container("a"))
    names = {"pods", "cpu", "limits.memory", "ephemeral-storage"}
    assert charges.unsaid(names, asked["spec"]) == "must specify cpu for: a; limits.memory for: a,b"
    assert charges.unsaid({"pods"}, asked["spec"]) == ""


def test_amounts_are_added_subtracted_and_written():
    assert charges.add({"cpu": "1"}, {"cpu": "500m", "pods": "1"}) == {"cpu": "1500m", "pods": "1"}
    assert charges.subtract({"cpu": "1", "pods": "1"}, {"cpu": "2"}) == {"cpu": "0", "pods": "1"}
    assert charges.written({"pods": "1", "cpu": "0.5"}) == "cpu=500m,pods=1"
