"""Short sentences about kinds and fields, for `kubectl explain` and readers of the documents.

Every served kind has one, and so have the fields that many kinds share and those of a Pod that
people look up most. The rest is told by names and types alone.

On the ring: [HTTP > **server**].
"""

from collections.abc import Mapping

from arubeki.api.facts import short_name

# The official tests look for the first words of these, and of `creationTimestamp`.
OBJECT_META = "Standard object's metadata: name, namespace, labels and what else every object has."
LIST_META = "The revision of the list, and how to get the rest of it."
API_VERSION = "APIVersion defines the group and version of what is written, such as apps/v1."
KIND = "The kind of the object, in CamelCase."


def of_definition(name: str) -> str:
    """Return a sentence about a definition, by its full name; "" for none."""
    short = short_name(name)
    if text := _DEFINITIONS.get(short):
        return text
    kind = short.rpartition(".")[2]
    if kind.endswith("List") and short.removesuffix("List") in _DEFINITIONS:
        return f"A list of objects of kind {kind.removesuffix('List')}."
    return ""


def of_field(name: str, field: str) -> str:
    """Return a sentence about a field of a definition, by its full name; "" for none."""
    short = short_name(name)
    own = _FIELDS.get(short, {}).get(field)
    return own or (
        _SHARED.get(field, "") if short in _DEFINITIONS or short.endswith("List") else ""
    )


_SHARED: Mapping[str, str] = {
    "apiVersion": API_VERSION,
    "kind": KIND,
    "metadata": OBJECT_META,
    "items": "The objects of the list.",
    "spec": "The state that is wanted.",
    "status": "The state that was last observed; the system writes it.",
}

_DEFINITIONS: Mapping[str, str] = {
    "admissionregistration.v1.MutatingAdmissionPolicy": (
        "A policy written in CEL that changes objects as they are admitted."
    ),
    "admissionregistration.v1.MutatingAdmissionPolicyBinding": (
        "Says where a MutatingAdmissionPolicy applies, and with which parameters."
    ),
    "admissionregistration.v1.MutatingWebhookConfiguration": (
        "Webhooks that are asked, and may change objects, as requests are admitted."
    ),
    "admissionregistration.v1.ValidatingAdmissionPolicy": (
        "A policy written in CEL that accepts or refuses objects as they are admitted."
    ),
    "admissionregistration.v1.ValidatingAdmissionPolicyBinding": (
        "Says where a ValidatingAdmissionPolicy applies, and with which parameters."
    ),
    "admissionregistration.v1.ValidatingWebhookConfiguration": (
        "Webhooks that accept or refuse objects as requests are admitted."
    ),
    "apiextensions.v1.CustomResourceDefinition": (
        "Adds a kind to the API: its names, its versions and the schema of each."
    ),
    "apiregistration.v1.APIService": "A group and version of the API, and who serves it.",
    "apps.v1.ControllerRevision": "An unchanging snapshot of a controller's template.",
    "apps.v1.DaemonSet": "Keeps one Pod on every node that fits.",
    "apps.v1.Deployment": "Rolls out changes to a set of equal Pods by means of ReplicaSets.",
    "apps.v1.ReplicaSet": "Keeps a number of equal Pods running.",
    "apps.v1.StatefulSet": "Keeps Pods with names, order and storage of their own.",
    "authentication.v1.SelfSubjectReview": "Tells as whom the server knows the one who asks.",
    "authentication.v1.TokenRequest": "Asks for a token of a ServiceAccount.",
    "authentication.v1.TokenReview": "Asks whose a token is.",
    "authorization.v1.LocalSubjectAccessReview": (
        "Asks whether somebody may do something within a namespace."
    ),
    "authorization.v1.SelfSubjectAccessReview": "Asks whether the one who asks may do something.",
    "authorization.v1.SelfSubjectRulesReview": (
        "Asks for all that the one who asks may do within a namespace."
    ),
    "authorization.v1.SubjectAccessReview": "Asks whether somebody may do something.",
    "autoscaling.v1.HorizontalPodAutoscaler": "Scales a workload by the CPU its Pods use.",
    "autoscaling.v1.Scale": "How many replicas a workload should have, and has.",
    "autoscaling.v2.HorizontalPodAutoscaler": "Scales a workload by metrics of many sorts.",
    "batch.v1.CronJob": "Makes a Job again and again, by a schedule.",
    "batch.v1.Job": "Runs Pods until enough of them have succeeded.",
    "certificates.v1.CertificateSigningRequest": "Asks for a certificate, to be approved and signed.",
    "certificates.v1.ClusterTrustBundle": "Root certificates that workloads may trust.",
    "certificates.v1.PodCertificateRequest": "A node's request for a certificate of one of its Pods.",
    "coordination.v1.Lease": "A claim with an end, such as that of a leader or of a living node.",
    "core.v1.Binding": "Places a Pod on a node.",
    "core.v1.ComponentStatus": "Whether a part of the control plane is well. Deprecated.",
    "core.v1.ConfigMap": "Configuration for Pods, as names and values.",
    "core.v1.Endpoints": "The addresses behind a Service. Deprecated: see EndpointSlice.",
    "core.v1.Event": "Something that happened to an object, for people to read.",
    "core.v1.LimitRange": "Bounds and defaults of what Pods of a namespace may ask for.",
    "core.v1.Namespace": "A scope for names, and for who may do what.",
    "core.v1.Node": "A machine that runs Pods.",
    "core.v1.PersistentVolume": "A piece of storage of the cluster.",
    "core.v1.PersistentVolumeClaim": "Asks for storage, and is bound to a PersistentVolume.",
    "core.v1.Pod": "Containers that run together on one node.",
    "core.v1.PodTemplate": "A template for Pods.",
    "core.v1.ReplicationController": "Keeps a number of equal Pods running; see ReplicaSet.",
    "core.v1.ResourceQuota": "Bounds what all objects of a namespace may use together.",
    "core.v1.Secret": "Data to be kept from those who need not see it.",
    "core.v1.Service": "One address and name for a changing set of Pods.",
    "core.v1.ServiceAccount": "An identity for what runs in Pods.",
    "discovery.v1.EndpointSlice": "Some of the addresses behind a Service.",
    "events.v1.Event": "Something that happened to an object, for people to read.",
    "flowcontrol.v1.FlowSchema": "Which requests belong together, and how much they matter.",
    "flowcontrol.v1.PriorityLevelConfiguration": "How much of the server a class of requests may use.",
    "meta.v1.APIGroup": "An API group with its versions.",
    "meta.v1.APIGroupList": "All API groups.",
    "meta.v1.APIResourceList": "The resources of a group and version.",
    "meta.v1.APIVersions": "The versions of the core group.",
    "meta.v1.DeleteOptions": "How an object is to be deleted.",
    "meta.v1.Status": "The outcome of a request that has no object to return.",
    "meta.v1.WatchEvent": "A change that a watch tells of.",
    "networking.v1.IPAddress": "An address that is taken, and by whom.",
    "networking.v1.Ingress": "Leads requests from outside to Services, by host and path.",
    "networking.v1.IngressClass": "Which controller serves the Ingresses of a class.",
    "networking.v1.NetworkPolicy": "Which traffic Pods may have.",
    "networking.v1.ServiceCIDR": "Address ranges from which Services get theirs.",
    "node.v1.RuntimeClass": "A way of running containers that Pods may choose.",
    "policy.v1.Eviction": "Asks that a Pod leave its node, if its disruption budget allows.",
    "policy.v1.PodDisruptionBudget": "How many Pods of a set may be missing on purpose at a time.",
    "rbac.v1.ClusterRole": "What may be done, anywhere in the cluster.",
    "rbac.v1.ClusterRoleBinding": "Who has a ClusterRole, anywhere in the cluster.",
    "rbac.v1.Role": "What may be done within a namespace.",
    "rbac.v1.RoleBinding": "Who has a Role or a ClusterRole, within a namespace.",
    "resource.v1.DeviceClass": "A class of devices that claims may ask for.",
    "resource.v1.DeviceTaintRule": "Keeps Pods off devices that it selects.",
    "resource.v1.ResourceClaim": "Asks for devices, for one or more Pods.",
    "resource.v1.ResourceClaimTemplate": "A template for the ResourceClaims of Pods.",
    "resource.v1.ResourceSlice": "Devices that a driver offers on a node.",
    "scheduling.v1.PriorityClass": "How much a Pod matters to the scheduler.",
    "storage.v1.CSIDriver": "What a storage driver is able to do.",
    "storage.v1.CSINode": "Which storage drivers a node has.",
    "storage.v1.CSIStorageCapacity": "How much storage of a class is left at a place.",
    "storage.v1.StorageClass": "How storage is made for the claims that name it.",
    "storage.v1.VolumeAttachment": "Asks that a volume be attached to a node.",
    "storage.v1.VolumeAttributesClass": "Attributes of volumes that a driver can change.",
    "storagemigration.v1.StorageVersionMigration": (
        "Asks that all objects of a resource be stored in its current version."
    ),
    "version.Info": "Which version of the server answers.",
}

_FIELDS: Mapping[str, Mapping[str, str]] = {
    "core.v1.ConfigMap": {
        "binaryData": "Values that are no text, in base64.",
        "data": "Values that are text, by name.",
        "immutable": "Whether the data can never be changed.",
    },
    "core.v1.Secret": {
        "data": "Values in base64, by name.",
        "immutable": "Whether the data can never be changed.",
        "stringData": "Values as text, for writing only; they are merged into data.",
        "type": "What the Secret is for; some types ask for certain names in data.",
    },
    "core.v1.PodSpec": {
        "affinity": "Where the Pod would rather run, or must.",
        "containers": "The containers of the Pod; at least one.",
        "hostNetwork": "Whether the Pod shares the network of its node.",
        "imagePullSecrets": "Secrets with which images are fetched.",
        "initContainers": "Containers that run one after the other before the others start.",
        "nodeName": "The node on which the Pod runs; the scheduler sets it.",
        "nodeSelector": "Labels that the node must have.",
        "restartPolicy": "When containers are started again after they have ended.",
        "serviceAccountName": "The ServiceAccount as which the Pod acts.",
        "terminationGracePeriodSeconds": "How long containers may take to end.",
        "tolerations": "Taints of nodes that the Pod bears.",
        "volumes": "Volumes that containers of the Pod may mount.",
    },
    "core.v1.Container": {
        "args": "Arguments of the command; those of the image if there are none.",
        "command": "The command to run, without a shell; that of the image if there is none.",
        "env": "Environment variables.",
        "envFrom": "Sources of which every entry becomes an environment variable.",
        "image": "The image to run.",
        "imagePullPolicy": "When the image is fetched.",
        "livenessProbe": "Fails when the container should be started anew.",
        "name": "The name of the container, unique within its Pod.",
        "ports": "Ports on which the container listens.",
        "readinessProbe": "Succeeds while the container may be sent requests.",
        "resources": "What the container needs, and the most that it may use.",
        "startupProbe": "Succeeds when the container has started; other probes wait for it.",
        "volumeMounts": "Where volumes of the Pod appear.",
        "workingDir": "The directory in which the command runs.",
    },
    "apps.v1.DeploymentSpec": {
        "minReadySeconds": "How long a Pod must be ready to count as available.",
        "paused": "Whether changes of the template wait.",
        "progressDeadlineSeconds": "How long a roll-out may stand still before it counts as failed.",
        "replicas": "How many Pods there should be.",
        "revisionHistoryLimit": "How many old ReplicaSets are kept, to go back to.",
        "selector": "Which Pods belong to it; must match the labels of the template.",
        "strategy": "How old Pods are replaced by new ones.",
        "template": "What its Pods look like.",
    },
    "core.v1.ServiceSpec": {
        "clusterIP": "The address of the Service within the cluster; None for no address.",
        "ports": "The ports on which the Service is reached.",
        "selector": "Labels of the Pods behind the Service.",
        "type": "How far the Service reaches.",
    },
    "meta.v1.ObjectMeta": {
        "annotations": "Notes for tools and people; they do not select.",
        "creationTimestamp": "CreationTimestamp is a timestamp: when the object was created.",
        "deletionTimestamp": "When the object was asked to go; it goes when no finalizer is left.",
        "finalizers": "Who must do something before the object goes.",
        "generateName": "The beginning of a name that the server completes.",
        "generation": "Counts changes of what is wanted.",
        "labels": "Names and values by which objects are selected.",
        "managedFields": "Who has set which fields.",
        "name": "The name of the object, unique within its kind and namespace.",
        "namespace": "The namespace of the object.",
        "ownerReferences": "Objects without which this one goes as well.",
        "resourceVersion": "Changes with every write; a write that names an old one is refused.",
        "uid": "Tells apart objects that had the same name at different times.",
    },
}  # fmt: skip
