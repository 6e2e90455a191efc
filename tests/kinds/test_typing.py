"""User code under `mypy --strict`: what is right passes, each mistake is found on its line."""

import re
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[2]


def faults(program: str, cache: Path) -> dict[int, str]:
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={cache}"]
    config = [f"--config-file={ROOT / 'pyproject.toml'}"]
    path = PROGRAMS / program
    done = subprocess.run(
        [*command, *config, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(rf"{re.escape(program)}:(\d+): error: (.*)", done.stdout)
    assert bool(found) == bool(done.returncode), done.stdout
    return {int(line): message for line, message in found}


def test_a_user_s_program_passes_strictly(tmp_path: Path) -> None:
    assert faults("markdown_view.py", tmp_path) == {}


def test_each_mistake_is_found_on_its_line(tmp_path: Path) -> None:
    lines = (PROGRAMS / "mistakes.py").read_text().splitlines()
    marked = {number for number, line in enumerate(lines, 1) if "# E: " in line}
    assert faults("mistakes.py", tmp_path).keys() == marked
    assert len(marked) > 10
