"""Builds the site of the documents: `make docs`, or `python -m tests.site`.

    docs/, README.md, notebooks  ──pages──>  build/pages  ──zensical──>  build/site

The documents are written to be read where they lie, on a forge, so the pages differ in two ways. A
link to a file becomes a link to its page; one to a file that has no page, such as a source, stays
as words. And each notebook becomes a page with what it printed and drew. The order of the pages
is in mkdocs.yml. A warning of the builder fails the build.
"""

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

import nbformat

ROOT: Final = Path(__file__).parent.parent
PAGES: Final = ROOT / "build/pages"
FRONT: Final = {
    "README.md": "index.md",
    "README.ko.md": "index.ko.md",
    "CHANGELOG.md": "changes.md",
    "benchmarks/README.md": "benchmarks.md",
    "docs/README.md": "documents.md",
    "tutorials/README.md": "tutorials/index.md",
}
"""Files with a page of another name."""

LINK: Final = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
FENCE: Final = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
ANSI: Final = re.compile(r"\x1b\[[0-9;]*m")


def places() -> dict[str, str]:
    """Each file of the project that is on the site, and its place there."""
    files = [path for path in (ROOT / "docs").rglob("*") if path.suffix in (".md", ".png", ".svg")]
    names = [path.relative_to(ROOT).as_posix() for path in files]
    found = {name: name.removeprefix("docs/") for name in names}
    for notebook in sorted((ROOT / "tutorials").glob("*.ipynb")):
        found[f"tutorials/{notebook.name}"] = f"tutorials/{notebook.stem}.md"
    return found | {name: place for name, place in FRONT.items() if (ROOT / name).exists()}


def write_pages() -> None:
    """Put all pages together in build/pages."""
    shutil.rmtree(PAGES, ignore_errors=True)
    where = places()
    for name, place in where.items():
        target = PAGES / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".md"):
            target.write_text(moved((ROOT / name).read_text(), name, where))
        elif name.endswith(".ipynb"):
            target.write_text(moved(page_of(ROOT / name, target), name, where))
        else:
            shutil.copyfile(ROOT / name, target)


def moved(text: str, name: str, where: dict[str, str]) -> str:
    """A document's text with links for its place on the site; programs in it stay as they are."""
    parts = FENCE.split(text)
    parts[::2] = [LINK.sub(lambda link: new_link(link, name, where), part) for part in parts[::2]]
    return "".join(parts).replace("<details>", "<details markdown>")


def new_link(link: re.Match[str], name: str, where: dict[str, str]) -> str:
    """A link from the page of `name`; only its words if what it leads to has no page."""
    mark, words, target = link.groups()
    path, hash_sign, anchor = target.partition("#")
    if "://" in target or not path or (PAGES / where[name]).parent.joinpath(path).is_file():
        return link[0]
    file = os.path.normpath(PurePosixPath(name).parent / path)
    if file not in where:
        return words
    start = PurePosixPath(where[name]).parent
    return f"{mark}[{words}]({os.path.relpath(where[file], start)}{hash_sign}{anchor})"


def page_of(notebook: Path, page: Path) -> str:
    """A notebook as Markdown; its pictures become files beside the page."""
    cells: list[Any] = nbformat.read(notebook, 4).cells
    parts = [f"[The notebook itself: {notebook.name}]({notebook.name})\n"]
    shutil.copyfile(notebook, page.with_name(notebook.name))
    for cell in cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        else:
            parts.append(f"```python\n{cell.source}\n```")
            parts += outputs_of(cell, page)
    return "\n\n".join(parts) + "\n"


def outputs_of(cell: Any, page: Path) -> Iterator[str]:
    """What a cell printed and drew."""
    for number, output in enumerate(cell.outputs):
        data = output.get("data", {})
        if "image/png" in data:
            picture = page.with_name(f"{page.stem}-{cell.id}-{number}.png")
            picture.write_bytes(base64.b64decode(data["image/png"]))
            yield f"![What the cell drew]({picture.name})"
        elif text := output.get("text") or data.get("text/plain"):
            yield f"```text\n{ANSI.sub('', text).rstrip()}\n```"


def main() -> int:
    """Write the pages and build the site; the builder's exit status."""
    write_pages()
    zensical = Path(sys.executable).with_name("zensical")
    command = [str(zensical), "build", "--clean", "--strict", "--config-file", "mkdocs.yml"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
