# /// script
# requires-python = ">=3.11"
# dependencies = ["arubeki"]
# ///
"""The MarkdownView controller: a ConfigMap, a Deployment and a Service, from the front.

After zoetrope's kubebuilder-training. Run it with `arubeki run controller.py --up`; on any other
cluster with `arubeki run controller.py`.
"""

import os
import shlex
from collections.abc import Mapping
from typing import Annotated

from arubeki import App, Conditions, Context, Model, Resource, crd, field
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta

# What starts the viewer: a program of its image, or, where Pods are plain processes, a command here.
COMMAND = tuple(shlex.split(os.environ.get("MARKDOWN_VIEWER", "markdown-viewer")))
IMAGE = "markdown-viewer:latest"
PORT = 3000
FILES = "/markdowns"


class Spec(Model):
    """What a MarkdownView should be."""

    markdowns: Annotated[Mapping[str, str], field(min_properties=1, doc="Name to text.")] = {}
    replicas: Annotated[int, field(format="int32", minimum=0, doc="Number of viewers.")] = 1
    viewerImage: Annotated[str | None, field(doc="Image of the viewer.")] = None


class Status(Model):
    """What it is."""

    conditions: Conditions = ()


@crd(
    "view.example.com/v1",
    columns={
        "Replicas": ".spec.replicas",
        "Available": '.status.conditions[?(@.type=="Available")].status',
    },
)
class MarkdownView(Resource[Spec, Status]):
    """Markdown files, shown as web pages."""


app = App("markdown-view")
OWNED = [core.ConfigMap, apps.Deployment, core.Service]
views = app.controller(MarkdownView, owns=OWNED, on_error="Degraded")


@views.reconcile
async def reconcile(view: MarkdownView, ctx: Context[MarkdownView]) -> None:
    """Bring the files, the viewer and the way to it into their desired state."""
    await ctx.apply(files_of(view))
    deployment = await ctx.apply(viewer_of(view))
    await ctx.apply(service_of(view))
    up = bool(deployment.status and deployment.status.availableReplicas)
    ctx.condition("Available", up, reason="OK" if up else "Unavailable")


def files_of(view: MarkdownView) -> core.ConfigMap:
    """Return the ConfigMap that holds the files."""
    return core.ConfigMap(
        metadata=meta.ObjectMeta(name=f"markdowns-{view.name}"), data=view.spec.markdowns
    )


def viewer_of(view: MarkdownView) -> apps.Deployment:
    """Return the Deployment of the viewer."""
    labels = labels_of(view)
    probe = core.Probe(httpGet=core.HTTPGetAction(path="/healthz", port="http"), periodSeconds=1)
    container = core.Container(
        name="viewer",
        image=view.spec.viewerImage or IMAGE,
        imagePullPolicy="IfNotPresent",
        command=COMMAND,
        args=("--address", "$(POD_IP)", "--port", str(PORT), "--directory", FILES),
        env=(
            core.EnvVar(
                name="POD_IP",
                valueFrom=core.EnvVarSource(
                    fieldRef=core.ObjectFieldSelector(fieldPath="status.podIP")
                ),
            ),
        ),
        ports=(core.ContainerPort(name="http", containerPort=PORT),),
        volumeMounts=(core.VolumeMount(name="files", mountPath=FILES, readOnly=True),),
        readinessProbe=probe,
        livenessProbe=probe,
    )
    volume = core.Volume(
        name="files", configMap=core.ConfigMapVolumeSource(name=f"markdowns-{view.name}")
    )
    return apps.Deployment(
        metadata=meta.ObjectMeta(name=f"viewer-{view.name}", labels=labels),
        spec=apps.DeploymentSpec(
            replicas=view.spec.replicas,
            selector=meta.LabelSelector(matchLabels=labels),
            template=core.PodTemplateSpec(
                metadata=meta.ObjectMeta(labels=labels),
                spec=core.PodSpec(containers=(container,), volumes=(volume,)),
            ),
        ),
    )


def service_of(view: MarkdownView) -> core.Service:
    """Return the Service that leads to the viewers."""
    labels = labels_of(view)
    return core.Service(
        metadata=meta.ObjectMeta(name=f"viewer-{view.name}", labels=labels),
        spec=core.ServiceSpec(
            selector=labels, ports=(core.ServicePort(name="http", port=80, targetPort="http"),)
        ),
    )


def labels_of(view: MarkdownView) -> dict[str, str]:
    """Return the labels that the view's objects and Pods share."""
    return {
        "app.kubernetes.io/name": "markdown-viewer",
        "app.kubernetes.io/instance": view.name,
        "app.kubernetes.io/created-by": "markdown-view",
    }
