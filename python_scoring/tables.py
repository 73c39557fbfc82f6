"""Tables for the terminal, narrow enough for eighty columns where they can be."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import JustifyMethod
from rich.markup import escape
from rich.table import Table


def make_table(
    title: str | None, words: Sequence[str], numbers: Sequence[str]
) -> Table:
    """Make a table with columns of words, to the left, then numbers, to the right."""
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for name in words:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def query_table(
    columns: Sequence[str], rows: Sequence[tuple[Any, ...]], title: str | None = None
) -> Table:
    """Make a table of any query's answer; values are shown as they are."""
    table = make_table(title, [], [])
    for place, name in enumerate(columns):
        is_number = all(isinstance(row[place], int | float) for row in rows)
        justify: JustifyMethod = "right" if is_number else "left"
        table.add_column(escape(name), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*("" if v is None else escape(str(v)) for v in row))
    return table
