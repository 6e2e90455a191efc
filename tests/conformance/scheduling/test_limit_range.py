"""LimitRanges: as objects, and what they make of Pods.

Source: kubernetes test/e2e/scheduling/limit_range.go.
"""

import pytest

from tests.conformance.kit import Refused, conformance, eventually, named

FAMILY = "[sig-scheduling] LimitRange should "


def amounts(cpu="", memory="", storage=""):
    found = {"cpu": cpu, "memory": memory, "ephemeral-storage": storage}
    return {name: value for name, value in found.items() if value}


LOWER = amounts("9m", "49Mi", "49Gi")
DEFAULT_LIMIT = amounts("500m", "500Mi", "500Gi")
DEFAULT_REQUEST = amounts("100m", "200Mi", "200Gi")
LIMIT = {
    "type": "Container",
    "min": amounts("50m", "100Mi", "100Gi"),
    "max": amounts("500m", "500Mi", "500Gi"),
    "default": DEFAULT_LIMIT,
    "defaultRequest": DEFAULT_REQUEST,
}


def pod(name, requests, limits=None):
    resources = {"requests": requests, "limits": limits or {}}
    return named(
        name, spec={"containers": [{"name": "pause", "image": "pause", "resources": resources}]}
    )


@pytest.fixture
def ranges(api, namespace):
    return api.of("v1", "LimitRange", namespace)


@conformance(
    f"{FAMILY}create a LimitRange with defaults and ensure pod has those defaults applied. "
    "[Conformance]"
)
def test_a_pod_has_the_defaults_of_its_limit_range(api, namespace, ranges):
    pods = api.of("v1", "Pod", namespace)
    select = {"labelSelector": f"time={namespace}"}
    since = ranges.list(**select)["metadata"]["resourceVersion"]
    with ranges.watch(resourceVersion=since, **select) as watch:
        made = ranges.create(named("limit-range", {"time": namespace}, spec={"limits": [LIMIT]}))
        assert watch.expect("ADDED", "limit-range") == made
    (limit,) = ranges.get("limit-range")["spec"]["limits"]
    assert (limit["default"], limit["defaultRequest"]) == (DEFAULT_LIMIT, DEFAULT_REQUEST)

    def resources(made):
        pods.create(made)
        (container,) = pods.get(made["metadata"]["name"])["spec"]["containers"]
        return container["resources"]

    assert resources(pod("nothing", {})) == {"requests": DEFAULT_REQUEST, "limits": DEFAULT_LIMIT}
    partial = pod("partial", amounts("", "150Mi", "150Gi"), amounts("300m"))
    # A limit is a request too where nothing else is said.
    assert resources(partial) == {
        "requests": amounts("300m", "150Mi", "150Gi"),
        "limits": amounts("300m", "500Mi", "500Gi"),
    }
    too_little = amounts("10m", "50Mi", "50Gi")
    too_much = amounts("600m", "600Mi", "600Gi")
    # What is too much is beyond the limit that it gets, too, which is found first.
    for requests, code in ((too_little, 403), (too_much, 422)):
        with pytest.raises(Refused) as refused:
            pods.create(pod("refused", requests))
        assert refused.value.code == code

    ranges.change("limit-range", lambda obj: obj["spec"]["limits"][0].update(min=LOWER))
    assert ranges.get("limit-range")["spec"]["limits"][0]["min"] == LOWER
    pods.create(pod("little", too_little))
    with pytest.raises(Refused):
        pods.create(pod("refused", too_much))
    ranges.delete("limit-range", gracePeriodSeconds=30)
    eventually(lambda: not ranges.items())
    pods.create(pod("much", too_much))


@conformance(f"{FAMILY}list, patch and delete a LimitRange by collection [Conformance]")
def test_limit_ranges_are_listed_patched_and_deleted_by_label(api, namespace, ranges, unique):
    namespaces = api.of("v1", "Namespace")
    other = f"other-{unique}"
    namespaces.create(named(other))
    labels = {"limits": unique, unique: "created"}
    limit_range = named("range", labels, spec={"limits": [LIMIT]})
    ranges.create(limit_range)
    api.of("v1", "LimitRange", other).create(limit_range)
    select = {"labelSelector": f"limits={unique}"}
    found = ranges.everywhere().items(**select)
    assert {one["metadata"]["namespace"] for one in found} == {namespace, other}
    patch = {
        "metadata": {"labels": {unique: "patched"}},
        "spec": {"limits": [{**LIMIT, "min": LOWER}]},
    }
    patched = ranges.patch("range", patch, form="strategic")
    assert patched["metadata"]["labels"][unique] == "patched"
    assert patched["spec"]["limits"][0]["min"] == LOWER
    ranges.delete_collection(labelSelector=f"{unique}=patched")
    eventually(lambda: not ranges.everywhere().items(labelSelector=f"{unique}=patched"))
    (left,) = ranges.everywhere().items(**select)
    assert left["metadata"]["namespace"] == other
    namespaces.delete(other)
