"""The order of a Deployment's reconciliation: see `arubeki.controllers.deployment`.

On the ring: [informer > workqueue > **reconcile** > client].
Source: kubernetes pkg/controller/deployment/deployment_controller.go, sync.go, rolling.go, recreate.go.
"""

from dataclasses import dataclass, field

from arubeki.controllers.deployment import plan, revisions, status
from arubeki.errors import NotFound
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta
from arubeki.kinds import pods
from arubeki.runtime.cache import Key
from arubeki.runtime.claim import claimed, watch_claims
from arubeki.runtime.controller import Controller
from arubeki.runtime.results import Again
from arubeki.runtime.session import Session


def controller() -> Controller[Key]:
    """Return the controller."""
    found = Controller[Key]("deployment-controller", reconcile, workers=5)
    found.watch(apps.Deployment)
    watch_claims(found, apps.Deployment, apps.ReplicaSet)

    # Recreate waits for old Pods to be gone. What wakes it then is their ReplicaSet's status, which
    # counts those that run and those that end.
    found.watch(core.Pod, None)
    return found


@dataclass
class State:
    """A Deployment and its ReplicaSets, as this run has read and changed them."""

    deployment: apps.Deployment
    session: Session
    new: apps.ReplicaSet | None
    old: list[apps.ReplicaSet]
    noted: list[apps.DeploymentCondition] = field(default_factory=list)

    @property
    def sets(self) -> list[apps.ReplicaSet]:
        """All ReplicaSets."""
        return [*self.old, *([self.new] if self.new else [])]

    async def scale(self, one: apps.ReplicaSet, replicas: int, *, always: bool = False) -> None:
        """Give a ReplicaSet a size, and say so in an Event.

        What it was sized for is noted with it, `always` also when the size stays.
        """
        before = plan.desired(one)
        if before == replicas and not always:
            return
        notes = revisions.sizes(self.deployment)
        changed = await revisions.change(one, self.session, replicas=replicas, notes=notes)
        if one is self.new:
            self.new = changed
        else:
            self.old = [changed if other is one else other for other in self.old]
        if before != replicas:
            self.tell(one.name, before, replicas)

    def tell(self, name: str, before: int, after: int) -> None:
        """Report a change of size."""
        way = "up" if after > before else "down"
        message = f"Scaled {way} replica set {name} from {before} to {after}"
        self.session.event_about(self.deployment, "Normal", "ScalingReplicaSet", message)

    async def resize(self, sizes: dict[str, int], *, always: bool = False) -> None:
        """Give several ReplicaSets their sizes, by name."""
        for one in self.sets:
            if one.name in sizes:
                await self.scale(one, sizes[one.name], always=always)


async def reconcile(key: Key, session: Session) -> Again | None:
    """Bring the ReplicaSets of a Deployment one step on, and its status to what is."""
    deployment = await session.get(apps.Deployment, key.name, key.namespace)
    if deployment is None:
        session.forget()
        return None
    if revisions.selects_everything(deployment):
        session.event_about(
            deployment, "Warning", "SelectingAll",
            "This deployment is selecting all pods. A non-empty selector is required.",
        )  # fmt: skip
        return None
    sets = await claimed(session, deployment, apps.ReplicaSet)
    new = plan.new_of(deployment, sets)
    state = State(deployment, session, new, [one for one in sets if one is not new])
    if deployment.deleting:
        return await _write_status(state)
    _note_pause(state)
    try:
        is_rolling_out = await _carry_on(state)
    except revisions.NameTaken:
        # Written down, which wakes us again; then the name is another.
        return await _write_status(state, collisions=(deployment.status.collisionCount or 0) + 1)
    except revisions.NotCreated as failure:
        if failure.is_final:
            return None
        _report(state, failure)
        await _write_status(state)
        raise failure.error from failure
    return await _write_status(state, is_rolling_out=is_rolling_out)


async def _carry_on(state: State) -> bool:
    """Carry the rollout one step on; tell whether there may be one: not while paused or rescaled."""
    deployment = state.deployment
    if state.new is not None:
        await _annotate_new(state)
    if deployment.spec.paused:
        # A paused Deployment still keeps its number; it only makes nothing new.
        await state.resize(plan.rescaled(deployment, state.new, state.old), always=True)
        await revisions.forget(deployment, state.old, state.session)
        return False
    if plan.is_rescaled(deployment, state.sets):
        sizes = plan.rescaled(deployment, state.new, state.old)
        if sizes:
            await state.resize(sizes, always=True)
            return False
    if plan.is_rolling(deployment):
        await _ensure_new(state)
        assert state.new is not None
        await state.scale(state.new, plan.size_of_new(deployment, state.sets, state.new))
        await state.resize(plan.shrunk(deployment, state.new, state.old))
    else:
        await _recreate(state)
    if state.new is not None and status.is_complete(
        deployment, status.counts(deployment, state.new, state.sets)
    ):
        await revisions.forget(deployment, state.old, state.session)
    return True


async def _recreate(state: State) -> None:
    """Take all old Pods away, and only then make new ones."""
    await state.resize({one.name: 0 for one in state.old if plan.desired(one)})
    if await _old_runs(state):
        return
    await _ensure_new(state)
    assert state.new is not None
    await state.scale(state.new, plan.desired(state.deployment))


async def _old_runs(state: State) -> bool:
    for one in state.old:
        if one.status.replicas:
            return True
        found = await state.session.index(core.Pod, "owner", one.uid)
        if any(not pods.is_terminal(pod) for pod in found):
            return True
    return False


async def _ensure_new(state: State) -> None:
    """Make the ReplicaSet of the current template if it is missing, and number it."""
    deployment = state.deployment
    if state.new is not None:
        if status.find(deployment, "Progressing") is None:
            _note(state, "FoundNewReplicaSet", f'Found new replica set "{state.new.name}"')
        return
    state.new = await revisions.create(deployment, state.old, state.session)
    if plan.desired(state.new):
        state.tell(state.new.name, 0, plan.desired(state.new))
    await revisions.number(
        deployment, state.new.annotations.get(revisions.REVISION, ""), state.session
    )
    _note(state, "NewReplicaSetCreated", f'Created new replica set "{state.new.name}"')


async def _annotate_new(state: State) -> None:
    assert state.new is not None
    notes = revisions.annotations(state.deployment, state.old, state.new)
    seconds = state.deployment.spec.minReadySeconds or 0
    state.new = await revisions.change(
        state.new, state.session, notes=notes, min_ready_seconds=seconds
    )
    await revisions.number(state.deployment, notes.get(revisions.REVISION, ""), state.session)


def _report(state: State, failure: revisions.NotCreated) -> None:
    """Say in the Progressing condition and in an Event why there is no new ReplicaSet."""
    if status.deadline(state.deployment) is not None:
        reason = "ReplicaSetCreateError"
        state.noted.append(status.condition("Progressing", "False", reason, str(failure)))
    state.session.event_about(state.deployment, "Warning", "ReplicaSetCreateError", str(failure))


def _note(state: State, reason: str, message: str) -> None:
    if status.deadline(state.deployment) is not None:
        state.noted.append(status.condition("Progressing", "True", reason, message))


def _note_pause(state: State) -> None:
    """Say in the Progressing condition that a rollout was paused, or goes on."""
    deployment = state.deployment
    current = status.find(deployment, "Progressing")
    if status.deadline(deployment) is None:
        return
    if current is not None and current.reason == "ProgressDeadlineExceeded":
        return
    was_paused = current is not None and current.reason == "DeploymentPaused"
    if deployment.spec.paused and not was_paused:
        found = status.condition(
            "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"
        )
        state.noted.append(found)
    elif not deployment.spec.paused and was_paused:
        found = status.condition(
            "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed"
        )
        state.noted.append(found)


async def _write_status(
    state: State, *, is_rolling_out: bool = False, collisions: int | None = None
) -> Again | None:
    """Write the status; come again when the deadline of the rollout may have passed."""
    deployment = state.deployment
    judge = status.judged if is_rolling_out else status.measured
    found = judge(deployment, state.new, state.sets, state.noted)
    if collisions is not None:
        found = found.evolve(collisionCount=collisions)
    metadata = meta.ObjectMeta(
        name=deployment.name, namespace=deployment.namespace, uid=deployment.uid
    )
    try:
        await state.session.apply(
            apps.Deployment(metadata=metadata, status=found), subresource="status"
        )
    except NotFound:
        return None
    seconds = status.deadline(deployment)
    if not is_rolling_out or seconds is None or status.is_complete(deployment, found):
        return None
    progressing = next((one for one in found.conditions or () if one.type == "Progressing"), None)
    left = status.expires_in(progressing, seconds)
    # A second more, so that the stamp, which has no fractions, is surely past.
    return Again(left + 1) if left else None
