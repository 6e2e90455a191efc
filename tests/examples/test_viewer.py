"""The viewer: markdown in, pages out, and nothing from outside its folder."""

import http.client
import subprocess
import sys

import pytest

from tests.examples.conftest import EXAMPLE


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "SUMMARY.md").write_text("# Hello\n\n[next](next.md) <b>bold</b>\n")
    (tmp_path / "next.md").write_text("- a\n- b\n")
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path


def test_the_summary_comes_first(viewer, folder):
    page = viewer.render(folder, "")
    assert "<h1>Hello</h1>" in page
    assert '<a href="next.md">next</a>' in page
    assert '<nav><a href="/SUMMARY.md">SUMMARY.md</a> <a href="/next.md">next.md</a></nav>' in page


def test_without_a_summary_the_first_file_comes_first(viewer, tmp_path):
    (tmp_path / "b.md").write_text("b")
    (tmp_path / "a.md").write_text("a")
    assert "<p>a</p>" in viewer.render(tmp_path, "")


def test_html_is_shown_and_not_meant(viewer, folder):
    assert "&lt;b&gt;bold&lt;/b&gt;" in viewer.render(folder, "SUMMARY.md")


@pytest.mark.parametrize("name", ["gone.md", "secret.txt", "../viewer.py", "/etc/passwd", "."])
def test_only_what_is_listed_is_shown(viewer, folder, name):
    assert viewer.render(folder, name) is None


def test_an_empty_folder_has_no_pages(viewer, tmp_path):
    assert viewer.render(tmp_path, "") is None


def test_it_serves_and_shows_what_changes(folder):
    command = [sys.executable, EXAMPLE / "viewer.py", "--port", "0", "--directory", folder]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rpartition(":")[2])

            def ask(path):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                try:
                    connection.request("GET", path)
                    answer = connection.getresponse()
                    return answer.status, answer.read().decode()
                finally:
                    connection.close()

            assert ask("/healthz") == (200, "ok")
            assert "<h1>Hello</h1>" in ask("/")[1]
            assert ask("/../viewer.py")[0] == 404
            (folder / "next.md").write_text("# Changed\n")
            assert "<h1>Changed</h1>" in ask("/next.md?x=y")[1]
        finally:
            process.terminate()
