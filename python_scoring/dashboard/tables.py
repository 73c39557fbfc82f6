"""Data frames as HTML tables: with a caption, and headings that say what they head."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

NOTHING = "–"

# Contrast of text is at least 7:1; of lines, 3:1 where they tell anything.
STYLE = """
.rm-table { overflow-x: auto; margin: 0.5rem 0 1rem; }
.rm-table table { border-collapse: collapse; font-size: 0.9rem; width: 100%;
    color: #1b1b1b; background: #fff; }
.rm-table caption { text-align: left; font-weight: 600; padding: 0.25rem 0; }
.rm-table th, .rm-table td { border: 1px solid #d0d4d9; padding: 0.3rem 0.55rem;
    text-align: left; vertical-align: top; }
.rm-table thead th { background: #eef1f4; }
.rm-table tbody th { font-weight: 400; }
.rm-table .rm-number { text-align: right; font-variant-numeric: tabular-nums;
    white-space: nowrap; }
.rm-table thead th.rm-number { white-space: normal; }
.rm-table .rm-long { min-width: 15rem; }
.rm-table a { color: #00538a; text-decoration: underline; }
.rm-twin summary { cursor: pointer; padding: 0.35rem 0; color: #00538a;
    width: fit-content; }
.rm-twin summary:focus-visible, .rm-table:focus-visible, .rm-table a:focus-visible {
    outline: 3px solid #d55e00; outline-offset: 2px; }
"""


@dataclass(frozen=True)
class Column:
    """How a column of a data frame is headed and written."""

    label: str
    write: Callable[[Any], str]
    is_number: bool = True
    is_long: bool = False
    link: Callable[[Any], str] | None = None

    def cell(self, value: Any) -> str:
        """Write a value as the content of a cell, as HTML."""
        if is_nothing(value):
            return NOTHING
        written = escape(self.write(value))
        if self.link is None:
            return written
        return f'<a href="{escape(self.link(value))}" target="_self">{written}</a>'


def is_nothing(value: Any) -> bool:
    """Whether a value is null, in any of pandas' ways."""
    return value is None or value is pd.NaT or value is pd.NA or _is_nan(value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def text(label: str) -> Column:
    """Head a column of words."""
    return Column(label, str, is_number=False)


def count(label: str) -> Column:
    """Head a column of whole numbers."""
    return Column(label, lambda value: f"{int(value):,}")


def money(label: str) -> Column:
    """Head a column of dollars, rounded to whole ones."""
    return Column(label, dollars)


def percent(label: str, digits: int = 1) -> Column:
    """Head a column of percent (0-100)."""
    return Column(label, lambda value: f"{value:,.{digits}f} %")


def share(label: str, digits: int = 1) -> Column:
    """Head a column of shares (0-1), written as percent."""
    return Column(label, lambda value: f"{100 * value:,.{digits}f} %")


def figure(label: str, digits: int = 2) -> Column:
    """Head a column of figures without a unit."""
    return Column(label, lambda value: f"{value:,.{digits}f}")


def day(label: str) -> Column:
    """Head a column of dates or times, to the minute."""

    def write(value: Any) -> str:
        is_time = hasattr(value, "hour")
        return str(value.strftime("%Y-%m-%d %H:%M" if is_time else "%Y-%m-%d"))

    return Column(label, write, is_number=False)


def dollars(value: float) -> str:
    """Write whole dollars: `-$1,234`.

    Examples
    --------
    >>> dollars(-1234.4)
    '-$1,234'
    """
    rounded = round(value)
    return f"{'-' if rounded < 0 else ''}${abs(rounded):,}"


def short_dollars(value: float) -> str:
    """Write dollars to three figures or so: `$1.2M`.

    Examples
    --------
    >>> short_dollars(447_231)
    '$447.2k'
    """
    size, sign = abs(value), "-" if value <= -0.5 else ""
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if size >= unit:
            return f"{sign}${size / unit:,.1f}{name}"
    return f"{sign}${size:,.0f}"


def html(frame: pd.DataFrame, columns: Mapping[str, Column], caption: str) -> str:
    """Write a data frame as a table; its first column heads the rows.

    Parameters
    ----------
    columns
        By name, in the order to show; others are left out, and so are those that
        the frame lacks, since they are withheld from whoever looks.
    """
    shown = {name: column for name, column in columns.items() if name in frame.columns}
    head = "".join(
        f'<th scope="col"{_class(column)}>{escape(column.label)}</th>'
        for column in shown.values()
    )
    rows = "".join(
        f"<tr>{_row(values, list(shown.values()))}</tr>"
        for values in zip(*(frame[name] for name in shown), strict=True)
    )
    # A region that scrolls has to be reachable by keyboard.
    region = f'role="region" tabindex="0" aria-label="{escape(caption)}"'
    return (
        f'<div class="rm-table" {region}><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(values: tuple[Any, ...], columns: list[Column]) -> str:
    cells = []
    for place, (value, column) in enumerate(zip(values, columns, strict=True)):
        tag = 'th scope="row"' if place == 0 else "td"
        cells.append(f"<{tag}{_class(column)}>{column.cell(value)}</{tag.split()[0]}>")
    return "".join(cells)


def _class(column: Column) -> str:
    name = "rm-number" if column.is_number else "rm-long" if column.is_long else ""
    return f' class="{name}"' if name else ""


def folded(title: str, table: str) -> str:
    """Fold a table under a line that opens it, by keyboard too."""
    return (
        f'<details class="rm-twin"><summary>Table: {escape(title)}</summary>'
        f"{table}</details>"
    )
