"""The CSVs of seeds/: held against the types that the YAML beside them declares.

dbt hands a seed to the database as it stands, which says of a word in a number's place
neither the file nor the line.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from pathlib import Path

import yaml

from python_scoring import config
from python_scoring.cohorts.csv_table import CsvTable
from python_scoring.cohorts.rejects import Reject
from python_scoring.cohorts.values import shown
from python_scoring.errors import BadInput

_SHOWN = 20
# What dbt takes for an empty cell.
_EMPTY = ("", "null")
_BOOLEANS = ("true", "false", "t", "f", "yes", "no", "y", "n", "on", "off", "1", "0")
_NUMBER = re.compile(
    r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|nan|[+-]?inf(inity)?"
)
_BITS = {"smallint": 15, "integer": 31, "bigint": 63}


def folder() -> Path:
    """Return the folder of the project's seeds."""
    return config.PROJECT_DIR / "seeds"


def check() -> None:
    """Hold all seeds against the types of their columns.

    Raises
    ------
    BadInput
        A file is missing or no CSV, lacks a column, or has a value of another type.
    """
    _refuse(
        fault
        for file in sorted(folder().glob("*/*.yml"))
        for seed in _types(file)
        for fault in _faults(file.with_name(f"{seed}.csv"))
    )


def rows(path: Path) -> list[dict[str, str]]:
    """Read a seed for use in Python.

    Raises
    ------
    BadInput
        As `check`, of this file.
    """
    _refuse(_faults(path))
    with path.open(newline="", encoding="utf-8-sig") as lines:
        return list(csv.DictReader(lines))


@cache
def _types(file: Path) -> Mapping[str, Mapping[str, str]]:
    """Read which types a YAML file declares, by seed and column."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {seed["name"]: seed["config"]["column_types"] for seed in content["seeds"]}


def _declared(path: Path) -> Mapping[str, str]:
    for file in sorted(path.parent.glob("*.yml")):
        if path.stem in _types(file):
            return _types(file)[path.stem]
    return {}


def _refuse(faults: Iterable[Reject]) -> None:
    found = list(faults)
    if found:
        more = len(found) - _SHOWN
        lines = [str(fault) for fault in found[:_SHOWN]]
        raise BadInput("\n".join(lines + ([f"and {more:,} more"] if more > 0 else [])))


def _faults(path: Path) -> Iterator[Reject]:
    types = _declared(path)
    table = CsvTable(path)
    name = f"seeds/{path.parent.name}/{path.name}"
    for column in types:
        if table.columns.count(column) != 1:
            times = "twice" if column in table.columns else "missing"
            yield Reject(name, 1, column, times, f"expected {', '.join(types)}")
    wanted = [column for column in types if table.columns.count(column) == 1]
    for batch in table.batches(wanted or table.columns[:1]):
        for line in batch.malformed:
            found = shown(",".join(line.fields))
            yield Reject(name, line.line, "(all)", found, line.reason)
        for column in wanted:
            values = batch.columns[column].to_pylist()
            for line_number, value in zip(batch.lines, values, strict=True):
                expected = _expected(types[column], value.strip().lower())
                if expected:
                    place = (name, int(line_number), column, shown(value))
                    yield Reject(*place, f"expected {expected}")


def _expected(kind: str, text: str) -> str:
    """Say what a column takes, where this is no such value; else nothing."""
    if text in _EMPTY:
        return ""
    if kind in _BITS:
        most = 2 ** _BITS[kind] - 1
        if re.fullmatch(r"[+-]?[0-9]+", text) and -most - 1 <= int(text) <= most:
            return ""
        return f"a whole number from {-most - 1} to {most}"
    if kind == "double precision":
        return "" if _NUMBER.fullmatch(text) else "a number"
    if kind == "boolean":
        return "" if text in _BOOLEANS else "true or false"
    if kind == "date":
        return "" if _is_date(text) else "a date as 2025-12-31"
    return ""


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
