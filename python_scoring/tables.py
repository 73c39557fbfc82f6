"""Tables for the terminal."""

from typing import Any

from rich.table import Table


def add_columns(table: Table, words: list[str], numbers: list[str]) -> None:
    """Add columns of words, to the left, then columns of numbers, to the right."""
    for name in words:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)


def query_table(columns: list[str], rows: list[tuple[Any, ...]]) -> Table:
    """Any query's answer."""
    table = Table()
    add_columns(table, columns, [])
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    return table
