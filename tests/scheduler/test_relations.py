"""Together, apart, spread: what other Pods have to do with where a Pod may go."""

import pytest

from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.scheduler.filters import feasible
from arubeki.scheduler.nodes import PodInfo
from tests.scheduler.test_filters import info
from tests.scheduler.test_scheduler import run, told, where
from tests.support import play
from tests.support.play import NAMESPACE

HOST = "kubernetes.io/hostname"
AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"
SPREAD = "node(s) didn't match pod topology spread constraints"


def term(app="web", topology=HOST, **options):
    if app is not None:
        options["labelSelector"] = meta.LabelSelector(matchLabels={"app": app})
    return core.PodAffinityTerm(topologyKey=topology, **options)


def together(*terms):
    required = core.PodAffinity(requiredDuringSchedulingIgnoredDuringExecution=terms)
    return {"affinity": core.Affinity(podAffinity=required)}


def apart(*terms):
    required = core.PodAntiAffinity(requiredDuringSchedulingIgnoredDuringExecution=terms)
    return {"affinity": core.Affinity(podAntiAffinity=required)}


def spread(skew=1, topology=HOST, app="web", when="DoNotSchedule", **options):
    one = core.TopologySpreadConstraint(
        maxSkew=skew,
        topologyKey=topology,
        whenUnsatisfiable=when,
        labelSelector=meta.LabelSelector(matchLabels={"app": app}),
        **options,
    )
    return {"topologySpreadConstraints": (one,)}


def pod(app="web", namespace=NAMESPACE, labels=None, **spec):
    found = play.pod("p", app=app, labels={"app": app, **(labels or {})}, **spec)
    return found.evolve(metadata=found.metadata.evolve(namespace=namespace))


def zone(name):
    return {"labels": {"zone": name}}


def judged(wanted, *nodes, namespaces=None):
    """Return (names of good nodes, reasons)."""
    good, reasons = feasible(PodInfo(wanted), nodes, namespaces)
    return [one.name for one in good], dict(reasons)


# Together.


def test_a_pod_goes_where_the_other_is():
    wanted = pod("new", **together(term()))
    nodes = info("a", taken=(pod(),)), info("b", taken=(pod("x"),)), info("c")
    assert judged(wanted, *nodes) == (["a"], {AFFINITY: 2})


def test_a_topology_is_more_than_a_node():
    wanted = pod("new", **together(term(topology="zone")))
    nodes = (
        info("a", taken=(pod(),), **zone("north")),
        info("b", **zone("north")),
        info("c", **zone("south")),
        info("d"),  # in no zone at all
    )
    assert judged(wanted, *nodes) == (["a", "b"], {AFFINITY: 2})


def test_all_terms_must_be_met_by_one_pod():
    wanted = pod("new", **together(term(), term(None, labelSelector=meta.LabelSelector(
        matchLabels={"tier": "front"}
    ))))  # fmt: skip
    nodes = (
        info("a", taken=(pod(), pod("x", labels={"tier": "front"}))),
        info("b", taken=(pod(labels={"tier": "front"}),)),
    )
    assert judged(wanted, *nodes) == (["b"], {AFFINITY: 1})


def test_the_first_of_those_that_want_to_be_together_may_begin_anywhere():
    wanted = pod(**together(term(topology="zone")))
    assert judged(wanted, info("a", **zone("north")), info("b")) == (["a"], {AFFINITY: 1})
    other = pod("new", **together(term(topology="zone")))
    assert judged(other, info("a", **zone("north"))) == ([], {AFFINITY: 1})


# Apart.


def test_a_pod_keeps_away_from_the_other():
    wanted = pod("new", **apart(term(topology="zone")))
    nodes = (
        info("a", taken=(pod(),), **zone("north")),
        info("b", **zone("north")),
        info("c", **zone("south")),
        info("d", taken=(pod(),)),  # in no zone, so it is near to nobody
    )
    assert judged(wanted, *nodes) == (["c", "d"], {ANTI_AFFINITY: 2})


def test_who_is_there_already_may_not_want_it():
    guard = pod("guard", **apart(term(topology="zone")))
    nodes = info("a", taken=(guard,), **zone("north")), info("b", **zone("south"))
    assert judged(pod(), *nodes) == (["b"], {EXISTING: 1})
    assert judged(pod("other"), *nodes) == (["a", "b"], {})


def test_siblings_that_keep_apart_get_a_node_each():
    wanted = pod(**apart(term()))
    nodes = info("a", taken=(wanted,)), info("b")
    assert judged(wanted, *nodes) == (["b"], {ANTI_AFFINITY: 1})


# Which Pods a term is about.


@pytest.mark.parametrize(
    ("options", "other", "expected"),
    [
        ({}, pod(), True),
        ({}, pod(namespace="other"), False),
        ({"namespaces": ("other",)}, pod(namespace="other"), True),
        ({"namespaces": ("other",)}, pod(), False),
        ({"namespaceSelector": meta.LabelSelector()}, pod(namespace="other"), True),
        (
            {"namespaceSelector": meta.LabelSelector(matchLabels={"team": "a"})},
            pod(namespace="other"),
            True,
        ),
        ({"namespaceSelector": meta.LabelSelector(matchLabels={"team": "a"})}, pod(), False),
        ({"app": None}, pod(), False),  # no selector: about nobody
        ({"app": None, "labelSelector": meta.LabelSelector()}, pod(), True),
        ({"matchLabelKeys": ("rev",)}, pod(labels={"rev": "1"}), True),
        ({"matchLabelKeys": ("rev",)}, pod(labels={"rev": "2"}), False),
        ({"mismatchLabelKeys": ("rev",)}, pod(labels={"rev": "2"}), True),
        ({"mismatchLabelKeys": ("rev",)}, pod(labels={"rev": "1"}), False),
    ],
)
def test_a_term_is_about_pods_of_labels_and_namespaces(options, other, expected):
    wanted = pod("new", labels={"rev": "1"}, **together(term(**options)))
    good, _ = judged(wanted, info("a", taken=(other,)), namespaces={"other": {"team": "a"}})
    assert bool(good) is expected


# Spread.


def test_pods_go_where_there_are_not_many_more():
    wanted = pod(**spread())
    nodes = info("a", taken=(pod(), pod())), info("b", taken=(pod(),)), info("c", taken=(pod(),))
    assert judged(wanted, *nodes) == (["b", "c"], {SPREAD: 1})
    assert judged(pod(**spread(2)), *nodes) == (["a", "b", "c"], {})
    assert judged(pod(**spread(when="ScheduleAnyway")), *nodes) == (["a", "b", "c"], {})


def test_a_node_without_the_label_is_told_apart():
    wanted = pod(**spread(topology="zone"))
    found = judged(wanted, info("a", **zone("north")), info("b"))
    assert found == (["a"], {f"{SPREAD} (missing required label)": 1})


def test_what_the_constraint_does_not_select_does_not_count():
    wanted = pod(**spread())
    others = pod("x"), pod(namespace="other")
    assert judged(wanted, info("a", taken=others), info("b"))[0] == ["a", "b"]
    alien = pod("x", **spread())  # it would not add to the skew itself
    assert judged(alien, info("a", taken=(pod(),)), info("b"))[0] == ["a", "b"]


def test_pods_that_are_leaving_do_not_count():
    leaving = pod()
    leaving = leaving.evolve(
        metadata=leaving.metadata.evolve(deletionTimestamp="2026-01-01T00:00:00Z")
    )
    assert judged(pod(**spread()), info("a", taken=(leaving,)), info("b"))[0] == ["a", "b"]


def test_too_few_domains_count_as_empty_ones():
    wanted = pod(**spread(minDomains=3))
    nodes = info("a", taken=(pod(),)), info("b", taken=(pod(),))
    assert judged(wanted, *nodes) == ([], {SPREAD: 2})
    assert judged(wanted, *nodes, info("c"))[0] == ["c"]


def test_nodes_that_the_pod_may_not_use_do_not_count_unless_told():
    selector = {"nodeSelector": {"disk": "fast"}}
    fast = {"labels": {"disk": "fast"}}
    nodes = info("a", taken=(pod(),), **fast), info("b")
    assert judged(pod(**spread(), **selector), *nodes)[0] == ["a"]
    ignoring = pod(**spread(nodeAffinityPolicy="Ignore"), **selector)
    assert judged(ignoring, *nodes)[0] == []
    bad = core.Taint(key="k", effect="NoSchedule")
    nodes = info("a", taken=(pod(),)), info("b", taints=(bad,))
    assert judged(pod(**spread()), *nodes)[0] == []
    assert judged(pod(**spread(nodeTaintsPolicy="Honor")), *nodes)[0] == ["a"]


def test_revisions_are_spread_apart_from_each_other():
    wanted = pod(labels={"rev": "2"}, **spread(matchLabelKeys=("rev",)))
    nodes = info("a", taken=(pod(labels={"rev": "1"}),)), info("b")
    assert judged(wanted, *nodes)[0] == ["a", "b"]


# On a server.


def test_one_that_must_keep_apart_waits_until_the_other_leaves_or_changes():
    async def scenario(world, manager, scheduler):
        for name in "abc":
            await world.client.create(play.pod(name, **apart(term())))
            await manager.settle()
        assert await where(world) == {"a": "n1", "b": "n2", "c": ""}
        assert await told(world, "c") == (
            "False",
            "Unschedulable",
            f"0/2 nodes are available: 2 {ANTI_AFFINITY}.",
        )
        patch = {"metadata": {"labels": {"app": "other"}}}
        await world.client.patch(core.Pod, "a", NAMESPACE, patch)
        await manager.settle()
        # It is no longer one that "c" minds, but it still does not want "c" near.
        assert (await told(world, "c"))[2].endswith(f"1 {ANTI_AFFINITY}, 1 {EXISTING}.")
        await world.client.delete(core.Pod, "a", NAMESPACE, grace_seconds=0)
        await manager.settle()
        assert (await where(world))["c"] == "n1"

    run(scenario)


def test_one_that_wants_company_waits_for_it():
    async def scenario(world, manager, scheduler):
        await world.client.create(play.pod("a", app="new", **together(term())))
        await manager.settle()
        assert (await told(world, "a"))[2] == f"0/2 nodes are available: 2 {AFFINITY}."
        await world.client.create(play.pod("b", nodeName="n2"))
        await manager.settle()
        assert (await where(world))["a"] == "n2"

    run(scenario)


def test_namespaces_are_chosen_by_their_labels():
    async def scenario(world, manager, scheduler):
        await world.client.create(play.namespace("other"))
        one = play.pod("b", nodeName="n2")
        await world.client.create(one.evolve(metadata=one.metadata.evolve(namespace="other")))
        chosen = term(namespaceSelector=meta.LabelSelector(matchLabels={"team": "a"}))
        await world.client.create(play.pod("a", app="new", **together(chosen)))
        await manager.settle()
        assert (await where(world))["a"] == ""
        await world.client.patch(
            core.Namespace, "other", "", {"metadata": {"labels": {"team": "a"}}}
        )
        await manager.settle()
        assert (await where(world))["a"] == "n2"

    run(scenario)
