"""Which of the nodes that can take a Pod should."""

from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.scheduler.nodes import NodeInfo, PodInfo
from arubeki.scheduler.scores import best
from tests.scheduler.test_filters import asking, info, pod, taint, term


def owned(uid="", *containers, name="p", **spec):
    owner = meta.OwnerReference(
        apiVersion="apps/v1", kind="ReplicaSet", name="r", uid=uid, controller=True
    )
    metadata = meta.ObjectMeta(name=name, uid=name, ownerReferences=(owner,) if uid else ())
    return pod(*containers, **spec).evolve(metadata=metadata)


def chosen(wanted, *nodes):
    return best(PodInfo(wanted), nodes).name


def test_the_emptier_node_is_better():
    full = info("a", taken=(pod(asking(cpu="2")),))
    assert chosen(pod(asking(cpu="1")), full, info("b")) == "b"


def test_pods_that_ask_for_nothing_spread_too():
    assert chosen(pod(), info("a", taken=(pod(), pod())), info("b", taken=(pod(),))) == "b"


def test_siblings_spread_even_to_a_fuller_node():
    sibling = info("a", taken=(owned("r"),))
    fuller = info("b", taken=(pod(asking(cpu="1")),))
    assert chosen(owned("r", name="q"), sibling, fuller) == "b"
    assert chosen(owned("other", name="q"), sibling, fuller) == "a"


def test_a_preferred_node_is_better_and_one_with_a_mild_taint_worse():
    preferred = core.PreferredSchedulingTerm(weight=10, preference=term("disk", "In", "fast"))
    affinity = core.NodeAffinity(preferredDuringSchedulingIgnoredDuringExecution=(preferred,))
    wanted = pod(affinity=core.Affinity(nodeAffinity=affinity))
    assert chosen(wanted, info("a"), info("b", labels={"disk": "fast"})) == "b"
    mild = info("a", taints=(taint(effect="PreferNoSchedule"),))
    assert chosen(pod(), mild, info("b")) == "b"
    tolerant = pod(tolerations=(core.Toleration(operator="Exists"),))
    assert chosen(tolerant, mild, info("b")) == "a"


def test_between_equals_the_name_decides():
    assert chosen(pod(), info("b"), info("a")) == "a"


def test_many_siblings_are_shared_out_evenly():
    nodes = [NodeInfo(one.node) for one in (info("a"), info("b"), info("c"))]
    for number in range(30):
        one = PodInfo(owned("r", name=f"p{number}"))
        best(one, nodes).add(one)
    assert [len(one.pods) for one in nodes] == [10, 10, 10]
