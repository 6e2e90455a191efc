"""Objects for tests of controllers, and what nodes would do with Pods, played by hand.

await world.client.create(deployment(replicas=3))
await settle()
await play(world)            # every Pod is placed and runs, those being deleted are gone
"""

from arubeki import clock
from arubeki.errors import NotFound
from arubeki.kinds import apps_v1 as apps
from arubeki.kinds import coordination_v1 as coordination
from arubeki.kinds import core_v1 as core
from arubeki.kinds import meta_v1 as meta

NAMESPACE = "ns"


def namespace(name=NAMESPACE):
    return core.Namespace(metadata=meta.ObjectMeta(name=name))


async def make_namespace(world):
    await world.client.create(namespace())


def template(app="web", image="one", **spec):
    """A Pod template that `selector(app)` matches."""
    box = core.Container(
        name="main", image=image, ports=(core.ContainerPort(name="http", containerPort=80),)
    )
    return core.PodTemplateSpec(
        metadata=meta.ObjectMeta(labels={"app": app}), spec=core.PodSpec(containers=(box,), **spec)
    )


def selector(app="web"):
    return meta.LabelSelector(matchLabels={"app": app})


def pod(name, app="web", labels=None, owner=None, annotations=None, **spec):
    """A Pod; `owner` is the reference that controls it."""
    metadata = meta.ObjectMeta(
        name=name,
        namespace=NAMESPACE,
        labels={"app": app} if labels is None else labels,
        annotations=annotations or {},
        ownerReferences=(owner,) if owner else (),
    )
    return core.Pod(metadata=metadata, spec=template(app).spec.evolve(**spec))


def replica_set(name="web", replicas=3, app="web", **spec):
    return apps.ReplicaSet(
        metadata=meta.ObjectMeta(name=name, namespace=NAMESPACE, labels={"app": app}),
        spec=apps.ReplicaSetSpec(
            replicas=replicas, selector=selector(app), template=template(app), **spec
        ),
    )


def deployment(name="web", replicas=3, image="one", surge=None, unavailable=None, **spec):
    """A Deployment; `surge` and `unavailable` are those of its RollingUpdate."""
    if surge is not None or unavailable is not None:
        rolling = apps.RollingUpdateDeployment(maxSurge=surge, maxUnavailable=unavailable)
        spec["strategy"] = apps.DeploymentStrategy(type="RollingUpdate", rollingUpdate=rolling)
    return apps.Deployment(
        metadata=meta.ObjectMeta(name=name, namespace=NAMESPACE),
        spec=apps.DeploymentSpec(
            replicas=replicas, selector=selector(name), template=template(name, image), **spec
        ),
    )


def service(name="web", app="web", **spec):
    spec.setdefault("ports", (core.ServicePort(name="http", port=80, targetPort="http"),))
    return core.Service(
        metadata=meta.ObjectMeta(name=name, namespace=NAMESPACE),
        spec=core.ServiceSpec(selector={"app": app}, **spec),
    )


def node(name, pods=110, cpu="4", memory="8Gi", labels=None, ready=True, **spec):
    """A node that is ready and has room."""
    now = clock.timestamp()
    room = {"cpu": cpu, "memory": memory, "pods": str(pods)}
    condition = core.NodeCondition(
        type="Ready",
        status="True" if ready else "False",
        reason="KubeletReady",
        lastHeartbeatTime=now,
        lastTransitionTime=now,
    )
    return core.Node(
        metadata=meta.ObjectMeta(
            name=name, labels={"kubernetes.io/hostname": name, **(labels or {})}
        ),
        spec=core.NodeSpec(**spec),
        status=core.NodeStatus(allocatable=room, capacity=room, conditions=(condition,)),
    )


async def make_node(world, name, **options):
    """Create a node with its status, which needs a second request."""
    wanted = node(name, **options)
    await world.client.create(wanted)
    status = {"status": _dict(wanted)["status"]}
    return await world.client.patch(core.Node, name, "", status, subresource="status")


async def beat(world, name):
    """Renew a node's Lease, as its agent does."""
    await world.client.apply(
        coordination.Lease(
            metadata=meta.ObjectMeta(name=name, namespace="kube-node-lease"),
            spec=coordination.LeaseSpec(
                holderIdentity=name,
                leaseDurationSeconds=40,
                renewTime=clock.timestamp_micro(),
            ),
        )
    )


async def play(world, *, nodes=("n1",), ready=lambda pod: True, namespace=NAMESPACE):
    """Do what nodes do: Pods being deleted go; the others are placed, have addresses, and run.

    `ready(pod)` says which are ready. Returns how many Pods were changed.
    """
    changed = 0
    pods = sorted(await world.client.list(core.Pod, namespace), key=lambda one: one.name)
    taken = {one.status.podIP for one in pods if one.status.podIP}
    free = (f"10.0.{n // 250}.{n % 250 + 1}" for n in range(100_000))
    for number, one in enumerate(pods):
        if one.deleting:
            await _gone(world, one)
            changed += 1
            continue
        if not one.spec.nodeName:
            one = await bind(world, one, nodes[number % len(nodes)])
        if one.status.phase in ("Succeeded", "Failed"):
            continue
        address = one.status.podIP or next(ip for ip in free if ip not in taken)
        taken.add(address)
        changed += await _run(world, one, address, ready(one))
    return changed


async def bind(world, one, where):
    """Place a Pod on a node, as a scheduler does."""
    body = {
        "metadata": {"name": one.name, "namespace": one.namespace},
        "target": {"kind": "Node", "name": where},
    }
    path = core.Pod.KIND.path(one.namespace, one.name, "binding")
    await world.client.request("POST", path, body=_json(body))
    return await world.client.get(core.Pod, one.name, one.namespace)


async def say(world, one, **status):
    """Write something into a Pod's status."""
    return await world.client.patch(
        core.Pod,
        one.name,
        one.namespace,
        {"status": status},
        type="strategic",
        subresource="status",
    )


async def _run(world, one, address, is_ready):
    wanted = "True" if is_ready else "False"
    known = {each.type: each for each in one.status.conditions or ()}
    old = known.get("Ready")
    if one.status.phase == "Running" and old and old.status == wanted:
        return False
    condition = {"type": "Ready", "status": wanted, "lastTransitionTime": clock.timestamp()}
    ips = [{"ip": address}]
    await say(world, one, phase="Running", podIP=address, podIPs=ips, conditions=[condition])
    return True


async def _gone(world, one):
    try:
        await world.client.delete(core.Pod, one.name, one.namespace, uid=one.uid, grace_seconds=0)
    except NotFound:
        return


async def roll(world, settle, **options):
    """Let controllers and nodes take turns until neither has anything to do."""
    for _ in range(100):
        await settle()
        if not await play(world, **options):
            return
    raise AssertionError("it never ends")


def _dict(obj):
    from arubeki.kinds.base import to_dict

    return to_dict(obj)


def _json(body):
    import msgspec

    return msgspec.json.encode(body)
