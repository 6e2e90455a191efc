"""The tests of kubectl with every kubectl at hand, each version once.

    python peers/kubectls.py            # what PATH has, and what lies beside it under other names
    python peers/kubectls.py FILE…      # these

The name begins with `kubectl`: kubectl, kubectl.1.27, kubectl-1.33.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests" / "clients"


def main() -> int:
    """Run them; return how many versions failed."""
    programs = [Path(one).resolve() for one in sys.argv[1:]] or at_hand()
    failed = 0
    for version, program in versions(programs).items():
        print(f"kubectl {version}: {program}", flush=True)
        command = (sys.executable, "-m", "pytest", "-q", "-m", "kubectl", str(TESTS))
        environment = os.environ | {"ARUBEKI_KUBECTL": str(program)}
        failed += subprocess.run(command, env=environment, check=False).returncode != 0
    return failed


def at_hand() -> list[Path]:
    """Return the kubectls of the folders on PATH and of those that their links lead to."""
    folders = [Path(one) for one in os.environ.get("PATH", "").split(os.pathsep) if one]
    found = shutil.which("kubectl")
    if found:
        folders.append(Path(found).resolve().parent)
    return sorted({one for folder in folders for one in folder.glob("kubectl*")})


def versions(programs: list[Path]) -> dict[str, Path]:
    """Return them by version; what does not tell one is no kubectl."""
    known: dict[str, Path] = {}
    for program in programs:
        asked = (str(program), "version", "--client", "-o", "json")
        try:
            done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30)
            version = json.loads(done.stdout)["clientVersion"]["gitVersion"]
        except (OSError, ValueError, KeyError, subprocess.SubprocessError):
            continue
        known.setdefault(version, program)
    return known


if __name__ == "__main__":
    sys.exit(main())
