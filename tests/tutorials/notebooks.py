"""Makes the notebooks of tutorials/ out of their sources, and runs every cell of them.

    tutorials/01_a_log_is_a_file.py      the source: py:percent, prose in docstrings; what is edited
    tutorials/01_a_log_is_a_file.ipynb   made of it, with what its cells printed and drew

python -m tests.tutorials.notebooks             run all; write those that have changed
python -m tests.tutorials.notebooks 03 04       only these chapters
python -m tests.tutorials.notebooks --write     write all, with what they drew this time

Solutions, the python blocks inside <details>, are run too, behind the exercise; a notebook is
written without what they print. docs/decisions/notebooks.md has the reasons.
"""

import argparse
import copy
import re
import sys
import time
from pathlib import Path
from typing import Any, Final

import jupytext
import nbformat

Notebook = Any
Cell = Any
"""nbformat's dictionaries, which have no types."""

TUTORIALS: Final = Path(__file__).parent.parent.parent / "tutorials"
SOURCE_NAME: Final = "[0-9][0-9]_*.py"
GOAL_S: Final = 25.0
"""How long a chapter may take on a quiet machine of two cores; who takes longer is told so."""
CELL_TIMEOUT_S: Final = 120
SOLUTION: Final = re.compile(r"<details>.*?</details>", re.DOTALL)
PROGRAM: Final = re.compile(r"```python\n(.*?)```", re.DOTALL)


def sources() -> list[Path]:
    """The chapters, in order."""
    return sorted(TUTORIALS.glob(SOURCE_NAME))


def read(source: Path) -> Notebook:
    """The notebook that a source stands for, with nothing run yet."""
    parsed = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    notebook = nbformat.v4.new_notebook(
        cells=parsed.cells,
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        },
    )
    for number, cell in enumerate(notebook.cells, 1):
        cell["id"] = f"{source.stem[:2]}-{number:02}"
        cell["metadata"] = {}
    return notebook


def cells_of(notebook: Notebook) -> list[tuple[str, str]]:
    """What a notebook says, without what it printed: kind and text of each cell."""
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def solutions(cell: Cell) -> list[str]:
    """The programs hidden in a cell of text."""
    if cell.cell_type != "markdown":
        return []
    return [text for part in SOLUTION.findall(cell.source) for text in PROGRAM.findall(part)]


def with_solutions(notebook: Notebook) -> Notebook:
    """A copy in which each solution is a cell of its own, behind its exercise."""
    result = copy.deepcopy(notebook)
    result.cells = []
    for cell in notebook.cells:
        result.cells.append(copy.deepcopy(cell))
        for number, program in enumerate(solutions(cell), 1):
            solution = nbformat.v4.new_code_cell(program, id=f"{cell.id}-{number}")
            result.cells.append(solution)
    return result


def run(notebook: Notebook) -> None:
    """Run all cells and solutions; the cells get what they printed. Raises CellExecutionError."""
    from nbclient import NotebookClient  # who only compares needs no kernel

    everything = with_solutions(notebook)
    NotebookClient(
        everything,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        record_timing=False,
        resources={"metadata": {"path": str(TUTORIALS)}},
    ).execute()
    done = {cell.id: cell for cell in everything.cells}
    for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), 1):
        cell["outputs"] = [
            tidied(output)
            for output in done[cell.id].outputs
            if output.get("name") != "stderr"  # log lines of clients, such as that a broker is gone
        ]
        cell["execution_count"] = number


def tidied(output: Any) -> Any:
    """An output without the number of its run and the words that stand for a picture."""
    if "execution_count" in output:
        output["execution_count"] = None
    if "image/png" in output.get("data", {}):
        output["data"].pop("text/plain", None)
    return output


def is_current(notebook: Notebook, path: Path) -> bool:
    """Whether the notebook in this file says the same."""
    return path.exists() and cells_of(nbformat.read(path, 4)) == cells_of(notebook)


def make(source: Path, *, write: bool) -> bool:
    """Run a chapter, say how it went, write it if it is to be written; whether it went well."""
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    path, notebook, began = source.with_suffix(".ipynb"), read(source), time.monotonic()
    try:
        run(notebook)
    except (CellExecutionError, DeadKernelError, AssertionError) as error:  # nbclient asserts, too
        print(f"{source.stem}: FAILED\n{error!r}\n{error}", flush=True)
        return False
    took_s = time.monotonic() - began
    remark = "" if took_s <= GOAL_S else f", which is more than {GOAL_S:.0f}"
    if write or not is_current(notebook, path):
        nbformat.write(notebook, path)
        remark += f"; wrote {path.name}"
    print(f"{source.stem}: {took_s:.1f} s{remark}", flush=True)
    return True


def main() -> int:
    """Make the chapters that are asked for."""
    parser = argparse.ArgumentParser(description="run the tutorials, and write them as notebooks")
    parser.add_argument("chapters", nargs="*", help="their numbers, such as 03; default: all")
    parser.add_argument("--write", action="store_true", help="write those that are unchanged, too")
    options = parser.parse_args()
    wanted = {number.zfill(2) for number in options.chapters}
    chosen = [path for path in sources() if not wanted or path.stem[:2] in wanted]
    results = [make(source, write=options.write) for source in chosen]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) and results else 1


if __name__ == "__main__":
    sys.exit(main())
