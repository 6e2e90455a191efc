"""Budgets for disruption, as objects.

The official tests wait for the controller to look at each budget.

Source: kubernetes test/e2e/apps/disruption.go.
"""

import pytest

from tests.conformance.kit import conformance, eventually, named

FAMILY = "[sig-apps] DisruptionController "
NO_CONTROLLER = "there is no controller of PodDisruptionBudgets"


@pytest.fixture
def budgets(api, namespace):
    return api.of("policy/v1", "PodDisruptionBudget", namespace)


def is_processed(obj):
    status = obj.get("status", {})
    return status.get("observedGeneration", 0) >= obj["metadata"]["generation"]


def create(budgets, name, available, labels):
    spec = {"selector": {"matchLabels": {"foo": "bar"}}, "minAvailable": available}
    budgets.create(named(name, labels, spec=spec))
    return budgets.wait(name, is_processed)


@conformance(f"{FAMILY}should create a PodDisruptionBudget [Conformance]")
def test_a_budget_is_created_updated_patched_and_deleted(budgets):
    create(budgets, "foo", "1%", {"foo": "bar"})
    updated = budgets.change("foo", lambda obj: obj["spec"].update(minAvailable="2%"))
    assert updated["spec"]["minAvailable"] == "2%"
    budgets.wait("foo", is_processed)
    before = budgets.get("foo")
    patched = budgets.patch("foo", {"spec": {"minAvailable": "3%"}})
    assert patched["spec"]["minAvailable"] == "3%"
    assert patched["metadata"]["generation"] == before["metadata"]["generation"] + 1
    budgets.wait("foo", is_processed)
    budgets.delete("foo")
    budgets.wait_gone("foo")


@conformance(
    f"{FAMILY}Listing PodDisruptionBudgets for all namespaces should list and delete a collection "
    "of PodDisruptionBudgets [Conformance]"
)
def test_budgets_are_listed_in_all_namespaces_and_deleted_in_one(api, budgets, unique):
    other = f"other-{unique}"
    api.of("v1", "Namespace").create(named(other))
    elsewhere = api.of("policy/v1", "PodDisruptionBudget", other)
    labels, select = {"foo-pdb": "bar"}, {"labelSelector": "foo-pdb=bar"}
    create(budgets, "foo", 2, labels)
    create(budgets, "foo2", "1%", labels)
    create(elsewhere, "foo3", 2, labels)
    assert sorted(budgets.everywhere().names(**select)) == ["foo", "foo2", "foo3"]
    assert budgets.names(**select) == ["foo", "foo2"]
    budgets.delete_collection()
    eventually(lambda: budgets.items() == [])
    assert elsewhere.names() == ["foo3"]
    api.of("v1", "Namespace").delete(other)
