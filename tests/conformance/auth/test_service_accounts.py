"""Service accounts: as objects, their tokens, and what each namespace and Pod has of them.

Source: kubernetes test/e2e/auth/service_accounts.go.
"""

import itertools

import pytest

from tests.conformance.kit import conformance, named, not_yet
from tests.conformance.kit.workloads import pod_spec

FAMILY = "[sig-auth] ServiceAccounts should "
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
ROOT = "kube-root-ca.crt"


@pytest.fixture
def accounts(api, namespace):
    return api.of("v1", "ServiceAccount", namespace)


@conformance(f"{FAMILY}allow opting out of API token automount [Conformance]")
@not_yet("tokens are not mounted into Pods")
def test_a_token_is_mounted_unless_somebody_opts_out(api, namespace, accounts):
    accounts.create({**named("mount"), "automountServiceAccountToken": True})
    accounts.create({**named("nomount"), "automountServiceAccountToken": False})
    accounts.wait("default")
    pods = api.of("v1", "Pod", namespace)
    # The Pod has the last word, then its account, and by default it is mounted.
    says = {"default": True, "mount": True, "nomount": False}
    for account, wish in itertools.product(says, (None, True, False)):
        spec = pod_spec(restartPolicy="Never", serviceAccountName=account)
        if wish is not None:
            spec["automountServiceAccountToken"] = wish
        made = pods.create(named(f"pod-{account}-{wish}".lower(), spec=spec))
        (container,) = made["spec"]["containers"]
        mounts = [one["mountPath"] for one in container.get("volumeMounts", [])]
        wanted = says[account] if wish is None else wish
        assert (TOKEN_PATH in mounts) == wanted, f"{account}, {wish}"


@conformance(f"{FAMILY}run through the lifecycle of a ServiceAccount [Conformance]")
def test_an_account_lives(accounts):
    select = {"labelSelector": "test-serviceaccount-static=true"}
    made = accounts.create(named("account", {"test-serviceaccount-static": "true"}))
    assert accounts.get("account")["metadata"]["uid"] == made["metadata"]["uid"]
    with accounts.watch(timeoutSeconds=180, **select) as watch:
        assert watch.expect("ADDED", "account") == made
        patch = {"automountServiceAccountToken": False}
        patched = accounts.patch("account", patch, form="strategic")
        assert patched["automountServiceAccountToken"] is False
        assert watch.expect("MODIFIED", "account") == patched
        (listed,) = accounts.everywhere().items(**select)
        assert listed["metadata"]["namespace"] == accounts.namespace
        assert listed["automountServiceAccountToken"] is False
        accounts.delete_collection()
        watch.expect("DELETED", "account")


@conformance(f"{FAMILY}update a ServiceAccount [Conformance]")
def test_an_account_is_updated(accounts):
    made = accounts.create({**named("account"), "automountServiceAccountToken": False})
    assert made["automountServiceAccountToken"] is False
    updated = accounts.change("account", lambda obj: obj.update(automountServiceAccountToken=True))
    assert updated["automountServiceAccountToken"] is True
    assert accounts.get("account") == updated


@conformance(f"{FAMILY}guarantee kube-root-ca.crt exist in any namespace [Conformance]")
def test_each_namespace_has_the_authority(api, namespace):
    config_maps = api.of("v1", "ConfigMap", namespace)
    first = config_maps.wait(ROOT)
    config_maps.delete(ROOT, gracePeriodSeconds=0)
    again = config_maps.wait(ROOT)
    assert again["metadata"]["uid"] != first["metadata"]["uid"]
    config_maps.update(named(ROOT, data={"ca.crt": ""}))
    assert config_maps.wait(ROOT, lambda obj: obj["data"]["ca.crt"])["data"] == first["data"]


@conformance(
    f"{FAMILY}create a serviceAccountToken and ensure a successful TokenReview [Conformance]"
)
def test_the_token_of_an_account_is_what_it_says(api, accounts):
    made = accounts.create(named("account"))
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = api.ask("POST", accounts.path("account", "token"), request)
    token = answer["status"]["token"]
    assert token
    reviews = api.of("authentication.k8s.io/v1", "TokenReview")
    review = reviews.create({"spec": {"token": token}})
    assert review["status"]["authenticated"] is True
    assert not review["status"].get("error")
    user = review["status"]["user"]
    assert user["username"] == f"system:serviceaccount:{accounts.namespace}:account"
    assert user["uid"] == made["metadata"]["uid"]
