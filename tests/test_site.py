"""The site: every document has its page, its place in the order, and links that lead to pages."""

import re
from pathlib import Path

import pytest

from . import site

ORDER = (site.ROOT / "mkdocs.yml").read_text()
LISTED = set(re.findall(r": (\S+\.md)$", ORDER, re.MULTILINE))
LISTED_ELSEWHERE = "decisions/"
"""In documents.md."""


def test_the_order_has_all_pages_and_no_others() -> None:
    pages = {place for place in site.places().values() if place.endswith(".md")}
    assert {page for page in pages if not page.startswith(LISTED_ELSEWHERE)} == LISTED


def test_links_lead_to_pages_or_become_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "PAGES", tmp_path)
    site.write_pages()
    for page in tmp_path.rglob("*.md"):
        text = "".join(site.FENCE.split(page.read_text())[::2])
        for _, _, target in site.LINK.findall(text):
            path = target.partition("#")[0]
            assert "://" in target or not path or (page.parent / path).is_file(), (page, target)


@pytest.mark.parametrize(
    ("link", "moved"),
    [
        ("[the log](log.md#a-start)", "[the log](log.md#a-start)"),
        ("[front](../README.md)", "[front](index.md)"),
        ("[a test](../tests/site.py)", "a test"),
        ("[there](https://example.org/)", "[there](https://example.org/)"),
        ("```\n[code](../tests/site.py)\n```", "```\n[code](../tests/site.py)\n```"),
    ],
)
def test_a_link_is_moved(link: str, moved: str) -> None:
    assert site.moved(link, "docs/architecture.md", site.places()) == moved
