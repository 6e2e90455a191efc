"""Rules of Jobs and of the templates that CronJobs make them from.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/batch/validation/validation.go, pkg/registry/batch/job/strategy.go.
"""

from collections.abc import Mapping
from typing import Any

from arubeki.api import internal, names, selectors
from arubeki.api.fields import FieldError
from arubeki.api.rules import common, indexes, jobpolicies, pods, workloads
from arubeki.api.rules.common import Faults

UID_LABEL = "batch.kubernetes.io/controller-uid"
NAME_LABEL = "batch.kubernetes.io/job-name"
OLD_UID_LABEL, OLD_NAME_LABEL = "controller-uid", "job-name"

_PARALLEL_MAX = 100_000
_FAILED_INDEXES_MAX = 100_000
_MANY_COMPLETIONS = 100_000
_WITH_MANY_MAX = 10_000
_MANAGED_BY_MAX_BYTES = 63
_MODES = ("NonIndexed", "Indexed")
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
)
_FIXED = (
    "completionMode",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
)
_DIRECTIVES = ("nodeSelector", "tolerations", "schedulingGates")


def job(obj: dict[str, Any], faults: Faults) -> None:
    """Check a new Job, whose selector and labels the server has made unless it says otherwise."""
    _generated(obj, faults, prefixed=True)
    _whole_spec(obj.get("spec", {}), faults)
    _names_of_pods(obj, faults)


def job_update(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """Check a Job that was another before: what it runs stays, how much of it may change."""
    after, before = new.get("spec", {}), old.get("spec", {})
    _whole_spec(after, faults)
    _completions_change(after, before, faults)
    common.unchanged(after.get("selector"), before.get("selector"), "spec.selector", faults)
    _template_change(after, old, faults)
    for name in _FIXED:
        common.unchanged(after.get(name), before.get(name), f"spec.{name}", faults)
    _names_of_pods(new, faults)


def job_spec(spec: dict[str, Any], path: str, faults: Faults) -> None:
    """Check what a Job and a template of Jobs share."""
    common.not_negative(spec, _COUNTS, path, faults)
    common.not_negative(spec, ("maxFailedIndexes",), path, faults)
    if "maxFailedIndexes" in spec and "backoffLimitPerIndex" not in spec:
        needed = "when maxFailedIndexes is specified"
        faults.append(FieldError.required(f"{path}.backoffLimitPerIndex", needed))
    if (manager := spec.get("managedBy")) is not None:
        common.domain_prefixed_path(manager, f"{path}.managedBy", faults)
        if len(manager.encode()) > _MANAGED_BY_MAX_BYTES:
            faults.append(FieldError.too_long(f"{path}.managedBy", _MANAGED_BY_MAX_BYTES))
    _mode(spec, path, faults)
    if (policy := spec.get("podFailurePolicy")) is not None:
        jobpolicies.failure(policy, spec, f"{path}.podFailurePolicy", faults)
    if (policy := spec.get("successPolicy")) is not None:
        if spec.get("completionMode") != "Indexed":
            fault = "requires indexed completion mode"
            shown = internal.of("batch.SuccessPolicy", policy)
            faults.append(FieldError.invalid(f"{path}.successPolicy", shown, fault))
        else:
            jobpolicies.success(policy, spec, f"{path}.successPolicy", faults)
    jobpolicies.replacement(spec, f"{path}.podReplacementPolicy", faults)
    template = spec.get("template", {})
    pods.template(template, f"{path}.template", faults)
    _restart_policy(template, spec, f"{path}.template.spec.restartPolicy", faults)


def _mode(spec: dict[str, Any], path: str, faults: Faults) -> None:
    mode = spec.get("completionMode")
    if mode is not None and mode not in _MODES:
        faults.append(FieldError.not_supported(f"{path}.completionMode", mode, _MODES))
    if mode == "Indexed":
        _indexed(spec, path, faults)
    elif mode in (None, "NonIndexed"):
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if name in spec:
                fault = "requires indexed completion mode"
                faults.append(FieldError.invalid(f"{path}.{name}", spec[name], fault))


def _indexed(spec: dict[str, Any], path: str, faults: Faults) -> None:
    completions, failed = spec.get("completions"), spec.get("maxFailedIndexes")
    parallelism = spec.get("parallelism", 0)
    if completions is None:
        needed = "when completion mode is Indexed"
        faults.append(FieldError.required(f"{path}.completions", needed))
    if parallelism > _PARALLEL_MAX:
        fault = f"must be less than or equal to {_PARALLEL_MAX} when completion mode is Indexed"
        faults.append(FieldError.invalid(f"{path}.parallelism", parallelism, fault))
    if completions is not None and failed is not None and failed > completions:
        fault = "must be less than or equal to completions"
        faults.append(FieldError.invalid(f"{path}.maxFailedIndexes", failed, fault))
    if failed is not None and failed > _FAILED_INDEXES_MAX:
        fault = f"must be less than or equal to {_FAILED_INDEXES_MAX}"
        faults.append(FieldError.invalid(f"{path}.maxFailedIndexes", failed, fault))
    if (completions or 0) <= _MANY_COMPLETIONS or "backoffLimitPerIndex" not in spec:
        return
    if failed is None:
        needed = f"must be specified when completions is above {_MANY_COMPLETIONS}"
        faults.append(FieldError.required(f"{path}.maxFailedIndexes", needed))
    for name, value in (("parallelism", parallelism), ("maxFailedIndexes", failed or 0)):
        if value > _WITH_MANY_MAX:
            fault = (
                f"must be less than or equal to {_WITH_MANY_MAX} when completions are above"
                f" {_MANY_COMPLETIONS} and used with backoff limit per index"
            )
            faults.append(FieldError.invalid(f"{path}.{name}", value, fault))


def _restart_policy(
    template: Mapping[str, Any], spec: Mapping[str, Any], path: str, faults: Faults
) -> None:
    policy = template.get("spec", {}).get("restartPolicy", "")
    if policy in ("", "Always"):
        faults.append(FieldError.required(path, 'valid values: "OnFailure", "Never"'))
    elif policy not in ("OnFailure", "Never"):
        faults.append(FieldError.not_supported(path, policy, ("OnFailure", "Never")))
    elif "podFailurePolicy" in spec and policy != "Never":
        fault = 'only "Never" is supported when podFailurePolicy is specified'
        faults.append(FieldError.invalid(path, policy, fault))


def _whole_spec(spec: dict[str, Any], faults: Faults) -> None:
    job_spec(spec, "spec", faults)
    given = spec.get("selector")
    if given is None:
        faults.append(FieldError.required("spec.selector"))
    else:
        common.selector(given, "spec.selector", faults)
    workloads.selector_matches(given, spec.get("template", {}), "spec.template", faults)


def _generated(obj: dict[str, Any], faults: Faults, *, prefixed: bool) -> None:
    """What the server makes of the Job's uid and name must be there, unchanged."""
    spec, metadata = obj.get("spec", {}), obj.get("metadata", {})
    given = spec.get("selector")
    if spec.get("manualSelector") or given is None:
        return
    uid, name = metadata.get("uid", ""), metadata.get("name", "")
    expected = {OLD_UID_LABEL: uid, OLD_NAME_LABEL: name}
    if prefixed:
        expected |= {UID_LABEL: uid, NAME_LABEL: name}
    labels = spec.get("template", {}).get("metadata", {}).get("labels", {})
    for key, value in expected.items():
        path, fault = f"spec.template.metadata.labels[{key}]", f"must be '{value}'"
        if key not in labels:
            faults.append(FieldError.required(path, fault))
        elif labels[key] != value:
            faults.append(FieldError.invalid(path, labels, fault))
    try:
        selector = selectors.LabelSelector.of(given)
    except ValueError:
        return
    if not selector.matches(expected):
        fault = "`selector` not auto-generated"
        faults.append(FieldError.invalid("spec.selector", given, fault))


def _names_of_pods(obj: dict[str, Any], faults: Faults) -> None:
    """The highest index must leave room for the Job's name in a Pod's hostname."""
    spec, name = obj.get("spec", {}), obj.get("metadata", {}).get("name", "")
    completions = spec.get("completions", 0)
    if spec.get("completionMode") == "Indexed" and completions > 0:
        longest = f"{name}-{completions - 1}"
        if names.dns_label(longest):
            fault = f"will not able to create pod with invalid DNS label: {longest}"
            faults.append(FieldError.invalid("metadata.name", name, fault))


def _completions_change(after: dict[str, Any], before: dict[str, Any], faults: Faults) -> None:
    path = "spec.completions"
    new, old = after.get("completions"), before.get("completions")
    if after.get("completionMode") != "Indexed":
        common.unchanged(new, old, path, faults)
    elif new != old and new is not None and new != after.get("parallelism"):
        fault = "can only be modified in tandem with spec.parallelism"
        faults.append(FieldError.invalid(path, new, fault))


def _template_change(after: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """A template stays, but for resources and places while the Job rests and has no Pods."""
    before = old.get("spec", {})
    new, was = after.get("template", {}), before.get("template", {})
    if new == was:
        return
    if not _is_at_rest(old):
        shown = internal.of("core.PodTemplateSpec", new)
        faults.append(FieldError.invalid("spec.template", shown, common.IMMUTABLE))
        return
    allowed = _with_directives(was, new)
    spec = {**allowed.get("spec", {})}
    for field in ("containers", "initContainers"):
        ours, its = new.get("spec", {}).get(field, []), spec.get(field, [])
        if ours and len(ours) == len(its):
            spec[field] = [
                _with_resources(one, other) for one, other in zip(its, ours, strict=True)
            ]
    wanted = new.get("spec", {})
    if wanted != spec:
        shown = internal.of("core.PodSpec", wanted)
        faults.append(FieldError.invalid("spec.template.spec", shown, common.IMMUTABLE))


def _is_at_rest(job: Mapping[str, Any]) -> bool:
    status = job.get("status", {})
    if not job.get("spec", {}).get("suspend") or status.get("active", 0):
        return False
    return "startTime" not in status or indexes.has_condition(status, "Suspended")


def _with_directives(was: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the old template with what of the new one says where the Pods may run."""
    spec, wanted = {**was.get("spec", {})}, new.get("spec", {})
    for name in _DIRECTIVES:
        spec.pop(name, None)
        if name in wanted:
            spec[name] = wanted[name]
    affinity = {key: one for key, one in spec.get("affinity", {}).items() if key != "nodeAffinity"}
    if "nodeAffinity" in wanted.get("affinity", {}):
        affinity["nodeAffinity"] = wanted["affinity"]["nodeAffinity"]
    spec.pop("affinity", None)
    if affinity or "affinity" in wanted:
        spec["affinity"] = affinity
    return {**was, "spec": spec}


def _with_resources(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    if one.get("name") != other.get("name"):
        return {**one}
    kept = {key: value for key, value in one.items() if key != "resources"}
    return {**kept, "resources": other["resources"]} if "resources" in other else kept
