"""Markdown with nothing left blank: tables, numbers, links between sections."""

import math
import re
from collections.abc import Iterable, Sequence

from python_scoring.errors import BadInput


def number(value: float, decimals: int = 3) -> str:
    """Write a figure with so many decimals, and no minus before a zero.

    Raises
    ------
    ValueError
        It is NaN or infinite: the caller has to say what that means.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value}; expected a finite number")
    text = f"{value:,.{decimals}f}"
    return text.lstrip("-") if not re.search("[1-9]", text) else text


def percent(share: float) -> str:
    """Write a share (0-1) in percent, with one decimal."""
    return f"{number(100 * share, 1)} %"


def link(title: str) -> str:
    """Link to a section of the same document by its title."""
    return f"[{title}](#{anchor(title)})"


def anchor(title: str) -> str:
    """Name a heading as renderers of Markdown do: lower case, hyphens."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], words: Sequence[int] = (0,)
) -> str:
    """Write a table; columns of ``words`` stand to the left, numbers to the right.

    Raises
    ------
    BadInput
        A cell is blank or a row is too short or too long.
    """
    body = [list(map(cell, row)) for row in rows]
    for row in body:
        if len(row) != len(header) or not all(row):
            raise BadInput(f"card: table {list(header)}, row {row}: a cell is blank")
    rules = ["---" if place in words else "---:" for place in range(len(header))]
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(header), rules, *body])


def cell(text: str) -> str:
    """Keep a text within its cell: on one line, without a column's end."""
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")


def bullets(points: Iterable[str]) -> str:
    """Write a list, one point a line."""
    return "\n".join(f"- {point}" for point in points)


def folded(title: str, text: str) -> str:
    """Write what opens at a click, where the reader's program can do that."""
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"
