"""Rules of what is told of a Job: what has ended stays ended, and what is told agrees.

A rule is asked only where something that it is about has changed, so that a Job with a status from
before the rule can still be written.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/batch/validation/validation.go (validateJobStatus,
ValidateJobStatusUpdate), pkg/registry/batch/job/strategy.go (getStatusValidationOptions).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from arubeki.api import internal
from arubeki.api.fields import FieldError
from arubeki.api.rules import common, indexes
from arubeki.api.rules.common import Faults

_COUNTS = ("active", "succeeded", "failed", "ready", "terminating")
_CONDITIONS = "status.conditions"
Fields = Mapping[str, Any]


def job_status(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """Check a Job's status, and that it may follow the old one."""
    spec, status, was = new.get("spec", {}), new.get("status", {}), old.get("status", {})
    changed = {name for name in {*status, *was} if status.get(name) != was.get(name)}
    common.not_negative(status, _COUNTS, "status", faults)
    _uncounted(status.get("uncountedTerminatedPods", {}), faults)
    _endings(status, was, changed, faults)
    _finished(spec, status, was, changed, faults)
    _indexes(spec, status, changed, faults)
    _pods(status, was, changed, faults)
    _success(spec, status, faults)
    _steps(spec, status, was, faults)


def _uncounted(pods: Fields, faults: Faults) -> None:
    seen = set()
    for field in ("succeeded", "failed"):
        for index, uid in enumerate(pods.get(field, ())):
            path = f"status.uncountedTerminatedPods.{field}[{index}]"
            if not uid:
                faults.append(FieldError.invalid(path, uid, "must not be empty"))
            elif uid in seen:
                faults.append(FieldError.duplicate(path, uid))
            seen.add(uid)


def _endings(status: Fields, was: Fields, changed: set[str], faults: Faults) -> None:
    """A Job completes or fails, not both, and says when."""
    now, before = partial(indexes.has_condition, status), partial(indexes.has_condition, was)
    complete, failed, target = now("Complete"), now("Failed"), now("FailureTarget")
    turned = {kind for kind in _KINDS if now(kind) != before(kind)}
    completed, started = status.get("completionTime"), status.get("startTime")
    if turned & {"Complete", "Failed"} and complete and failed:
        _refuse("cannot set Complete=True and Failed=true conditions", faults)
    if turned & {"Complete", "FailureTarget"} and complete and target:
        _refuse("cannot set Complete=True and FailureTarget=true conditions", faults)
    timed = "Complete" in turned or "completionTime" in changed
    if timed and completed is not None and not complete:
        fault = "cannot set completionTime when there is no Complete=True condition"
        faults.append(FieldError.invalid("status.completionTime", completed, fault))
    if timed and completed is None and complete:
        needed = "completionTime is required for Complete jobs"
        faults.append(FieldError.required("status.completionTime", needed))
    if changed & {"startTime", "completionTime"} and started and completed and completed < started:
        fault = "must be equal to or after `startTime`"
        faults.append(FieldError.invalid("status.completionTime", completed, fault))
    if ("Failed" in turned or "failedIndexes" in changed) and failed and not target:
        _refuse("cannot set Failed=True condition without the FailureTarget=true condition", faults)
    if turned & {"Complete", "SuccessCriteriaMet"} and complete and not now("SuccessCriteriaMet"):
        fault = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        _refuse(fault, faults)


_KINDS = ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet")


def _finished(spec: Fields, status: Fields, was: Fields, changed: set[str], faults: Faults) -> None:
    """A Job that has ended has no Pods any more."""
    ended = _is_finished(status)
    turned = ended != _is_finished(was)
    if not ended:
        return
    active = status.get("active", 0)
    if (turned or "active" in changed) and active > 0:
        fault = "active>0 is invalid for finished job"
        faults.append(FieldError.invalid("status.active", active, fault))
    never_ran = spec.get("suspend") is True and spec.get("completions") == 0
    if (turned or "startTime" in changed) and not never_ran and "startTime" not in status:
        needed = "startTime is required for finished job"
        faults.append(FieldError.required("status.startTime", needed))
    uncounted = status.get("uncountedTerminatedPods", {})
    waiting = uncounted.get("succeeded") or uncounted.get("failed")
    if (turned or "uncountedTerminatedPods" in changed) and waiting:
        path, fault = "status.uncountedTerminatedPods", "must be empty for finished job"
        shown = internal.of("batch.UncountedTerminatedPods", uncounted)
        faults.append(FieldError.invalid(path, shown, fault))


def _indexes(spec: Fields, status: Fields, changed: set[str], faults: Faults) -> None:
    completions, limited = spec.get("completions"), "backoffLimitPerIndex" in spec
    done, failed = status.get("completedIndexes", ""), status.get("failedIndexes")
    if completions is not None:
        if "completedIndexes" in changed:
            _index_list("completedIndexes", done, completions, faults)
        if "failedIndexes" in changed and limited and failed is not None:
            _index_list("failedIndexes", failed, completions, faults)
    if "completedIndexes" in changed and done and spec.get("completionMode") != "Indexed":
        fault = "cannot set non-empty completedIndexes when non-indexed completion mode"
        faults.append(FieldError.invalid("status.completedIndexes", done, fault))
    if failed is None:
        return
    path = "status.failedIndexes"
    if "failedIndexes" in changed and not limited:
        fault = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        faults.append(FieldError.invalid(path, failed, fault))
    if changed & {"failedIndexes", "completedIndexes"} and completions is not None:
        both = indexes.overlap(done, failed, completions)
        if both is not None:
            fault = f"failedIndexes and completedIndexes overlap at index: {both}"
            faults.append(FieldError.invalid(path, failed, fault))


def _index_list(name: str, text: str, completions: int, faults: Faults) -> None:
    try:
        indexes.count(text, completions)
    except ValueError as error:
        faults.append(FieldError.invalid(f"status.{name}", text, f"error parsing {name}: {error}"))


def _pods(status: Fields, was: Fields, changed: set[str], faults: Faults) -> None:
    leaving, ready = status.get("terminating", 0), status.get("ready", 0)
    ended = _is_finished(status)
    if (ended != _is_finished(was) or "terminating" in changed) and leaving > 0 and ended:
        fault = "terminating>0 is invalid for finished job"
        faults.append(FieldError.invalid("status.terminating", leaving, fault))
    if changed & {"ready", "active"} and ready > status.get("active", 0):
        fault = "cannot set more ready pods than active"
        faults.append(FieldError.invalid("status.ready", ready, fault))


def _success(spec: Fields, status: Fields, faults: Faults) -> None:
    now = partial(indexes.has_condition, status)
    met = now("SuccessCriteriaMet")
    if met and now("Failed"):
        _refuse("cannot set SuccessCriteriaMet=True and Failed=true conditions", faults)
    if met and now("FailureTarget"):
        _refuse("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions", faults)
    if "successPolicy" in spec and not met and now("Complete"):
        fault = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        _refuse(fault, faults)


def _steps(spec: Fields, status: Fields, was: Fields, faults: Faults) -> None:
    """What has ended stays ended, and what was counted is not taken back."""
    now, before = partial(indexes.has_condition, status), partial(indexes.has_condition, was)
    for kind in ("Failed", "Complete", "FailureTarget"):
        if before(kind) and not now(kind):
            _refuse(f"cannot disable the terminal {kind}=True condition", faults)
    scales = spec.get("completionMode") == "Indexed" and (
        spec.get("completions") == spec.get("parallelism")
    )
    for name in ("failed",) if scales else ("failed", "succeeded"):
        if (count := status.get(name, 0)) < was.get(name, 0):
            fault = f"cannot decrease the {name} counter"
            faults.append(FieldError.invalid(f"status.{name}", count, fault))
    completed, was_completed = status.get("completionTime"), was.get("completionTime")
    if completed is not None and was_completed is not None and completed != was_completed:
        faults.append(FieldError.invalid("status.completionTime", completed, common.IMMUTABLE))
    resumes = before("Suspended") and indexes.has_condition(status, "Suspended", "False")
    started, was_started = status.get("startTime"), was.get("startTime")
    moved = was_started is not None and started != was_started
    if moved and not resumes and not spec.get("suspend"):
        fault = "field is immutable for unsuspended job once set"
        faults.append(FieldError.invalid("status.startTime", started, fault))
    if before("SuccessCriteriaMet") and not now("SuccessCriteriaMet"):
        _refuse("cannot disable the SuccessCriteriaMet=True condition", faults)
    elif before("Complete") and not before("SuccessCriteriaMet") and now("SuccessCriteriaMet"):
        fault = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        _refuse(fault, faults)


def _is_finished(status: Fields) -> bool:
    return indexes.has_condition(status, "Complete") or indexes.has_condition(status, "Failed")


def _refuse(fault: str, faults: Faults) -> None:
    faults.append(FieldError.invalid_omitted(_CONDITIONS, fault))
