"""Draws the table of states in a module's docstring as a Mermaid diagram, for the documents.

    from                  by                          to          Empty --> Preparing: a join
    Empty                 a join                      Preparing    =>
    Stable, Empty         a join, a leave,            Preparing   Stable --> Preparing: ...
                          a death

A row without a `from` has that of the row before it. A `from` that ends with a comma goes on in
the next line. `any` is drawn from the dot with which diagrams begin.
"""

import re
from collections.abc import Iterator
from types import ModuleType

ANY = "[*]"
"""How Mermaid writes the dot."""


def diagram(module: ModuleType) -> str:
    """The block for a document."""
    lines = [
        f"    {state} --> {to}: {by}{', in any state' if state == ANY else ''}"
        for state, by, to in transitions(module.__doc__ or "")
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def transitions(doc: str) -> Iterator[tuple[str, str, str]]:
    """(from, by, to) for each transition that the table of this docstring has."""
    states: list[str] = []
    pending = ""
    for left, by, to in rows(doc):
        pending = f"{pending} {left}".strip()
        if pending.endswith(","):
            continue
        if pending:
            states = [ANY if each == "any" else each for each in re.split(r",\s*", pending)]
            pending = ""
        for state in states:
            yield state, by, to


def rows(doc: str) -> Iterator[tuple[str, str, str]]:
    """The cells of the table's lines, cut where the titles stand."""
    lines = iter(doc.splitlines())
    title = next(line for line in lines if re.fullmatch(r" +from +by +to", line))
    by_at, to_at = title.index("by"), title.index("to", title.index("by"))
    for line in lines:
        if not line.strip():
            return
        by = line[by_at:to_at].strip().replace(": ", ", ")  # Mermaid has its own use for a colon
        yield line[:by_at].strip(), by, line[to_at:].strip()
