"""Last words of containers: the files, and what is taken from them."""

from pathlib import Path

from arubeki.node import ending
from arubeki.node.runtimes.base import Command, Exit, Mount
from tests.node.kit import container

SPEC = container(terminationMessagePath="/dev/termination-log")
FALLBACK = container(terminationMessagePolicy="FallbackToLogsOnError")


def command(directory, *, message=None):
    return Command("main", ("x",), {}, directory / "log", message=message)


def test_each_run_has_a_file_of_its_own_that_anybody_may_write(tmp_path):
    first = ending.prepare(SPEC, tmp_path / "messages", 0)
    first.source.write_text("old")
    second = ending.prepare(SPEC, tmp_path / "messages", 1)
    assert second.path == "/dev/termination-log"
    assert second.source.stat().st_mode & 0o777 == 0o666
    assert not first.source.exists()


def test_without_a_path_there_is_no_file(tmp_path):
    assert ending.prepare(container(), tmp_path, 0) is None
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_a_long_message_counts(tmp_path):
    mount = ending.prepare(SPEC, tmp_path, 0)
    mount.source.write_text("begin" + "x" * 4096)
    said = ending.message(SPEC, command(tmp_path, message=mount), Exit(1, 0))
    assert said == "x" * 4096


def test_what_the_runtime_says_comes_first(tmp_path):
    mount = ending.prepare(SPEC, tmp_path, 0)
    mount.source.write_text("because")
    exit_ = Exit(1, 0, message="out of memory")
    said = ending.message(SPEC, command(tmp_path, message=mount), exit_)
    assert said == "out of memory: because"


def test_a_message_that_the_program_removed_is_none(tmp_path):
    mount = Mount("/x", tmp_path / "gone")
    assert ending.message(SPEC, command(tmp_path, message=mount), Exit(1, 0)) == ""


def test_one_that_cannot_be_read_says_so(tmp_path):
    mount = Mount("/x", tmp_path)
    said = ending.message(SPEC, command(tmp_path, message=mount), Exit(1, 0))
    assert said == f"Error on reading termination log {tmp_path}: Is a directory"


def lines(directory, count, width=10):
    stamp = "2026-01-01T00:00:00.000000000Z stdout F "
    text = "".join(f"{stamp}{n:0{width}}\n" for n in range(count))
    Path(directory, "log").write_text(text)


def test_the_log_stands_in_where_that_is_wished_and_the_run_has_failed(tmp_path):
    lines(tmp_path, 100)
    said = ending.message(FALLBACK, command(tmp_path), Exit(1, 0))
    assert said.splitlines() == [f"{n:010}" for n in range(20, 100)]
    assert ending.message(FALLBACK, command(tmp_path), Exit(0, 0)) == ""
    assert ending.message(SPEC, command(tmp_path), Exit(1, 0)) == ""


def test_of_a_log_two_kilobytes_are_enough(tmp_path):
    lines(tmp_path, 80, width=99)
    said = ending.message(FALLBACK, command(tmp_path), Exit(1, 0))
    assert len(said) == 2048
    assert said.endswith("79\n")


def test_without_a_log_there_are_no_words(tmp_path):
    assert ending.message(FALLBACK, command(tmp_path), Exit(1, 0)) == ""
