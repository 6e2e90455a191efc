"""What a process that serves many asks of the operating system."""

import subprocess
import sys

import pytest

from arubeki.cli.limits import OPEN_FILES

pytest.importorskip("resource")

_PROGRAM = """
import resource, sys
from arubeki.cli import limits

resource.setrlimit(resource.RLIMIT_NOFILE, (64, int(sys.argv[1])))
limits.raise_open_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize("hard", [64, 500])
def test_as_many_files_may_be_opened_as_the_system_allows(hard: int) -> None:
    command = [sys.executable, "-c", _PROGRAM, str(hard)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(min(hard, OPEN_FILES)), str(hard)]
