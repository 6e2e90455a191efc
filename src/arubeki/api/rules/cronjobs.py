"""Rules of CronJobs.

Whether a time zone is known is not asked here, because it takes files; its name must look like one.

Pure: no I/O, no clock.
Source: kubernetes pkg/apis/batch/validation/validation.go (ValidateCronJobCreate and below).
"""

import re
from typing import Any

from arubeki.api import cron
from arubeki.api.fields import FieldError
from arubeki.api.rules import common, jobs
from arubeki.api.rules.common import Faults

NAME_MAX_BYTES = 52
"""A Job's name is its CronJob's, a dash and ten characters of time."""
_POLICIES = ("Allow", "Forbid", "Replace")
_is_zone_part = re.compile(r"[A-Za-z.\-_0-9+]{1,14}").fullmatch


def cron_job(obj: dict[str, Any], faults: Faults) -> None:
    """Check a new CronJob."""
    spec = obj.get("spec", {})
    _spec(spec, None, faults)
    name = obj.get("metadata", {}).get("name", "")
    if len(name) > NAME_MAX_BYTES:
        fault = f"must be no more than {NAME_MAX_BYTES} characters"
        faults.append(FieldError.invalid("metadata.name", name, fault))
    _has_schedule(spec, faults)


def cron_job_update(new: dict[str, Any], old: dict[str, Any], faults: Faults) -> None:
    """Check a changed CronJob; what was allowed before there was a field for zones still is."""
    spec = new.get("spec", {})
    _spec(spec, old.get("spec", {}), faults)
    _has_schedule(spec, faults)


def is_zone_name(zone: str) -> bool:
    """Tell whether a text looks like the name of a time zone."""
    return all(
        part not in (".", "..") and not part.startswith("-") and _is_zone_part(part)
        for part in zone.split("/")
    )


def unknown_zone(zone: str) -> FieldError:
    """Return what is said of a time zone that nobody knows."""
    return FieldError.invalid("spec.timeZone", zone, f"unknown time zone {zone}")


def _spec(spec: dict[str, Any], old: dict[str, Any] | None, faults: Faults) -> None:
    zone = spec.get("timeZone")
    if schedule := spec.get("schedule", ""):
        _schedule(schedule, zone, "TZ" in (old or {}).get("schedule", ""), faults)
    common.not_negative(spec, ("startingDeadlineSeconds",), "spec", faults)
    if zone is not None and (old is None or old.get("timeZone") != zone):
        _zone(zone, faults)
    common.one_of(spec.get("concurrencyPolicy"), _POLICIES, "spec.concurrencyPolicy", faults)
    template = spec.get("jobTemplate", {}).get("spec", {})
    path = "spec.jobTemplate.spec"
    jobs.job_spec(template, path, faults)
    if (selector := template.get("selector")) is not None:
        fault = "`selector` will be auto-generated"
        faults.append(FieldError.invalid(f"{path}.selector", selector, fault))
    if template.get("manualSelector"):
        known = ("nil", "false")
        faults.append(FieldError.not_supported(f"{path}.manualSelector", True, known))
    limits = ("successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    common.not_negative(spec, limits, "spec", faults)


def _has_schedule(spec: dict[str, Any], faults: Faults) -> None:
    # Told last: in Kubernetes it is a rule of the schema, and those come behind the others.
    if not spec.get("schedule"):
        faults.append(FieldError.required("spec.schedule"))


def _schedule(schedule: str, zone: str | None, may_have_zone: bool, faults: Faults) -> None:
    path = "spec.schedule"
    try:
        cron.parse(schedule)
    except ValueError as error:
        faults.append(FieldError.invalid(path, schedule, str(error)))
    if "TZ" not in schedule:
        return
    if not may_have_zone:
        fault = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        faults.append(FieldError.invalid(path, schedule, fault))
    elif zone is not None:
        fault = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        faults.append(FieldError.invalid(path, schedule, fault))


def _zone(zone: str, faults: Faults) -> None:
    if not zone:
        fault = "timeZone must be nil or non-empty string"
        faults.append(FieldError.invalid("spec.timeZone", zone, fault))
    elif not is_zone_name(zone):
        faults.append(unknown_zone(zone))
    elif zone.lower() == "local":
        fault = (
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        )
        faults.append(FieldError.invalid("spec.timeZone", zone, fault))
