"""Rows on stdout: a table for people, JSON for programs.

    TOPIC   PARTITIONS        {"topic": "orders", "partitions": 3}
    orders  3                 {"topic": "payments", "partitions": 1}
    payments  1

A JSON row is an object on a line of its own, so that a reader needs no whole document. The table is
rich's, which is loaded when one is drawn; off a terminal it is as wide as it needs to be.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import click

PIPE_COLUMNS: Final = 10_000
"""The width of a table that no terminal limits."""


def show(output: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write the rows; `columns` are snake_case names, `output` is "table" or "json"."""
    if output == "json":
        for row in rows:
            click.echo(json.dumps(dict(zip(columns, row, strict=True))))
    else:
        _draw(columns, rows)


def _draw(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPE_COLUMNS)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.upper().replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    console.print(table)


def _cell(value: Any) -> str:
    """A value as a person reads it: lists with commas, nothing as "-"."""
    from rich.markup import escape

    if isinstance(value, (list, tuple)):
        return ",".join(map(str, cast(Sequence[Any], value))) or "-"
    return "-" if value is None else escape(str(value))
