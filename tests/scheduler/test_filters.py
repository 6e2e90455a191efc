"""Which nodes can take a Pod, in the words of kube-scheduler where none can."""

from collections import Counter

import pytest

from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.scheduler.filters import explanation, feasible, matches_term, tolerates
from arubeki.scheduler.nodes import NodeInfo, PodInfo, host_ports, requests
from tests.support import play

SELECTOR = "node(s) didn't match Pod's node affinity/selector"
PORTS = "node(s) didn't have free ports for the requested pod ports"


def info(name="n1", taken=(), taints=(), **options):
    found = NodeInfo(play.node(name, taints=taints, **options))
    for number, pod in enumerate(taken):
        uid = f"{name}-{number}"
        found.add(PodInfo(pod.evolve(metadata=pod.metadata.evolve(uid=uid))))
    return found


def asking(**amounts):
    """A container that asks for amounts."""
    names = {"storage": "ephemeral-storage", "gpu": "example.com/gpu"}
    wanted = {names.get(name, name): text for name, text in amounts.items()}
    return core.Container(name="c", image="i", resources=core.ResourceRequirements(requests=wanted))


def pod(*containers, inits=(), **spec):
    spec = {"containers": containers or (core.Container(name="c"),), **spec}
    if inits:
        spec["initContainers"] = inits
    return core.Pod(metadata=meta.ObjectMeta(name="p", namespace="ns"), spec=core.PodSpec(**spec))


def listening(number, address="", protocol="TCP"):
    port = core.ContainerPort(containerPort=1, hostPort=number, hostIP=address, protocol=protocol)
    return pod(core.Container(name="c", ports=(port,)))


def affine(*terms):
    required = core.NodeSelector(nodeSelectorTerms=terms)
    affinity = core.NodeAffinity(requiredDuringSchedulingIgnoredDuringExecution=required)
    return core.Affinity(nodeAffinity=affinity)


def term(key="", operator="In", *values, fields=False):
    one = core.NodeSelectorRequirement(key=key, operator=operator, values=values)
    return core.NodeSelectorTerm(**{"matchFields" if fields else "matchExpressions": (one,)})


def taint(key="k", value="v", effect="NoSchedule"):
    return core.Taint(key=key, value=value, effect=effect)


@pytest.mark.parametrize(
    ("wanted", "node", "reason"),
    [
        (pod(), info(), ""),
        (pod(), info(unschedulable=True), "node(s) were unschedulable"),
        (
            pod(
                tolerations=(
                    core.Toleration(key="node.kubernetes.io/unschedulable", operator="Exists"),
                )
            ),
            info(unschedulable=True),
            "",
        ),
        (pod(nodeName="n2"), info(), "node(s) didn't match the requested node name"),
        (pod(), info(taints=(taint(),)), "node(s) had untolerated taint(s)"),
        (pod(), info(taints=(taint(effect="NoExecute"),)), "node(s) had untolerated taint(s)"),
        (pod(), info(taints=(taint(effect="PreferNoSchedule"),)), ""),
        (pod(tolerations=(core.Toleration(operator="Exists"),)), info(taints=(taint(),)), ""),
        (pod(nodeSelector={"disk": "fast"}), info(), SELECTOR),
        (pod(nodeSelector={"disk": "fast"}), info(labels={"disk": "fast"}), ""),
        (pod(affinity=affine(term("disk", "In", "fast"))), info(labels={"disk": "slow"}), SELECTOR),
        (pod(affinity=affine(term("disk", "In", "fast"))), info(labels={"disk": "fast"}), ""),
        (pod(affinity=affine(term("metadata.name", "In", "n1", fields=True))), info(), ""),
        (pod(affinity=affine(term("metadata.name", "In", "n2", fields=True))), info(), SELECTOR),
        # One of several terms is enough; one without an expression matches nothing.
        (pod(affinity=affine(term("a", "Exists"), term("a", "DoesNotExist"))), info(), ""),
        (pod(affinity=affine(core.NodeSelectorTerm())), info(), SELECTOR),
        (pod(asking(cpu="4")), info(), ""),
        (pod(asking(cpu="4001m")), info(), "Insufficient cpu"),
        (pod(asking(memory="9Gi")), info(), "Insufficient memory"),
        (pod(asking(storage="1")), info(), "Insufficient ephemeral-storage"),
        (pod(asking(gpu="1")), info(), "Insufficient example.com/gpu"),
        (pod(asking(gpu="0")), info(), ""),
        (pod(), info(pods=0), "Too many pods"),
        (pod(asking(cpu="1")), info(taken=(pod(asking(cpu="3")),)), ""),
        (pod(asking(cpu="1001m")), info(taken=(pod(asking(cpu="3")),)), "Insufficient cpu"),
        (listening(80), info(taken=(listening(80),)), PORTS),
        (listening(80), info(taken=(listening(81),)), ""),
        (listening(80), info(taken=(listening(80, protocol="UDP"),)), ""),
        (listening(80, "10.0.0.1"), info(taken=(listening(80, "10.0.0.2"),)), ""),
        (listening(80, "10.0.0.1"), info(taken=(listening(80),)), PORTS),
        (listening(80), info(taken=(listening(80, "10.0.0.1"),)), PORTS),
    ],
)
def test_a_node_can_take_a_pod_or_says_what_keeps_it(wanted, node, reason):
    good, reasons = feasible(PodInfo(wanted), [node])
    assert ([one.name for one in good], dict(reasons)) == (
        ([], {reason: 1}) if reason else (["n1"], {})
    )


def test_all_that_is_lacking_is_told_at_once():
    _, reasons = feasible(PodInfo(pod(asking(cpu="5", memory="9Gi"))), [info(pods=0)])
    assert reasons == Counter(["Insufficient cpu", "Insufficient memory", "Too many pods"])


def test_the_explanation_counts_reasons_in_order():
    nodes = [info("a", unschedulable=True), info("b", cpu="1"), info("c", cpu="1")]
    _, reasons = feasible(PodInfo(pod(asking(cpu="2"))), nodes)
    assert explanation(3, reasons) == (
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu."
    )
    assert explanation(0, {}) == "no nodes available to schedule pods"


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "x"}, False),
        ({"key": "x", "value": "v"}, False),
        ({"key": "k", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "k", "value": "v", "effect": "NoSchedule"}, True),
        ({"value": "v"}, False),
        ({}, False),
    ],
)
def test_a_toleration_covers_a_taint(toleration, expected):
    assert tolerates(core.Toleration(**toleration), taint()) is expected


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("In", ("5", "6"), True),
        ("In", ("6",), False),
        ("NotIn", ("6",), True),
        ("NotIn", ("5",), False),
        ("Exists", (), True),
        ("DoesNotExist", (), False),
        ("Gt", ("4",), True),
        ("Gt", ("5",), False),
        ("Lt", ("6",), True),
        ("Lt", ("x",), False),
        ("Gt", (), False),
    ],
)
def test_an_expression_matches_labels(operator, values, expected):
    node = info(labels={"n": "5"})
    assert matches_term(term("n", operator, *values), node) is expected


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("In", ("5",), False),
        ("NotIn", ("5",), True),
        ("DoesNotExist", (), True),
        ("Gt", ("1",), False),
    ],
)
def test_an_expression_about_a_label_that_is_not_there(operator, values, expected):
    assert matches_term(term("n", operator, *values), info()) is expected


# What a Pod asks for. Source: component-helpers resource/helpers_test.go.


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (pod(asking(cpu="1"), asking(cpu="500m")), {"cpu": 1500}),
        (pod(asking(cpu="100m"), inits=(asking(cpu="1"), asking(cpu="2"))), {"cpu": 2000}),
        (pod(asking(cpu="3"), inits=(asking(cpu="1"),)), {"cpu": 3000}),
        (pod(asking(memory="1Mi"), overhead={"memory": "1Ki"}), {"memory": 1049600}),
        (pod(asking(cpu="0.5m")), {"cpu": 1}),
        # A sidecar counts beside the containers, and beside the init containers after it.
        (
            pod(
                asking(cpu="1"),
                inits=(asking(cpu="2").evolve(restartPolicy="Always"), asking(cpu="2")),
            ),
            {"cpu": 4000},
        ),
        (
            pod(
                asking(cpu="1"),
                inits=(asking(cpu="2"), asking(cpu="2").evolve(restartPolicy="Always")),
            ),
            {"cpu": 3000},
        ),
    ],
)
def test_what_a_pod_asks_for(wanted, expected):
    assert requests(wanted) == {"pods": 1, **expected}


def test_ports_of_the_node_are_those_with_a_number_there():
    assert list(host_ports(listening(80))) == [("0.0.0.0", 80, "TCP")]
    assert list(host_ports(pod())) == []


def test_a_pod_is_counted_once_and_no_more_when_it_is_gone():
    node = info()
    one = PodInfo(listening(80).evolve(metadata=meta.ObjectMeta(name="p", uid="u")))
    node.add(one)
    node.add(one)
    assert (node.requested["pods"], dict(node.ports)) == (1, {("0.0.0.0", 80, "TCP"): 1})
    node.remove("u")
    node.remove("u")
    assert (node.requested["pods"], dict(node.ports), node.pods) == (0, {}, {})
