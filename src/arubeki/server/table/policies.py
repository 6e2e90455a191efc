"""The columns of kinds that govern others: access, admission, certificates, fairness, priority.

On the ring: [storage > **server** > HTTP]. Source: kubernetes pkg/printers/internalversion/printers.go,
kube-aggregator pkg/registry/apiservice/etcd/etcd.go, apiextensions-apiserver
pkg/registry/customresourcedefinition/tableconvertor.
"""

from collections.abc import Sequence
from typing import Any

from arubeki.server.table.columns import (
    AGE,
    CREATED,
    NAME,
    Column,
    Columns,
    Object,
    Row,
    at,
    condition,
    dig,
    duration,
    filling,
    joined,
    labels_at,
    name,
    plain,
    size,
)


def _role(obj: Object) -> str:
    return f"{dig(obj, 'roleRef', 'kind', default='')}/{dig(obj, 'roleRef', 'name', default='')}"


def _subjects(obj: Object, kind: str) -> str:
    return ", ".join(_subject(one) for one in obj.get("subjects") or () if one.get("kind") == kind)


def _subject(found: dict[str, Any]) -> str:
    named = str(found.get("name", ""))
    return f"{found.get('namespace', '')}/{named}" if found["kind"] == "ServiceAccount" else named


def _param_kind(obj: Object) -> str:
    found = dig(obj, "spec", "paramKind")
    return "<unset>" if found is None else f"{found.get('apiVersion', '')}/{found.get('kind', '')}"


def _param(obj: Object) -> str:
    found = dig(obj, "spec", "paramRef", default={})
    if found.get("name"):
        # Whether the parameter's kind has namespaces cannot be told from here.
        return f"{found.get('namespace') or '*'}/{found['name']}"
    chosen = found.get("selector")
    return "<unset>" if chosen is None else _as_go_prints(chosen)


def _as_go_prints(chosen: dict[str, Any]) -> str:
    """Return a LabelSelector as its generated String method in Go prints it."""
    labels = "".join(
        f"{key}: {value}," for key, value in sorted((chosen.get("matchLabels") or {}).items())
    )
    terms = "".join(
        f"LabelSelectorRequirement{{Key:{one.get('key', '')},Operator:{one.get('operator', '')},"
        f"Values:[{' '.join(one.get('values') or ())}],}},"
        for one in chosen.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{terms}}},}}"
    )


def _signing(obj: Object) -> str:
    kinds = {one.get("type") for one in dig(obj, "status", "conditions", default=())}
    words = ["Denied" if "Denied" in kinds else "Approved" if "Approved" in kinds else "Pending"]
    if "Failed" in kinds:
        words.append("Failed")
    if dig(obj, "status", "certificate"):
        words.append("Issued")
    return ",".join(words)


def _requested(obj: Object) -> str:
    seconds = dig(obj, "spec", "expirationSeconds")
    return "<none>" if seconds is None else duration(seconds)


def _issued(obj: Object) -> str:
    state = "Pending"
    for one in dig(obj, "status", "conditions", default=()):
        if one.get("type") in ("Issued", "Denied", "Failed"):
            state = one["type"]
    return state


def _flow_schemas(objects: Sequence[Object]) -> tuple[Sequence[Object], Row]:
    """Show them in the order in which they are asked whether a request is theirs."""

    def order(obj: Object) -> tuple[int, str]:
        return dig(obj, "spec", "matchingPrecedence", default=0), name(obj)

    return sorted(objects, key=order), filling(_FLOW_SCHEMA)


def _migrated(obj: Object) -> str:
    found = dig(obj, "spec", "resource", default={})
    group = found.get("group")
    return f"{found.get('resource', '')}.{group}" if group else str(found.get("resource", ""))


def _migration(obj: Object) -> str:
    state = "Unknown"
    for one in dig(obj, "status", "conditions", default=()):
        if one.get("status") == "True" and one.get("type") in ("Running", "Failed", "Succeeded"):
            state = one["type"]
    return state


def _service(obj: Object) -> str:
    found = dig(obj, "spec", "service")
    return "Local" if found is None else f"{found.get('namespace', '')}/{found.get('name', '')}"


def _available(obj: Object) -> str:
    found = condition(obj, "Available")
    status, reason = found.get("status", "Unknown"), found.get("reason")
    return f"{status} ({reason})" if reason and status != "True" else str(status)


def _versions(obj: Object) -> str:
    return ",".join(
        sorted(
            f"{one.get('name', '')}{'(storage)' if one.get('storage') else ''}"
            for one in dig(obj, "spec", "versions", default=())
            if one.get("served")
        )
    )


_BINDING = Columns.of(
    NAME,
    Column("Role", "What is granted.", plain(_role)),
    AGE,
    Column("Users", "Users it is granted to.", plain(lambda obj: _subjects(obj, "User")),
           priority=1),
    Column("Groups", "Groups it is granted to.", plain(lambda obj: _subjects(obj, "Group")),
           priority=1),
    Column("ServiceAccounts", "ServiceAccounts it is granted to.",
           plain(lambda obj: _subjects(obj, "ServiceAccount")), priority=1),
)  # fmt: skip
_WEBHOOKS = Columns.of(NAME, Column("Webhooks", "How many.", size("webhooks"), "integer"), AGE)
_PARAM_KIND = Column("ParamKind", "The kind of its parameters.", plain(_param_kind))
_POLICY_BINDING = Columns.of(
    NAME,
    Column("PolicyName", "The policy it puts in force.", at("spec", "policyName")),
    Column("ParamRef", "The policy's parameters.", plain(_param)),
    AGE,
)
_FLOW_SCHEMA = (
    NAME,
    Column("PriorityLevel", "The level its requests go to.",
           at("spec", "priorityLevelConfiguration", "name")),
    Column("MatchingPrecedence", "Its rank; the lowest that fits a request takes it.",
           at("spec", "matchingPrecedence", default=0)),
    Column("DistinguisherMethod", "What makes a flow of its own.",
           at("spec", "distinguisherMethod", "type", default="<none>")),
    AGE,
    Column("MissingPL", "Whether that level does not exist.",
           plain(lambda obj: condition(obj, "Dangling").get("status", "?"))),
)  # fmt: skip
_LIMITED = ("spec", "limited")
_QUEUING = (*_LIMITED, "limitResponse", "queuing")
_ADMISSION = "admissionregistration.k8s.io"

POLICIES: dict[tuple[str, str], Columns] = {
    ("rbac.authorization.k8s.io", "RoleBinding"): _BINDING,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _BINDING,
    (_ADMISSION, "MutatingWebhookConfiguration"): _WEBHOOKS,
    (_ADMISSION, "ValidatingWebhookConfiguration"): _WEBHOOKS,
    (_ADMISSION, "ValidatingAdmissionPolicy"): Columns.of(
        NAME,
        Column("Validations", "How many.", size("spec", "validations"), "integer"),
        _PARAM_KIND,
        AGE,
    ),
    (_ADMISSION, "MutatingAdmissionPolicy"): Columns.of(
        NAME,
        Column("Mutations", "How many.", size("spec", "mutations"), "integer"),
        _PARAM_KIND,
        AGE,
    ),
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): _POLICY_BINDING,
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): _POLICY_BINDING,
    ("certificates.k8s.io", "CertificateSigningRequest"): Columns.of(
        NAME,
        AGE,
        Column("SignerName", "Who shall sign.", plain(
            lambda obj: dig(obj, "spec", "signerName") or "<none>")),
        Column("Requestor", "Who asks.", at("spec", "username")),
        Column("RequestedDuration", "For how long.", plain(_requested)),
        Column("Condition", "What became of it.", plain(_signing)),
    ),
    ("certificates.k8s.io", "ClusterTrustBundle"): Columns.of(
        NAME,
        Column("SignerName", "Whose roots they are.", plain(
            lambda obj: dig(obj, "spec", "signerName") or "<none>")),
    ),
    ("certificates.k8s.io", "PodCertificateRequest"): Columns.of(
        NAME,
        Column("PodName", "The Pod.", at("spec", "podName")),
        Column("ServiceAccountName", "Its ServiceAccount.", at("spec", "serviceAccountName")),
        Column("NodeName", "Its node.", at("spec", "nodeName")),
        Column("SignerName", "Who shall sign.", at("spec", "signerName")),
        Column("State", "What became of it.", plain(_issued)),
        Column("UnverifiedUserAnnotations", "What else the Pod says.",
               labels_at("spec", "unverifiedUserAnnotations")),
    ),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): Columns.of(
        *_FLOW_SCHEMA, listed=_flow_schemas
    ),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): Columns.of(
        NAME,
        Column("Type", "Limited or Exempt.", at("spec", "type")),
        Column("NominalConcurrencyShares", "Its share of the seats.",
               at(*_LIMITED, "nominalConcurrencyShares", default="<none>")),
        Column("Queues", "How many queues it has.", at(*_QUEUING, "queues", default="<none>")),
        Column("HandSize", "How many of them a flow may use.",
               at(*_QUEUING, "handSize", default="<none>")),
        Column("QueueLengthLimit", "How many requests may wait in each.",
               at(*_QUEUING, "queueLengthLimit", default="<none>")),
        AGE,
    ),
    ("scheduling.k8s.io", "PriorityClass"): Columns.of(
        NAME,
        Column("Value", "The priority; more is sooner.", at("value", default=0), "integer"),
        Column("Global-Default", "Whether Pods without a class get it.",
               at("globalDefault", default=False), "boolean"),
        AGE,
        Column("PreemptionPolicy", "Whether its Pods push others out.", at("preemptionPolicy")),
    ),
    ("node.k8s.io", "RuntimeClass"): Columns.of(
        NAME, Column("Handler", "What runs its Pods.", at("handler")), AGE
    ),
    ("coordination.k8s.io", "Lease"): Columns.of(
        NAME, Column("Holder", "Who holds it.", at("spec", "holderIdentity")), AGE
    ),
    ("storagemigration.k8s.io", "StorageVersionMigration"): Columns.of(
        Column("Name", NAME.description, NAME.cell),
        Column("Resource", "What is written anew.", plain(_migrated)),
        Column("Status", "How far it is.", plain(_migration)),
    ),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): Columns.of(
        NAME,
        Column("Scope", "Cluster or Namespaced.", at("spec", "scope")),
        Column("Versions", "Versions that are served.", plain(_versions)),
        CREATED,
        Column("Group", "The API group.", at("spec", "group"), priority=1),
        Column("Kind", "The kind of its objects.", at("spec", "names", "kind"), priority=1),
        Column("ShortNames", "What kubectl calls them too.",
               plain(lambda obj: joined(dig(obj, "spec", "names", "shortNames", default=()), "")),
               priority=1),
        Column("Established", "Whether they are served.",
               plain(lambda obj: condition(obj, "Established").get("status") == "True"),
               "boolean", priority=1),
    ),
    ("apiregistration.k8s.io", "APIService"): Columns.of(
        NAME,
        Column("Service", "Who answers for it.", plain(_service)),
        Column("Available", "Whether it does.", plain(_available)),
        AGE,
    ),
}  # fmt: skip
