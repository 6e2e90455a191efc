"""The columns of what runs Pods: apps, batch, autoscaling, policy, and core's older kinds.

On the ring: [storage > **server** > HTTP]. Source: kubernetes pkg/printers/internalversion/printers.go.
"""

from dataclasses import replace

from arubeki import clock
from arubeki.server.table.columns import (
    AGE,
    NAME,
    Cell,
    Column,
    Columns,
    Object,
    at,
    condition,
    dig,
    duration,
    elapsed,
    labels_at,
    plain,
    selector,
    selector_at,
    since,
    size,
    template,
)
from arubeki.server.table.metrics import targets


def _of(part: tuple[str, ...], whole: tuple[str, ...]) -> Cell:
    return plain(lambda obj: f"{dig(obj, *part, default=0)}/{dig(obj, *whole, default=0)}")


def _count(name: str, description: str, *path: str, type: str = "integer") -> Column:
    return Column(name, description, at(*path, default=0), type)


def _selector(*path: str, cell: Cell | None = None) -> Column:
    return Column("Selector", "Labels of its Pods.", cell or selector_at(*path), priority=1)


def _invalid(obj: Object) -> str:
    return selector(dig(obj, "spec", "selector"), empty="", wrong="<invalid>")


def _completions(obj: Object) -> str:
    done = dig(obj, "status", "succeeded", default=0)
    wanted = dig(obj, "spec", "completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallelism = dig(obj, "spec", "parallelism", default=0)
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _lasted(obj: Object, now: float) -> str:
    started, ended = dig(obj, "status", "startTime"), dig(obj, "status", "completionTime")
    if not started:
        return ""
    if not ended:
        return since(started, now)
    return duration(clock.parse_timestamp(ended) - clock.parse_timestamp(started))


_JOB_ENDED = (("Complete", "Complete"), ("Failed", "Failed"))
_JOB_GOING = ("Suspended", "FailureTarget", "SuccessCriteriaMet")


def _job_status(obj: Object) -> str:
    def is_true(kind: str) -> bool:
        return condition(obj, kind).get("status") == "True"

    for kind, word in _JOB_ENDED:
        if is_true(kind):
            return word
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((kind for kind in _JOB_GOING if is_true(kind)), "Running")


def _suspend(obj: Object) -> str:
    value = dig(obj, "spec", "suspend")
    return "<unset>" if value is None else str(bool(value))


def _controller(obj: Object) -> str:
    for owner in dig(obj, "metadata", "ownerReferences", default=()):
        if owner.get("controller"):
            group = owner["apiVersion"].rpartition("/")[0]
            kind = f"{owner['kind']}.{group}" if group else owner["kind"]
            return f"{kind.lower()}/{owner['name']}"
    return "<none>"


def _reference(obj: Object) -> str:
    found = dig(obj, "spec", "scaleTargetRef", default={})
    return f"{found.get('kind', '')}/{found.get('name', '')}"


def _text(*path: str, default: str) -> Cell:
    return plain(lambda obj: str(dig(obj, *path, default=default)))


_REPLICAS = (
    NAME,
    _count("Desired", "Pods wanted.", "spec", "replicas"),
    _count("Current", "Pods there are.", "status", "replicas"),
    _count("Ready", "Pods that are ready.", "status", "readyReplicas"),
    AGE,
    *template("spec", "template"),
)
_READY = Column(
    "Ready",
    "Pods that are ready, of those wanted.",
    _of(("status", "readyReplicas"), ("spec", "replicas")),
)
_POD_TEMPLATE = template("template")

WORKLOADS: dict[tuple[str, str], Columns] = {
    ("", "ReplicationController"): Columns.of(
        *_REPLICAS, _selector(cell=labels_at("spec", "selector"))
    ),
    ("", "PodTemplate"): Columns.of(
        NAME,
        *(replace(one, priority=0) for one in _POD_TEMPLATE),
        Column("Pod Labels", "Labels of the template's Pods.",
               labels_at("template", "metadata", "labels")),
    ),
    ("apps", "ReplicaSet"): Columns.of(*_REPLICAS, _selector("spec", "selector")),
    ("apps", "Deployment"): Columns.of(
        NAME,
        _READY,
        _count("Up-to-date", "Pods of the newest template.", "status", "updatedReplicas",
               type="string"),
        _count("Available", "Pods that have been ready long enough.", "status",
               "availableReplicas", type="string"),
        AGE,
        *template("spec", "template"),
        _selector(cell=plain(_invalid)),
    ),
    ("apps", "StatefulSet"): Columns.of(NAME, _READY, AGE, *template("spec", "template")),
    ("apps", "DaemonSet"): Columns.of(
        NAME,
        _count("Desired", "Nodes that should run its Pod.", "status", "desiredNumberScheduled"),
        _count("Current", "Nodes that run it.", "status", "currentNumberScheduled"),
        _count("Ready", "Nodes on which it is ready.", "status", "numberReady"),
        _count("Up-to-date", "Nodes with the newest template.", "status",
               "updatedNumberScheduled"),
        _count("Available", "Nodes on which it has been ready long enough.", "status",
               "numberAvailable"),
        Column("Node Selector", "Labels of the nodes meant.",
               labels_at("spec", "template", "spec", "nodeSelector")),
        AGE,
        *template("spec", "template"),
        _selector("spec", "selector"),
    ),
    ("apps", "ControllerRevision"): Columns.of(
        NAME,
        Column("Controller", "What it is a revision of.", plain(_controller)),
        _count("Revision", "Its number; newer ones are greater.", "revision", type="string"),
        AGE,
    ),
    ("batch", "Job"): Columns.of(
        NAME,
        Column("Status", "How far it is.", plain(_job_status)),
        Column("Completions", "Pods that succeeded, of those needed.", plain(_completions)),
        Column("Duration", "How long it has run, or ran.", _lasted),
        AGE,
        *template("spec", "template"),
        _selector("spec", "selector"),
    ),
    ("batch", "CronJob"): Columns.of(
        NAME,
        Column("Schedule", "When it starts Jobs, in cron's notation.", at("spec", "schedule")),
        Column("Timezone", "The zone in which the schedule is read.",
               at("spec", "timeZone", default="<none>")),
        Column("Suspend", "Whether it starts no Jobs for now.", plain(_suspend), "boolean"),
        Column("Active", "Jobs that run now.", size("status", "active"), "integer"),
        Column("Last Schedule", "Time since it last started a Job.",
               elapsed("status", "lastScheduleTime", default="<none>")),
        AGE,
        *template("spec", "jobTemplate", "spec", "template"),
        _selector("spec", "jobTemplate", "spec", "selector"),
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): Columns.of(
        NAME,
        Column("Reference", "What it scales.", plain(_reference)),
        Column("Targets", "What is measured, and what is aimed at.", plain(targets)),
        Column("MinPods", "The fewest Pods it asks for.",
               _text("spec", "minReplicas", default="<unset>")),
        _count("MaxPods", "The most Pods it asks for.", "spec", "maxReplicas", type="string"),
        _count("Replicas", "Pods there are.", "status", "currentReplicas", type="string"),
        AGE,
    ),
    ("policy", "PodDisruptionBudget"): Columns.of(
        NAME,
        Column("Min Available", "The fewest Pods that must be available.",
               _text("spec", "minAvailable", default="N/A")),
        Column("Max Unavailable", "The most Pods that may be unavailable.",
               _text("spec", "maxUnavailable", default="N/A")),
        _count("Allowed Disruptions", "Pods that may be evicted now.", "status",
               "disruptionsAllowed"),
        AGE,
    ),
}  # fmt: skip

SCALE = Columns.of(
    replace(NAME, format=""),
    _count("Desired", "Pods wanted.", "spec", "replicas"),
    _count("Available", "Pods there are.", "status", "replicas"),
    AGE,
)
"""The columns of a `scale` subresource."""
