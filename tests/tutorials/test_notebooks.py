"""The chapters: notebooks say what their sources say, and what they point at exists.

That all of them run is `make notebooks`.
"""

import re
from pathlib import Path

import pytest
from nbformat import read as read_notebook

from ..test_tidy import CODE_REFERENCE, LINK, is_code, leads_somewhere
from . import notebooks

CHAPTERS = notebooks.sources()
HOW_TO_INSTALL = "pip install -e '.[notebooks]'"


def prose(source: Path) -> str:
    """All that a chapter tells in words."""
    cells = notebooks.read(source).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def source(request: pytest.FixtureRequest) -> Path:
    """Each chapter."""
    return request.param


def test_chapters_are_numbered_one_after_the_other():
    assert [path.stem[:2] for path in CHAPTERS] == [f"{n:02}" for n in range(1, len(CHAPTERS) + 1)]


def test_the_notebook_says_what_its_source_says(source: Path):
    made = notebooks.read(source)
    assert notebooks.is_current(made, source.with_suffix(".ipynb")), "run `make notebooks`"


def test_the_notebook_was_run_from_top_to_bottom_without_an_error(source: Path):
    cells = read_notebook(source.with_suffix(".ipynb"), 4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {output.output_type for cell in code for output in cell.outputs}
    assert kinds <= {"stream", "display_data", "execute_result"}


def test_there_is_a_picture(source: Path):
    cells = read_notebook(source.with_suffix(".ipynb"), 4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)


def test_the_first_program_says_what_is_missing_and_how_to_get_it(source: Path):
    first = next(cell for cell in notebooks.read(source).cells if cell.cell_type == "code")
    assert HOW_TO_INSTALL in first.source


def test_there_are_exercises_and_every_one_has_its_solution(source: Path):
    text = prose(source)
    exercises = re.findall(r"^\*\*\d+\.\*\*", text, re.MULTILINE)
    assert exercises
    assert len(exercises) == text.count("<details><summary>Solution</summary>")
    assert text.count("<details>") == text.count("</details>")


def test_code_that_a_chapter_names_exists(source: Path):
    named = list(CODE_REFERENCE.finditer(prose(source)))
    assert named
    missing = [each.group() for each in named if not is_code(each[1], each[2])]
    assert missing == []


def test_links_of_a_chapter_lead_somewhere(source: Path):
    targets = [each for each in LINK.findall(prose(source)) if "://" not in each]
    assert [each for each in targets if not leads_somewhere(source, each)] == []
