from tests.server.support import World, run

PODS = "/api/v1/namespaces/default/pods"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
PRIORITIES = "/apis/scheduling.k8s.io/v1/priorityclasses"
RUNTIMES = "/apis/node.k8s.io/v1/runtimeclasses"


def pod(**spec):
    container = {"name": "c", "image": "nginx"}
    return {"metadata": {"generateName": "p-"}, "spec": {"containers": [container], **spec}}


def priority(name, value, **more):
    return {"metadata": {"name": name}, "value": value, **more}


def test_a_pod_gets_the_priority_of_its_class() -> None:
    async def test(world: World) -> None:
        await world.json("POST", PRIORITIES, priority("high", 7, preemptionPolicy="Never"))
        made = await world.json("POST", PODS, pod(priorityClassName="high"))
        assert made["spec"]["priority"] == 7
        assert made["spec"]["preemptionPolicy"] == "Never"
        refused = await world.fails(403, "POST", PODS, pod(priorityClassName="none"))
        assert "no PriorityClass with name none was found" in refused["message"]
        refused = await world.fails(403, "POST", PODS, pod(priorityClassName="high", priority=8))
        assert "must not be provided in pod spec" in refused["message"]

    run(test)


def test_one_priority_class_may_be_that_of_all_other_pods() -> None:
    async def test(world: World) -> None:
        assert (await world.json("POST", PODS, pod()))["spec"]["priority"] == 0
        await world.json("POST", PRIORITIES, priority("usual", 3, globalDefault=True))
        made = await world.json("POST", PODS, pod())
        assert (made["spec"]["priority"], made["spec"]["priorityClassName"]) == (3, "usual")
        second = priority("other", 4, globalDefault=True)
        refused = await world.fails(403, "POST", PRIORITIES, second)
        assert "usual is already marked as default" in refused["message"]

    run(test)


def test_the_classes_of_the_system_stay() -> None:
    async def test(world: World) -> None:
        await world.fails(403, "DELETE", f"{PRIORITIES}/system-node-critical")
        await world.json("POST", PRIORITIES, priority("mine", 1))
        await world.json("DELETE", f"{PRIORITIES}/mine")

    run(test)


def test_a_runtime_class_says_more_of_a_pod() -> None:
    async def test(world: World) -> None:
        scheduling = {
            "nodeSelector": {"kind": "sandbox"},
            "tolerations": [{"key": "sandbox", "operator": "Exists"}],
        }
        overhead = {"podFixed": {"cpu": "250m"}}
        runtime = {"metadata": {"name": "box"}, "handler": "box"}
        body = {**runtime, "scheduling": scheduling, "overhead": overhead}
        await world.json("POST", RUNTIMES, body)
        made = await world.json("POST", PODS, pod(runtimeClassName="box"))
        assert made["spec"]["overhead"] == {"cpu": "250m"}
        assert made["spec"]["nodeSelector"] == {"kind": "sandbox"}
        assert scheduling["tolerations"][0] in made["spec"]["tolerations"]
        conflict = pod(runtimeClassName="box", nodeSelector={"kind": "other"})
        refused = await world.fails(403, "POST", PODS, conflict)
        assert "conflict: runtimeClass.scheduling.nodeSelector[kind]" in refused["message"]
        refused = await world.fails(403, "POST", PODS, pod(runtimeClassName="none"))
        assert 'RuntimeClass "none" not found' in refused["message"]
        refused = await world.fails(403, "POST", PODS, pod(overhead={"cpu": "1"}))
        assert "without corresponding RuntimeClass" in refused["message"]

    run(test)


def test_who_names_no_class_gets_the_default_one() -> None:
    async def test(world: World) -> None:
        backend = {"service": {"name": "s", "port": {"number": 80}}}
        ingress = {"metadata": {"generateName": "i-"}, "spec": {"defaultBackend": backend}}
        claim = {
            "metadata": {"generateName": "c-"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
        assert "ingressClassName" not in (await world.json("POST", INGRESSES, ingress))["spec"]
        assert "storageClassName" not in (await world.json("POST", CLAIMS, claim))["spec"]
        mark = {"ingressclass.kubernetes.io/is-default-class": "true"}
        body = {"metadata": {"name": "web", "annotations": mark}, "spec": {"controller": "a.b/c"}}
        await world.json("POST", "/apis/networking.k8s.io/v1/ingressclasses", body)
        mark = {"storageclass.kubernetes.io/is-default-class": "true"}
        body = {"metadata": {"name": "disk", "annotations": mark}, "provisioner": "a.b/c"}
        await world.json("POST", "/apis/storage.k8s.io/v1/storageclasses", body)
        assert (await world.json("POST", INGRESSES, ingress))["spec"]["ingressClassName"] == "web"
        assert (await world.json("POST", CLAIMS, claim))["spec"]["storageClassName"] == "disk"

    run(test)
