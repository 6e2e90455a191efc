"""The house rules as functions from a tree to a list of faults, so that each can be shown to bite."""

import ast
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 500
FUNCTION_LINES = 70
CLOCK_MODULES = {"time", "random", "uuid", "secrets", "datetime"}
ENTROPY_CALLS = {("os", "urandom"), ("os", "getrandom"), ("ssl", "RAND_bytes")}
# The launcher runs before arubeki can be imported, in an interpreter of its own.
CLOCK_EXEMPT = {"src/arubeki/clock.py"}


def python_files(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (path relative to `root`, text) of our own, not generated, Python files."""
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root).as_posix()
        if any(part.startswith(".") for part in path.relative_to(root).parts):
            continue
        text = path.read_text(encoding="utf-8")
        if "enerated by tools/" in text[:600]:
            continue
        yield relative, text


def oversized(root: Path) -> list[str]:
    """Files over 500 lines and functions over 70."""
    faults = []
    for name, text in python_files(root):
        lines = text.count("\n")
        if lines > FILE_LINES:
            faults.append(f"{name}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                if size > FUNCTION_LINES:
                    faults.append(f"{name}:{node.lineno} {node.name}: {size} lines")
    return faults


def undocumented(root: Path) -> list[str]:
    """Modules of the package without a docstring."""
    return [
        name
        for name, text in python_files(root)
        if name.startswith("src/") and not ast.get_docstring(ast.parse(text))
    ]


def clock_readers(root: Path) -> list[str]:
    """Places outside clock.py that import a clock or draw entropy.

    Import-linter sees only module level and what it can resolve; this sees every statement.
    """
    faults = []
    for name, text in python_files(root):
        if not name.startswith("src/") or name in CLOCK_EXEMPT:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                modules = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = {(node.module or "").split(".")[0]}
            elif (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and (node.value.id, node.attr) in ENTROPY_CALLS
            ):
                faults.append(f"{name}:{node.lineno} {node.value.id}.{node.attr}")
                continue
            else:
                continue
            faults += [f"{name}:{node.lineno} {one}" for one in sorted(modules & CLOCK_MODULES)]
    return faults


def printers(root: Path) -> list[str]:
    """Calls of print outside the command line."""
    return [
        f"{name}:{node.lineno}"
        for name, text in python_files(root)
        if name.startswith("src/") and not name.startswith("src/arubeki/cli/")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]


def swallowers(root: Path) -> list[str]:
    """Bare `except:` clauses."""
    return [
        f"{name}:{node.lineno}"
        for name, text in python_files(root)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
