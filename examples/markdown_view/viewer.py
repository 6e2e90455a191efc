# /// script
# requires-python = ">=3.11"
# dependencies = ["markdown-it-py>=3"]
# ///
"""A small web server that renders the markdown files of a folder.

    python viewer.py --address 127.0.0.1 --port 3000 --directory /markdowns

Files are read anew at each request, so a changed ConfigMap shows as soon as it is mounted.
"""

import argparse
import html
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from markdown_it import MarkdownIt

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<nav>{links}</nav>
<main>
{content}</main>
</body>
</html>
"""
FIRST_PAGES = ("SUMMARY.md", "README.md", "index.md")


def render(directory: Path, name: str) -> str | None:
    """Return the page of a markdown file as HTML; None if there is no such file."""
    files = {path.name: path for path in sorted(directory.glob("*.md"))}
    if not name:
        name = next((one for one in FIRST_PAGES if one in files), next(iter(files), ""))
    if name not in files:  # only names that were listed: no path leads out of the folder
        return None
    text = files[name].read_text(encoding="utf-8")
    markdown = MarkdownIt("commonmark", {"html": False})
    links = " ".join(f'<a href="/{html.escape(one)}">{html.escape(one)}</a>' for one in files)
    return PAGE.format(title=html.escape(name), links=links, content=markdown.render(text))


class Handler(BaseHTTPRequestHandler):
    """Answers `/` with the first page and `/NAME.md` with that file's; `/healthz` with `ok`."""

    directory = Path()

    def do_GET(self) -> None:
        """Render one page."""
        name = self.path.partition("?")[0].strip("/")
        page = "ok" if name == "healthz" else render(self.directory, name)
        body = (page or "there is no such page\n").encode()
        self.send_response(HTTPStatus.OK if page else HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", "text/html; charset=utf-8" if page else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description="Render the markdown files of a folder.")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--directory", type=Path, default=Path())
    options = parser.parse_args()
    Handler.directory = options.directory
    with ThreadingHTTPServer((options.address, options.port), Handler) as server:
        print(f"serving {options.directory} on {options.address}:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
