"""The kinds that make Pods: generations, what the server alone writes, names that fit.

On the ring: [HTTP > **server** > storage].
Source: kubernetes pkg/registry/{apps,batch,core}/*/strategy.go.
"""

import zoneinfo
from typing import Any

from arubeki.api import names
from arubeki.api.fields import FieldError
from arubeki.api.rules import cronjobs, jobs, podwarnings
from arubeki.server.admission.strategy import Object, WithGeneration, keep
from arubeki.server.resources import Resource

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


class TemplateStrategy(WithGeneration):
    """A kind with a template of Pods, which is warned of where it is new."""

    template_path = "spec.template"
    is_named_as_pods = False
    """Whether the name becomes part of the names of Pods."""

    def warnings(self, new: Object, old: Object | None, subresource: str) -> list[str]:
        """Warn of the name of a new object and of a template that may have changed."""
        if subresource:
            return []
        if old is not None and new["metadata"].get("generation") == old["metadata"].get(
            "generation"
        ):
            return []
        found = []
        if old is None and self.is_named_as_pods:
            found = podwarnings.dotted_name(new, "Pod names and hostnames")
        template: Any = new
        for part in self.template_path.split("."):
            template = template.get(part) or {}
        return found + podwarnings.of_template(template, self.template_path)


class ReplicaStrategy(TemplateStrategy):
    """ReplicaSets and ReplicationControllers."""

    is_named_as_pods = True


class DeploymentStrategy(ReplicaStrategy):
    """Deployments: annotations are handed on, so they count; labels are no matter of the status."""

    def reset_to_status(self, new: Object, old: Object) -> None:
        """Give back the labels too."""
        super().reset_to_status(new, old)
        keep(new["metadata"], old["metadata"], "labels")

    def is_new_generation(self, resource: Resource, new: Object, old: Object) -> bool:
        """Tell whether the spec has changed, or the annotations that ReplicaSets get."""
        return super().is_new_generation(resource, new, old) or (
            new["metadata"].get("annotations") or {}
        ) != (old["metadata"].get("annotations") or {})


class StatefulSetStrategy(TemplateStrategy):
    """StatefulSets: their names become part of hostnames."""

    def name_faults(self, name: str) -> list[str]:
        """A StatefulSet's name is a DNS label."""
        return names.dns_label(name)

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """Say of the templates of claims what they are templates of."""
        super().reset(resource, new, old, subresource)
        for claim in new.get("spec", {}).get("volumeClaimTemplates", ()):
            claim |= {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}

    def warnings(self, new: Object, old: Object | None, subresource: str) -> list[str]:
        """Warn of the claims' templates, and of a limit of the history that is none."""
        found = super().warnings(new, old, subresource)
        spec = new.get("spec", {})
        if subresource:
            return found
        part = "" if old is None else ".Spec"
        for index, claim in enumerate(spec.get("volumeClaimTemplates", ())):
            path = f"spec.volumeClaimTemplates[{index}]{part}"
            found += podwarnings.of_claim(claim.get("spec", {}), path)
        if spec.get("revisionHistoryLimit", 0) < 0:
            found.append(
                "spec.revisionHistoryLimit: a negative value retains all historical revisions; a"
                " value >= 0 is recommended"
            )
        return found


class PodTemplateStrategy(TemplateStrategy):
    """PodTemplates."""

    template_path = "template"

    def is_new_generation(self, resource: Resource, new: Object, old: Object) -> bool:
        """Tell whether the template has changed."""
        del resource
        return bool(new.get("template") != old.get("template"))


class DaemonSetStrategy(TemplateStrategy):
    """DaemonSets: an annotation counts the changes of the template, as a field once did."""

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """Count the changes of the template."""
        super().reset(resource, new, old, subresource)
        annotations = new["metadata"].setdefault("annotations", {})
        if old is None:
            given = _whole(annotations.get(TEMPLATE_GENERATION, ""))
            annotations[TEMPLATE_GENERATION] = str(max(1, given))
        elif subresource != "status":
            before = (old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "")
            changed = new.get("spec", {}).get("template") != old.get("spec", {}).get("template")
            annotations[TEMPLATE_GENERATION] = str(_whole(before) + changed)


class ReplicationControllerStrategy(ReplicaStrategy):
    """ReplicationControllers: their Pods stay, unless a deletion says otherwise."""

    orphans = True


class JobStrategy(ReplicaStrategy):
    """Jobs: the server makes the selector, from the uid, unless the Job says that it has its own.

    The Pods stay, unless a deletion says otherwise.
    """

    orphans = True
    deletion_warning = (
        "child pods are preserved by default when jobs are deleted; set "
        "propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress "
        "this warning"
    )

    async def admit(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> None:
        """Label the Pods of a new Job, and select them."""
        del resource, subresource
        spec = new.get("spec")
        if old is None and isinstance(spec, dict) and not spec.get("manualSelector"):
            _label(spec, new["metadata"])

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """Drop what is behind a gate that is closed."""
        super().reset(resource, new, old, subresource)
        _drop_scheduling(new.get("spec", {}))


class CronJobStrategy(ReplicaStrategy):
    """CronJobs."""

    template_path = "spec.jobTemplate.spec.template"

    def reset(self, resource: Resource, new: Object, old: Object | None, subresource: str) -> None:
        """Drop what is behind a gate that is closed."""
        super().reset(resource, new, old, subresource)
        _drop_scheduling(new.get("spec", {}).get("jobTemplate", {}).get("spec", {}))

    def validate(
        self, resource: Resource, new: Object, old: Object | None, subresource: str
    ) -> list[FieldError]:
        """The time zone must be one that this machine knows."""
        del resource, subresource
        zone = new.get("spec", {}).get("timeZone")
        was = (old or {}).get("spec", {}).get("timeZone")
        if not zone or zone == was or not cronjobs.is_zone_name(zone) or zone.lower() == "local":
            return []
        return [] if _is_known(zone) else [cronjobs.unknown_zone(zone)]


def _label(spec: Object, metadata: Object) -> None:
    template = spec.setdefault("template", {}).setdefault("metadata", {})
    own: dict[str, Any] = template.get("labels") or {}
    name, uid = metadata.get("name", ""), metadata["uid"]
    made = {
        jobs.OLD_NAME_LABEL: name,
        jobs.NAME_LABEL: name,
        jobs.OLD_UID_LABEL: uid,
        jobs.UID_LABEL: uid,
    }
    labels = dict(sorted({**made, **own}.items()))
    # A Job that was given no labels has those of its template, these among them. Defaulting has
    # made the two one object, which tells such a Job from one that was given the same.
    if not metadata.get("labels") or metadata["labels"] is own:
        metadata["labels"] = labels
    template["labels"] = {**labels}
    selector = spec.setdefault("selector", {})
    chosen = {jobs.UID_LABEL: uid, **selector.get("matchLabels", {})}
    selector["matchLabels"] = dict(sorted(chosen.items()))


def _drop_scheduling(spec: Object) -> None:
    # Gate WorkloadWithJob, off by default.
    spec.pop("scheduling", None)


def _whole(text: str) -> int:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 19 else 0


def _is_known(zone: str) -> bool:
    """Tell whether a time zone is known; all are where this machine has no list of them."""
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return not zoneinfo.available_timezones()
    return True
