"""Every generated class, by what holds for all of them."""

import importlib
import json
import pkgutil
import random
import subprocess
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arubeki.kinds
from arubeki.kinds import core_v1 as core
from arubeki.kinds.base import Object
from arubeki.kinds.codec import decode, encode, from_dict
from arubeki.kinds.model import UnsetType

MODULES = [
    importlib.import_module(f"arubeki.kinds.{one.name}")
    for one in pkgutil.iter_modules(arubeki.kinds.__path__)
    if "_v" in one.name
]
CLASSES: list[type[msgspec.Struct]] = [
    getattr(module, name) for module in MODULES for name in module.__all__
]
KINDS = [cls for cls in CLASSES if issubclass(cls, Object)]


def named(cls: type) -> str:
    return f"{cls.__module__.rsplit('.', 1)[1]}.{cls.__name__}"


class Maker:
    """Makes JSON that fits a class; the deeper, the sparser."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def struct(self, cls: type[msgspec.Struct], depth: int) -> dict[str, Any]:
        fields = msgspec.structs.fields(cls)
        chosen = [one for one in fields if self.random.random() < 0.9 / (depth + 1)]
        found = {
            one.encode_name: self.value(one.type, depth + 1)
            for one in chosen
            if depth < 8 and one.name not in ("apiVersion", "kind")
        }
        if issubclass(cls, Object):  # claim templates are whole objects
            found |= {"apiVersion": cls.KIND.api_version, "kind": cls.KIND.kind}
        return found

    def value(self, hint: Any, depth: int) -> Any:
        origin, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            choices = [one for one in arguments if one is not UnsetType]
            return self.value(self.random.choice(choices), depth)
        if origin is tuple:
            return [self.value(arguments[0], depth) for _ in range(self.random.randrange(3))]
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return {self.text(): self.value(arguments[1], depth) for _ in range(2)}
        if isinstance(origin, type) and issubclass(origin, msgspec.Struct):
            return self.struct(hint, depth)
        plain: dict[Any, Any] = {
            str: self.text,
            int: lambda: self.random.randrange(-(2**31), 2**63 - 1),
            float: lambda: self.random.randrange(100) / 4,
            bool: lambda: self.random.random() < 0.5,
            bytes: lambda: self.random.choice(["", "AAECAw==", "eA=="]),
            Any: lambda: self.random.choice([{"any": [1, None]}, "text", 7, True]),
        }
        return plain[hint]()

    def text(self) -> str:
        return self.random.choice(["", "a", "Ready", "ü", '"', "\n", "10Mi", "a/b"]) + str(
            self.random.randrange(100)
        )


@pytest.mark.parametrize("cls", KINDS, ids=named)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_fits_a_kind_survives_the_way_through_it(cls: type[Object], seed: int) -> None:
    value = Maker(seed).struct(cls, 0)
    obj = from_dict(cls, value)
    assert json.loads(encode(obj)) == value
    assert decode(cls, encode(obj)) == obj
    assert obj.evolve() == obj


@pytest.mark.parametrize("cls", CLASSES, ids=named)
def test_every_class_is_frozen_untracked_and_empty_by_default(cls: type[msgspec.Struct]) -> None:
    assert cls.__struct_config__.frozen
    assert not cls.__struct_config__.gc
    obj = cls()
    wire = json.loads(encode(obj))
    assert wire.keys() <= {"apiVersion", "kind"}
    assert decode(cls, encode(obj)) == obj
    for field in cls.__struct_fields__:
        getattr(obj, field)  # reads, said or not


@pytest.mark.parametrize("cls", KINDS, ids=named)
def test_no_field_hides_a_question(cls: type[Object]) -> None:
    questions = {name for name in dir(Object) if not name.startswith("_")}
    assert set(cls.__struct_fields__) & questions <= {"apiVersion", "kind", "metadata"}


@pytest.mark.parametrize(
    ("module", "cls", "path"),
    [
        ("core_v1", "Pod", "/api/v1/namespaces/n/pods/x"),
        ("core_v1", "Endpoints", "/api/v1/namespaces/n/endpoints/x"),
        ("core_v1", "Node", "/api/v1/nodes/x"),
        ("apps_v1", "Deployment", "/apis/apps/v1/namespaces/n/deployments/x"),
        ("networking_v1", "Ingress", "/apis/networking.k8s.io/v1/namespaces/n/ingresses/x"),
        ("networking_v1", "NetworkPolicy",
         "/apis/networking.k8s.io/v1/namespaces/n/networkpolicies/x"),
        ("networking_v1", "IPAddress", "/apis/networking.k8s.io/v1/ipaddresses/x"),
        ("storage_v1", "StorageClass", "/apis/storage.k8s.io/v1/storageclasses/x"),
        ("storage_v1", "CSIStorageCapacity",
         "/apis/storage.k8s.io/v1/namespaces/n/csistoragecapacities/x"),
        ("scheduling_v1", "PriorityClass", "/apis/scheduling.k8s.io/v1/priorityclasses/x"),
        ("apiextensions_v1", "CustomResourceDefinition",
         "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/x"),
        ("apiregistration_v1", "APIService", "/apis/apiregistration.k8s.io/v1/apiservices/x"),
        ("autoscaling_v2", "HorizontalPodAutoscaler",
         "/apis/autoscaling/v2/namespaces/n/horizontalpodautoscalers/x"),
        ("discovery_v1", "EndpointSlice",
         "/apis/discovery.k8s.io/v1/namespaces/n/endpointslices/x"),
        ("events_v1", "Event", "/apis/events.k8s.io/v1/namespaces/n/events/x"),
        ("coordination_v1", "Lease", "/apis/coordination.k8s.io/v1/namespaces/n/leases/x"),
        ("rbac_v1", "ClusterRoleBinding",
         "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/x"),
        ("authorization_v1", "LocalSubjectAccessReview",
         "/apis/authorization.k8s.io/v1/namespaces/n/localsubjectaccessreviews/x"),
    ],
)  # fmt: skip
def test_a_kind_knows_where_it_is_served(module: str, cls: str, path: str) -> None:
    kind = getattr(importlib.import_module(f"arubeki.kinds.{module}"), cls).KIND
    assert kind.path("n" if kind.namespaced else "", "x") == path


def test_managed_fields_are_not_declared() -> None:
    assert "managedFields" not in core.Pod().metadata.__struct_fields__


def test_importing_the_core_kinds_is_quick() -> None:
    # 20 ms measured; the bound only catches a change of order.
    code = (
        "import timeit, msgspec, sys, arubeki.kinds.base;"
        "print(timeit.timeit('import arubeki.kinds.core_v1', number=1));"
        "assert not {'yaml', 'asyncio', 'hypothesis'} & sys.modules.keys()"
    )
    seconds = [
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
        for _ in range(3)
    ]
    assert min(seconds) < 0.15
