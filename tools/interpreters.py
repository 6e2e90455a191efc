"""Runs the tests on every CPython 3.11 or newer that is at hand, each in an environment of its own.

    python tools/interpreters.py [PYTEST ARGUMENT ...]

Looks on PATH and in pyenv's folder. Environments are `.venv-3.12` and so on, kept for the next time.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOWEST = (3, 11)
_ASK = "import sys; print(*sys.version_info[:2], sys.implementation.name)"


def main(arguments: list[str]) -> int:
    """Test on each interpreter; return 1 if one failed."""
    failed = []
    for version, python in sorted(found().items()):
        name = ".".join(map(str, version))
        print(f"== CPython {name}: {python}", flush=True)
        if not tested(name, python, arguments):
            failed.append(name)
    print(f"== failed on {', '.join(failed)}" if failed else "== passed on all")
    return 1 if failed else 0


def found() -> dict[tuple[int, int], Path]:
    """Return one interpreter for each version."""
    folders = [Path(one) for one in os.environ.get("PATH", "").split(os.pathsep) if one]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders += sorted(pyenv.glob("*/bin"))
    interpreters: dict[tuple[int, int], Path] = {}
    for folder in folders:
        if folder.name == "shims":
            continue  # these start what pyenv has chosen, which need not be what they are called
        for python in sorted(folder.glob("python3.[0-9]*")):
            if not python.name.removeprefix("python3.").isdigit():
                continue
            done = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, check=False)
            words = done.stdout.split()
            if done.returncode or len(words) != 3 or words[2] != "cpython":
                continue
            version = (int(words[0]), int(words[1]))
            if version >= LOWEST:
                interpreters.setdefault(version, python)
    return interpreters


def tested(name: str, python: Path, arguments: list[str]) -> bool:
    """Set up an environment and run the tests in it."""
    environment = {
        **os.environ,
        "UV_PROJECT_ENVIRONMENT": f".venv-{name}",
        "UV_PYTHON_DOWNLOADS": "never",
    }
    own = ROOT / ".venv" / "bin" / "uv"
    uv = own if own.exists() else "uv"
    sync = [uv, "sync", "--quiet", "--frozen", "--all-extras", "--python", python]
    if subprocess.run(sync, cwd=ROOT, env=environment, check=False).returncode:
        return False
    pytest = [ROOT / f".venv-{name}" / "bin" / "python", "-m", "pytest", "-q", "-n", "2"]
    command = [*pytest, "--dist", "loadscope", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
