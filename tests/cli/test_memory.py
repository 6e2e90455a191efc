"""How a process that runs for long uses its memory."""

import gc
import platform
import subprocess
import sys

import pytest

from arubeki.cli import memory


def test_nothing_is_collected_during_a_start_and_what_it_made_is_never_looked_at_again() -> None:
    gc.unfreeze()
    try:
        with memory.starting():
            assert not gc.isenabled()
            made = [[number] for number in range(100)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= len(made)
    finally:
        gc.unfreeze()


def test_a_start_that_fails_leaves_the_collector_as_it_was() -> None:
    try:
        with pytest.raises(RuntimeError), memory.starting():
            raise RuntimeError
        assert gc.isenabled()
    finally:
        gc.unfreeze()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's habit")
def test_large_blocks_stay_apart_after_a_larger_one_was_freed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], check=False, capture_output=True, text=True
    )
    assert done.stdout.split() == ["True", "False"], done.stderr


_PROGRAM = """
import ctypes
from pathlib import Path
from arubeki.cli import memory

library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p

def is_in_heap():
    library.free(ctypes.c_void_p(library.malloc(ctypes.c_size_t(1 << 20))))
    block = library.malloc(ctypes.c_size_t(300 << 10))
    heap = next(one for one in Path("/proc/self/maps").read_text().splitlines() if "[heap]" in one)
    first, last = (int(number, 16) for number in heap.split()[0].split("-"))
    return first <= block < last

print(is_in_heap())
memory.map_large_blocks()
print(is_in_heap())
"""
