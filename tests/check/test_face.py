"""What users import from `arubeki` is there, and type checkers know of it."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import arubeki

HOMES = vars(arubeki)["_HOMES"]


def test_every_name_is_there_where_the_face_says() -> None:
    for name in arubeki.__all__:
        found = getattr(arubeki, name)
        assert found is getattr(importlib.import_module(HOMES[name]), name)
        assert found.__doc__, name
    assert list(arubeki.__all__) == sorted(HOMES)


def test_type_checkers_see_the_same_names() -> None:
    stub = Path(arubeki.__file__).with_suffix(".pyi").read_text()
    imported = {
        alias.asname: node.module
        for node in ast.walk(ast.parse(stub))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == HOMES


def test_the_import_alone_loads_nothing() -> None:
    code = "import sys, arubeki; print([one for one in sys.modules if one.startswith('arubeki.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
