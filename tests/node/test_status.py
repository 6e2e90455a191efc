"""The phase and the conditions of a Pod, as the kubelet's getPhase and generate.go have them."""

import asyncio

import pytest

from arubeki import clock
from arubeki.kinds import core_v1 as core
from arubeki.node import status
from tests.node.kit import condition, container, pod

RUNNING = core.ContainerState(running=core.ContainerStateRunning())
WAITING = status.waiting("ContainerCreating")


def ended(code):
    return core.ContainerState(terminated=core.ContainerStateTerminated(exitCode=code))


def of(name, state=WAITING, last=None, *, ready=False, started=False):
    return core.ContainerStatus(
        name=name,
        state=state,
        lastState=last or core.ContainerState(),
        ready=ready,
        started=started,
    )


def backing_off(name, code):
    return of(name, status.waiting("CrashLoopBackOff"), ended(code))


def ran(name, code):
    return of(name, ended(code))


def runs(name, **more):
    return of(name, RUNNING, **more)


def phase(mains, inits=(), *, policy="Always", over=False, initialized=True, specs=None, init=()):
    specs = specs or tuple(container(one.name) for one in mains)
    found = pod(*specs, initContainers=tuple(init), restartPolicy=policy)
    return status.phase(found, inits, mains, is_over=over, is_initialized=initialized)


ALL = ("Always", "OnFailure", "Never")


@pytest.mark.parametrize("policy", ALL)
def test_a_container_that_has_not_run_makes_a_pod_pending(policy):
    assert phase([of("a")], policy=policy) == "Pending"
    assert phase([of("a"), runs("b")], policy=policy) == "Pending"
    assert phase([of("a"), ran("b", 1)], policy=policy) == "Pending"


@pytest.mark.parametrize("policy", ALL)
def test_one_that_runs_makes_it_running(policy):
    assert phase([runs("a")], policy=policy) == "Running"
    assert phase([runs("a"), ran("b", 0)], policy=policy) == "Running"
    assert phase([runs("a"), ran("b", 1)], policy=policy) == "Running"


@pytest.mark.parametrize(
    ("policy", "codes", "expected"),
    [
        ("Always", (0, 0), "Running"),
        ("Always", (1, 1), "Running"),
        ("OnFailure", (0, 0), "Succeeded"),
        ("OnFailure", (0, 1), "Running"),
        ("Never", (0, 0), "Succeeded"),
        ("Never", (0, 1), "Failed"),
        ("Never", (1, 1), "Failed"),
    ],
)
def test_when_all_have_ended_the_policy_decides(policy, codes, expected):
    mains = [ran(f"c{index}", code) for index, code in enumerate(codes)]
    assert phase(mains, policy=policy) == expected


def test_between_two_runs_a_pod_is_running():
    assert phase([backing_off("a", 1)]) == "Running"
    assert phase([backing_off("a", 1)], policy="OnFailure") == "Running"
    assert phase([backing_off("a", 0), runs("b")]) == "Running"


def test_a_pod_that_was_stopped_ends_by_its_codes_whatever_the_policy():
    assert phase([ran("a", 0)], over=True) == "Succeeded"
    assert phase([ran("a", 0), ran("b", 137)], over=True) == "Failed"
    assert phase([backing_off("a", 1)], over=True) == "Failed"
    assert phase([backing_off("a", 0)], over=True) == "Failed"  # it was to run once more


@pytest.mark.parametrize(
    ("policy", "state", "expected"),
    [
        ("Always", of("i"), "Pending"),
        ("Always", runs("i"), "Pending"),
        ("Always", ran("i", 1), "Pending"),
        ("OnFailure", ran("i", 1), "Pending"),
        ("OnFailure", backing_off("i", 1), "Pending"),
        ("Never", ran("i", 0), "Pending"),
        ("Never", ran("i", 1), "Failed"),
        ("Never", backing_off("i", 1), "Failed"),
    ],
)
def test_an_init_container_that_is_not_done_holds_the_others_up(policy, state, expected):
    assert phase([of("a")], [state], policy=policy, init=(container("i"),)) == expected


def test_init_containers_that_are_done_are_past():
    init = (container("i"),)
    assert phase([runs("a")], [ran("i", 0)], init=init) == "Running"
    assert phase([ran("a", 0)], [ran("i", 0)], policy="Never", init=init) == "Succeeded"


def test_one_that_repeats_its_work_makes_a_pod_pending_again():
    assert phase([backing_off("a", 1)], [runs("i")], init=(container("i"),)) == "Pending"


def test_a_sidecar_must_have_started_before_the_pod_has():
    init = (container("s", restartPolicy="Always"),)

    def found(mains, sidecar, **more):
        return phase(mains, [sidecar], init=init, policy="Never", **more)

    assert found([runs("a")], runs("s"), initialized=False) == "Pending"
    assert found([runs("a")], runs("s", started=True), initialized=False) == "Running"
    assert found([runs("a")], runs("s"), initialized=True) == "Running"
    assert found([ran("a", 0)], runs("s", started=True)) == "Running"
    assert found([ran("a", 0)], ran("s", 143)) == "Succeeded"
    assert found([ran("a", 1)], ran("s", 0)) == "Failed"
    assert found([runs("a")], of("s")) == "Pending"


def test_a_containers_own_policy_comes_before_the_pods():
    never = container("a", restartPolicy="Never")
    assert phase([ran("a", 1)], specs=(never,)) == "Failed"
    always = container("a", restartPolicy="Always")
    assert phase([ran("a", 1)], specs=(always,), policy="Never") == "Running"


def rule(operator, *values):
    exits = core.ContainerRestartRuleOnExitCodes(operator=operator, values=values)
    return core.ContainerRestartRule(action="Restart", exitCodes=exits)


@pytest.mark.parametrize(
    ("own", "rules", "code", "again"),
    [
        ("Never", (rule("In", 42),), 42, True),
        ("Never", (rule("In", 42),), 41, False),
        ("Never", (rule("NotIn", 42),), 41, True),
        ("Never", (rule("In", 1), rule("In", 42)), 42, True),
        ("OnFailure", (rule("In", 42),), 1, True),
        ("OnFailure", (rule("In", 0),), 0, True),
    ],
)
def test_rules_of_exit_codes_start_a_container_again(own, rules, code, again):
    spec = container("a", restartPolicy=own, restartPolicyRules=rules)
    assert status.comes_again(pod(spec, restartPolicy="Never"), spec, code) is again


# Conditions.


def conditions(found, mains, inits=(), phase="Running", *, has_sandbox=True):
    said = status.conditions(found, phase, inits, mains, has_sandbox=has_sandbox)
    return {one.type: (one.status, one.reason or "", one.message or "") for one in said}


TRUE = ("True", "", "")


def test_a_pod_that_serves_has_all_conditions():
    said = conditions(pod(container("a")), [runs("a", ready=True)])
    assert said == {
        "PodReadyToStartContainers": TRUE,
        "Initialized": TRUE,
        "Ready": TRUE,
        "ContainersReady": TRUE,
        "PodScheduled": TRUE,
    }


def test_containers_that_are_not_ready_are_named():
    found = pod(
        container("a"), container("b"), initContainers=(container("s", restartPolicy="Always"),)
    )
    mains = [runs("a", ready=True), runs("b")]
    said = conditions(found, mains, [runs("s", started=True)])
    unready = ("False", "ContainersNotReady", "containers with unready status: [s b]")
    assert said["ContainersReady"] == said["Ready"] == unready


def test_an_ended_pod_says_how_it_ended():
    found = pod(container("a"), restartPolicy="Never")
    said = conditions(found, [ran("a", 0)], phase="Succeeded", has_sandbox=False)
    assert said["Ready"] == said["ContainersReady"] == ("False", "PodCompleted", "")
    assert said["Initialized"] == ("True", "PodCompleted", "")
    assert said["PodReadyToStartContainers"] == ("False", "", "")
    said = conditions(found, [ran("a", 1)], phase="Failed")
    assert said["Ready"] == said["ContainersReady"] == ("False", "PodFailed", "")
    assert said["Initialized"] == TRUE


def test_init_containers_that_are_not_done_are_named():
    found = pod(
        container("a"),
        initContainers=(container("i"), container("s", restartPolicy="Always"), container("j")),
    )
    inits = [of("i", ended(0), ready=True), runs("s"), of("j")]
    said = conditions(found, [of("a")], inits, "Pending")
    message = "containers with incomplete status: [s j]"
    assert said["Initialized"] == ("False", "ContainersNotInitialized", message)
    inits = [of("i", ended(0), ready=True), runs("s", started=True), of("j", ended(0), ready=True)]
    assert conditions(found, [of("a")], inits, "Pending")["Initialized"] == TRUE


def test_a_sidecar_that_is_started_again_takes_initialized_not_back():
    found = pod(container("a"), initContainers=(container("s", restartPolicy="Always"),))
    said = conditions(found, [runs("a", ready=True)], [backing_off("s", 1)])
    assert said["Initialized"] == TRUE


def gated(*said):
    gates = tuple(core.PodReadinessGate(conditionType=kind) for kind in ("x/a", "x/b"))
    conditions = tuple(core.PodCondition(type=kind, status=value) for kind, value in said)
    return pod(container("a"), readinessGates=gates, status=core.PodStatus(conditions=conditions))


def test_readiness_gates_hold_ready_back_but_not_the_containers():
    mains = [runs("a", ready=True)]
    said = conditions(gated(("x/a", "False")), mains)
    assert said["ContainersReady"] == TRUE
    assert said["Ready"] == (
        "False",
        "ReadinessGatesNotReady",
        'the status of pod readiness gate "x/a" is not "True", but False, '
        'corresponding condition of pod readiness gate "x/b" does not exist.',
    )
    assert conditions(gated(("x/a", "True"), ("x/b", "True")), mains)["Ready"] == TRUE


def test_containers_that_are_not_ready_come_before_closed_gates():
    assert conditions(gated(), [runs("a")])["Ready"][1] == "ContainersNotReady"


def test_a_conditions_time_moves_with_its_status_only():
    async def main():
        old = tuple(
            core.PodCondition(type=kind, status="False", lastTransitionTime="2026-01-01T00:00:00Z")
            for kind in ("Ready", "ContainersReady")
        )
        found = pod(container("a"), status=core.PodStatus(conditions=old))
        await asyncio.sleep(10)

        def times(mains):
            said = status.conditions(found, "Running", (), mains, has_sandbox=True)
            of_pod = pod(status=core.PodStatus(conditions=said))
            return condition(of_pod, "Ready").lastTransitionTime

        assert times([runs("a")]) == "2026-01-01T00:00:00Z"
        assert times([runs("a", ready=True)]) == "2026-01-01T00:00:10Z"

    clock.run_virtual(main())


# The end.


def finished(mains, inits=()):
    inits, mains = status.finished(inits, mains)
    return [
        one.state.terminated.exitCode if one.state.terminated else one.state.waiting.reason
        for one in (*inits, *mains)
    ]


def test_what_was_not_seen_to_end_has_failed():
    assert finished([of("a"), ran("b", 0), runs("c")]) == [137, 0, 137]
    closed = status.finished((), [runs("c", ready=True, started=True)])[1][0]
    assert (closed.ready, closed.started) == (False, False)
    assert closed.state.terminated.reason == "ContainerStatusUnknown"


def test_what_had_not_begun_stays_waiting():
    waits = "ContainerCreating"
    assert finished([of("a")], [of("i"), of("j")]) == [137, waits, waits]
    assert finished([of("a")], [ran("i", 0), runs("j"), of("k")]) == [0, 137, waits, waits]
    assert finished([of("a")], [ran("i", 0)]) == [0, 137]
    assert finished([runs("a")], [ran("i", 0)]) == [0, 137]
