"""The example's modules, loaded from where they lie."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "markdown_view"


def load(name: str) -> ModuleType:
    """Load a file of the example under a name of its own."""
    known = f"markdown_view_{name}"
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(known, EXAMPLE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[known] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[known])
    return sys.modules[known]


@pytest.fixture
def controller() -> ModuleType:
    return load("controller")


@pytest.fixture
def viewer() -> ModuleType:
    return load("viewer")
