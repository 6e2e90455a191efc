"""What a step of a rollout may do, against values worked out by the rules in Kubernetes' source."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arubeki.controllers.deployment import plan
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds.base import UNSET
from tests.support import play


def deployment(replicas=10, surge="25%", unavailable="25%", **options):
    return play.deployment("web", replicas, surge=surge, unavailable=unavailable, **options)


def replica_set(name, replicas, available=None, age=0, desired=None, maximum=None):
    annotations = {}
    if desired is not None:
        annotations[plan.DESIRED] = str(desired)
    if maximum is not None:
        annotations[plan.MAXIMUM] = str(maximum)
    return apps.ReplicaSet(
        metadata=meta.ObjectMeta(
            name=name,
            annotations=annotations,
            creationTimestamp=f"2026-01-01T00:00:{59 - age:02}Z",
        ),
        spec=apps.ReplicaSetSpec(replicas=replicas),
        status=apps.ReplicaSetStatus(
            replicas=replicas, availableReplicas=replicas if available is None else available
        ),
    )


# The bounds. Source: deployment_util_test.go TestResolveFenceposts, TestMaxUnavailable.


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", (3, 2)),  # surge rounds up, unavailability down
        (1, "25%", "25%", (1, 0)),
        (2, "1%", "0%", (1, 0)),
        (2, "0%", "1%", (0, 1)),  # both would be 0: then one may miss
        (1, 0, "1%", (0, 1)),
        (10, 0, 0, (0, 1)),
        (10, 3, 2, (3, 2)),
        (10, 0, 20, (0, 10)),  # no more than there are
        (5, 0, "50%", (0, 2)),
        (0, "25%", "25%", (0, 0)),
        (0, 1, 1, (1, 0)),
        (3, "100%", "100%", (3, 3)),
        (200, "10%", "5%", (20, 10)),
    ],
)
def test_limits_are_resolved_together(replicas, surge, unavailable, expected):
    assert plan.limits(deployment(replicas, surge, unavailable)) == expected


def test_recreate_has_no_surge_and_nothing_may_miss():
    recreate = play.deployment(strategy=apps.DeploymentStrategy(type="Recreate"))
    assert plan.limits(recreate) == (0, 0)


def test_a_deployment_that_says_nothing_has_one_pod_and_rolls_by_a_quarter():
    plain = apps.Deployment(spec=apps.DeploymentSpec())
    assert (plan.desired(plain), plan.limits(plain)) == (1, (1, 0))


# The new ReplicaSet. Source: rolling_test.go TestDeploymentController_reconcileNewReplicaSet.


@pytest.mark.parametrize(
    ("replicas", "surge", "old", "new", "expected"),
    [
        (10, 0, 10, 0, 0),  # no surge, so an old one must go first
        (10, 2, 10, 0, 2),
        (10, 2, 5, 0, 7),
        (10, 2, 10, 2, 2),
        (10, 2, 2, 12, 10),  # more than wanted
        (10, 2, 13, 0, 0),  # rolled over: no room
        (3, 1, 0, 0, 3),
    ],
)
def test_the_new_set_grows_as_far_as_the_surge_allows(replicas, surge, old, new, expected):
    wanted = deployment(replicas, surge, 0)
    sets = [replica_set("old", old, age=1), replica_set("new", new)]
    assert plan.size_of_new(wanted, sets, sets[1]) == expected


# The old ones. Source: rolling_test.go TestDeploymentController_reconcileOldReplicaSets,
# ..._cleanupUnhealthyReplicas, ..._scaleDownOldReplicaSetsForRollingUpdate.


@pytest.mark.parametrize(
    ("unavailable", "old", "old_available", "new", "new_available", "expected"),
    [
        (0, 10, 10, 0, 0, 10),
        (2, 10, 10, 0, 0, 8),
        (2, 10, 8, 0, 0, 8),  # those that are not available go, no others
        (2, 10, 9, 0, 0, 8),
        (2, 8, 8, 2, 0, 8),  # nothing may miss beyond those of the new one
        (2, 8, 8, 3, 1, 7),
        (2, 8, 8, 5, 0, 8),
        (2, 10, 1, 3, 0, 8),
        (2, 0, 10, 0, 0, 0),
        (2, 10, 8, 5, 1, 7),
    ],
)
def test_old_sets_shrink_as_far_as_availability_allows(
    unavailable, old, old_available, new, new_available, expected
):
    wanted = deployment(10, 3, unavailable)
    before = replica_set("old", old, old_available, age=1)
    after = replica_set("new", new, new_available)
    assert plan.shrunk(wanted, after, [before]).get("old", old) == expected


def test_the_oldest_shrinks_first():
    wanted = deployment(10, 0, 5)
    old = [replica_set("older", 4, age=2), replica_set("old", 6, age=1)]
    assert plan.shrunk(wanted, replica_set("new", 0), old) == {"older": 0, "old": 5}


def test_a_stale_count_of_available_pods_does_not_let_too_many_go():
    # It was shrunk from 10 to 8 a moment ago; its status still counts 10.
    wanted = deployment(10, 3, 2)
    old = replica_set("old", 8, available=10, age=1)
    new = replica_set("new", 5, available=2)
    assert plan.shrunk(wanted, new, [old]) == {"old": 6}


# The number alone. Source: sync_test.go TestScale.


def test_the_only_active_set_gets_the_whole_number():
    old, new = replica_set("old", 3, age=1), replica_set("new", 0)
    assert plan.rescaled(deployment(5), new, [old]) == {"old": 5}
    assert plan.rescaled(deployment(5), replica_set("new", 2), []) == {"new": 5}


def test_without_an_active_one_it_is_the_newest():
    old = [replica_set("older", 0, age=2), replica_set("old", 0, age=1)]
    assert plan.rescaled(deployment(5), None, old) == {"old": 5}
    assert plan.rescaled(deployment(5), replica_set("new", 0), old) == {"new": 5}
    assert plan.rescaled(deployment(5), None, []) == {}


def test_a_saturated_new_set_needs_no_old_ones():
    new = replica_set("new", 10, 10, desired=10)
    old = [replica_set("old", 2, age=1), replica_set("older", 0, age=2)]
    assert plan.rescaled(deployment(10), new, old) == {"old": 0}


@pytest.mark.parametrize(
    ("before", "after", "surge", "sizes", "expected"),
    [
        (10, 12, 0, (5, 5), (6, 6)),
        (10, 20, 0, (2, 8), (4, 16)),
        (10, 5, 0, (5, 5), (3, 2)),  # the older one (first here is new) is shrunk first
        (10, 11, 0, (5, 5), (6, 5)),  # the newer one grows first
        (10, 0, 0, (5, 5), (0, 0)),
        (20, 10, 6, (10, 10), (10, 6)),  # 6 of the 26 that were allowed are not there
        (3, 6, 0, (1, 1, 1), (2, 2, 2)),
        (60, 20, 0, (20, 20, 20), (7, 7, 6)),
        (6, 5, 0, (3, 1, 2), (2, 1, 2)),
        (4, 9, 0, (1, 3), (2, 7)),
    ],
)
def test_a_change_of_the_number_amid_a_rollout_is_shared_by_size(
    before, after, surge, sizes, expected
):
    """`sizes` are those of the new set, then of the old ones, youngest first."""
    maximum = before + surge
    new, *old = [
        replica_set(f"s{age}", size, age=age, available=0, maximum=maximum, desired=before)
        for age, size in enumerate(sizes)
    ]
    found = plan.rescaled(deployment(after, surge, 1), new, old)
    assert tuple(found.get(f"s{age}", size) for age, size in enumerate(sizes)) == expected


def test_shares_are_rounded_half_up():
    # 5 of 10 become 2.5 of 5: three, not the two of Python's round().
    wanted = deployment(5, 0, 1)
    new, old = (
        replica_set(name, 5, available=0, age=age, maximum=10) for age, name in enumerate("no")
    )
    assert plan.rescaled(wanted, new, [old]) == {"n": 3, "o": 2}


def test_a_number_in_an_annotation_counts_if_it_is_one():
    for text, expected in {
        "5": 5, "0": 0, "": None, "x": None, "-1": None, "٣": None, str(2**31): None,
    }.items():  # fmt: skip
        one = replica_set("a", 1).evolve(
            metadata=meta.ObjectMeta(name="a", annotations={plan.DESIRED: text})
        )
        assert plan.annotated(one, plan.DESIRED) == expected


def test_rescaled_is_what_was_sized_for_another_number():
    assert plan.is_rescaled(deployment(5), [replica_set("a", 3, desired=3)])
    assert not plan.is_rescaled(deployment(3), [replica_set("a", 3, desired=3)])
    assert not plan.is_rescaled(deployment(5), [replica_set("a", 0, desired=3)])  # not active
    assert not plan.is_rescaled(deployment(5), [replica_set("a", 3)])  # it does not say


# Templates and names.


def test_the_same_template_is_found_whatever_its_hash_label():
    wanted = play.template()
    marked = wanted.evolve(
        metadata=meta.ObjectMeta(labels={"app": "web", plan.HASH_LABEL: "abc"}, annotations={})
    )
    assert plan.is_same(marked, wanted)
    assert not plan.is_same(UNSET, wanted)
    assert not plan.is_same(play.template(image="two"), wanted)


def test_an_empty_list_says_nothing_but_an_empty_struct_does():
    plain = core.PodTemplateSpec(spec=core.PodSpec(containers=(core.Container(name="a"),)))
    empty = plain.evolve(spec=plain.spec.evolve(tolerations=(), nodeSelector={}))
    volume = core.Volume(name="v")
    assert plan.is_same(empty, plain)
    assert plan.hash_of(empty, 0) == plan.hash_of(plain, 0)
    nothing = plain.evolve(spec=plain.spec.evolve(volumes=(volume,)))
    directory = volume.evolve(emptyDir=core.EmptyDirVolumeSource())
    something = plain.evolve(spec=plain.spec.evolve(volumes=(directory,)))
    assert not plan.is_same(nothing, something)


def test_of_two_sets_of_one_template_the_older_is_the_new_one():
    template = play.template()
    sets = [
        replica_set(name, 1, age=age).evolve(spec=apps.ReplicaSetSpec(template=template))
        for name, age in (("young", 0), ("old", 5))
    ]
    found = plan.new_of(play.deployment(), sets)
    assert found is not None
    assert found.name == "old"


def test_a_hash_is_safe_in_a_name_and_another_after_a_collision():
    first, second = (plan.hash_of(play.template(), count) for count in (0, 1))
    assert first != second
    for one in (first, second):
        assert set(one) <= set("bcdfghjklmnpqrstvwxz2456789")
        assert 1 <= len(one) <= 10


def test_a_name_is_cut_so_that_it_stays_a_name():
    long = play.deployment("a" * 253)
    assert len(plan.name_of(long, "bcdfg")) == 253
    assert plan.name_of(play.deployment("web"), "bcdfg") == "web-bcdfg"


# Properties: a whole rollout, step by step, with Pods that become available in any order.

AMOUNTS = st.one_of(st.integers(0, 6), st.integers(0, 100).map(lambda share: f"{share}%"))


@given(
    replicas=st.integers(0, 12),
    surge=AMOUNTS,
    unavailable=AMOUNTS,
    old=st.lists(st.integers(0, 8), min_size=1, max_size=3),
    data=st.data(),
)
def test_a_rolling_update_keeps_its_bounds_and_ends(replicas, surge, unavailable, old, data):
    wanted = deployment(replicas, surge, unavailable)
    extra, may_miss = plan.limits(wanted)
    sets = {f"old{age}": [size, size] for age, size in enumerate(old, 1)}  # size, available
    sets["new"] = [0, 0]
    most = max(sum(old), replicas + extra)
    least = min(sum(old), replicas - may_miss)
    for step in range(200):
        objects = {
            name: replica_set(name, size, available, age=int(name[3:] or 0))
            for name, (size, available) in sets.items()
        }
        olds = [one for name, one in objects.items() if name != "new"]
        size = plan.size_of_new(wanted, list(objects.values()), objects["new"])
        resized = replica_set("new", size, objects["new"].status.availableReplicas)
        sizes = {"new": size, **plan.shrunk(wanted, resized, olds)}
        is_moving = False
        for name, count in sizes.items():
            known = sets[name]
            is_moving |= known[0] != count
            known[0], known[1] = count, min(known[1], count)
        total, available = (sum(one[index] for one in sets.values()) for index in (0, 1))
        assert total <= most
        assert available >= least
        missing = [one for one in sets.values() if one[1] < one[0]]
        if not is_moving and not missing:
            break
        for one in missing:  # some become available, at last all of them do
            gained = data.draw(st.integers(0, one[0] - one[1])) if step < 20 else math.inf
            one[1] = min(one[0], one[1] + gained)
    assert sets == {**{name: [0, 0] for name in sets}, "new": [replicas, replicas]}


@given(
    missing=st.integers(0, 5),
    after=st.integers(0, 60),
    surge=st.integers(0, 5),
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=4),
)
def test_a_change_of_the_number_is_shared_out_whole(missing, after, surge, sizes):
    new, *old = [
        replica_set(f"s{age}", size, age=age, available=0, maximum=sum(sizes) + missing)
        for age, size in enumerate(sizes)
    ]
    found = plan.rescaled(deployment(after, surge, 1), new, old)
    assert all(size >= 0 for size in found.values())
    assert sum(found.values()) == (after + surge if after else 0)
