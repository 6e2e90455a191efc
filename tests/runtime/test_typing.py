"""A user's controller under `mypy --strict`: each mistake is found on its line, and nothing else."""

import re
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parent / "programs" / "typed.py"
ROOT = Path(__file__).parents[2]


def test_each_mistake_in_a_controller_is_found_on_its_line(tmp_path):
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}"]
    config = [f"--config-file={ROOT / 'pyproject.toml'}"]
    done = subprocess.run(
        [*command, *config, str(PROGRAM)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = {
        (int(line), code)
        for line, code in re.findall(r"typed\.py:(\d+): error: .*\[([a-z-]+)\]", done.stdout)
    }
    lines = PROGRAM.read_text().splitlines()
    marked = {
        (number, line.split("# E: ")[1]) for number, line in enumerate(lines, 1) if "# E: " in line
    }
    assert found == marked, done.stdout + done.stderr
    assert len(marked) == 7
