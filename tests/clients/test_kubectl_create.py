"""kubectl create: every kind that has a verb of its own there, with what it makes of its flags."""

import pytest

from tests.clients.conftest import Kubectl

pytestmark = pytest.mark.kubectl

_EVERYWHERE = [
    ("configmap c --from-literal=a=b", "configmap/c"),
    ("deployment d --image=i --replicas=0 --port=80", "deployment.apps/d"),
    ("job j --image=i -- date", "job.batch/j"),
    ("quota q --hard=pods=3,services=9", "resourcequota/q"),
    ("role r --verb=get --resource=pods,pods/log", "role.rbac.authorization.k8s.io/r"),
    ("rolebinding rb --role=r --user=u", "rolebinding.rbac.authorization.k8s.io/rb"),
    ("secret generic s --from-literal=a=b", "secret/s"),
    ("secret generic t --type=x.io/t --from-literal=a=b", "secret/t"),
    (
        "secret docker-registry sd --docker-server=x --docker-username=u --docker-password=p",
        "secret/sd",
    ),
    ("service clusterip sc --tcp=80:8080", "service/sc"),
    ("service clusterip sh --clusterip=None", "service/sh"),
    ("service nodeport sn --tcp=80", "service/sn"),
    ("service loadbalancer sl --tcp=80", "service/sl"),
    ("service externalname se --external-name=x.example.com", "service/se"),
    ("serviceaccount sa", "serviceaccount/sa"),
    ("ingress ing --class=c --rule=foo.com/bar*=svc:8080", "ingress.networking.k8s.io/ing"),
]


def test_what_is_in_a_namespace(quick: Kubectl) -> None:
    for words, _ in _EVERYWHERE:
        assert "created" in quick("create", *words.split())
    names = [name for _, name in _EVERYWHERE]
    assert quick("get", *names, "-o", "name").split() == names
    again = quick.refused("create", "configmap", "c")
    assert 'configmaps "c" already exists' in again
    assert quick("get", "svc", "-o", "custom-columns=N:.metadata.name,T:.spec.type").split() == [
        "N", "T", "sc", "ClusterIP", "se", "ExternalName", "sh", "ClusterIP", "sl", "LoadBalancer",
        "sn", "NodePort",
    ]  # fmt: skip
    assert quick("get", "quota", "q", "-o", "jsonpath={.spec.hard.pods}") == "3"
    assert quick("get", "role", "r", "-o", "jsonpath={.rules[0].resources}") == (
        '["pods","pods/log"]'
    )


def test_what_newer_ones_can(quick: Kubectl) -> None:
    if quick.minor < 24:
        pytest.skip(f"not of version 1.{quick.minor}")
    quick("create", "cronjob", "cj", "--image=i", "--schedule=*/5 * * * *", "--", "date")
    quick("create", "job", "j", "--from=cronjob/cj")
    made = quick.json("get", "job", "j")["metadata"]
    assert made["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    assert made["ownerReferences"][0]["name"] == "cj"
    quick("create", "pdb", "b", "--selector=app=x", "--min-available=50%")
    assert "50%" in quick("get", "pdb", "b")
    assert quick("create", "token", "default").count(".") == 2
    missing = quick.refused("create", "token", "absent")
    assert 'serviceaccounts "absent" not found' in missing


def test_what_is_of_the_cluster(quick: Kubectl) -> None:
    name = quick.namespace
    for words in (
        f"namespace {name}-n",
        f"clusterrole {name} --verb=get,list --resource=pods,deployments.apps",
        f"clusterrole {name}-url --verb=get --non-resource-url=/logs/*",
        f"clusterrole {name}-sum --aggregation-rule=x=y",
        f"clusterrolebinding {name} --clusterrole={name} --user=u --serviceaccount=default:s",
        f"priorityclass {name} --value=1000 --preemption-policy=Never",
    ):
        if words.startswith("priorityclass") and quick.minor < 21:
            words = words.removesuffix(" --preemption-policy=Never")
        assert "created" in quick("create", *words.split())
    assert "1000" in quick("get", "pc", name).split()
    wide = quick("get", "clusterrolebinding", name, "-o", "wide").split()
    assert f"ClusterRole/{name}" in wide
    assert "default/s" in wide
    described = quick("describe", "clusterrole", name)
    assert "deployments.apps" in described
    quick("delete", "clusterrole", name, f"{name}-url", f"{name}-sum")
    quick("delete", "clusterrolebinding", name)
    quick("delete", "priorityclass", name)
    quick("delete", "namespace", f"{name}-n", "--timeout=30s")
