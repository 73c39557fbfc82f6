"""What a column may hold, and the check of a whole column at once.

A fault's reason says what was expected and nothing of the value, so that the
same fault counts as one however many rows have it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from python_scoring.errors import BadInput

Kind = Literal["identifier", "pattern", "word", "integer", "number", "date", "day"]
Mask = NDArray[np.bool_]

# The C library's and Python's words for infinity and NaN are no numbers here.
_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
# Control and format characters and line ends: they cannot be seen, and those that
# turn the direction of writing make one identifier look like another.
_UNSEEN = r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]"
_DAY = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_SHOWN = 200
_IDENTIFIER_LENGTH = 200


@dataclass(frozen=True)
class Column:
    """One column of a file: its name there, where it goes, what it may hold.

    Attributes
    ----------
    name
        Header in the file.
    target
        Column of the raw table; empty for one that is checked and not kept.
    kind
        `identifier` is any printable text; `pattern` is text that matches
        `pattern`; `word` is one of `codes`; `integer` and `number` lie between
        `minimum` and `maximum`, and in `codes` if there are any; `date` is
        YYYYMMDD, `day` is YYYY-MM-DD.
    is_required
        Whether a file without the column is refused.
    may_be_blank
        Whether a row may leave it empty.
    identifies
        What it tells: a person or a claim, whom the warehouse calls otherwise.
    """

    name: str
    target: str
    kind: Kind
    expected: str
    minimum: float = -math.inf
    maximum: float = math.inf
    codes: tuple[str, ...] = ()
    pattern: str = ""
    is_required: bool = True
    may_be_blank: bool = False
    identifies: Literal["", "person", "claim"] = ""


@dataclass(frozen=True)
class Fault:
    """Rows of a batch that are wrong in one column for one reason.

    Attributes
    ----------
    rows
        Positions in the batch, ascending.
    values
        What stands there, fit to be shown and stored; None where nothing does.
    """

    column: str
    reason: str
    rows: NDArray[np.int64]
    values: list[str | None]


@dataclass(frozen=True)
class Parsed:
    """A column as the warehouse takes it, and which of its rows are wrong."""

    values: Any
    is_bad: Mask


def shown(value: object) -> str | None:
    """Text of a value for people: escaped where unprintable, cut at 200.

    PostgreSQL's text has no NUL, and a terminal obeys control characters.
    """
    if value is None:
        return None
    text = str(value)[:_SHOWN]
    if text.isprintable():
        return text
    escaped = (c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return "".join(escaped)[:_SHOWN]


def find_fault(column: str, reason: str, is_bad: Mask, values: Any) -> Fault | None:
    """Gather the wrong rows of a column; None if there are none."""
    rows = np.flatnonzero(is_bad)
    if not len(rows):
        return None
    found = [shown(v) for v in values.take(pa.array(rows)).to_pylist()]
    return Fault(column, reason, rows, found)


def parse(file: str, column: Column, values: Any) -> Parsed:
    """Check a column's values and turn them into its type.

    Parameters
    ----------
    values
        Arrow array, text from a CSV file or typed from a Parquet file.

    Raises
    ------
    BadInput
        The whole column is of a type that cannot hold what is expected.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if column.kind in ("integer", "number"):
        return _parse_numbers(file, column, values)
    text = _as_text(file, column, values)
    if column.kind == "day":
        # what is written otherwise has no hyphens taken out, and is no date below
        is_shaped = pc.match_substring_regex(text, _DAY)
        compact = pc.replace_substring(text, "-", "")
        text = pc.if_else(is_shaped, compact, pc.if_else(_blank(text), "", "-"))
    if column.kind in ("date", "day"):
        return _parse_dates(column, text)
    if column.kind == "identifier":
        # As intake takes them: no blanks around, composed letters. What looks the
        # same is the same person.
        text = pc.utf8_normalize(pc.utf8_trim_whitespace(text), form="NFC")
    return Parsed(text, _is_bad_text(column, text))


def _parse_numbers(file: str, column: Column, values: Any) -> Parsed:
    numbers = _as_numbers(file, column, values)
    is_bad = ~((numbers >= column.minimum) & (numbers <= column.maximum))
    if column.kind == "integer":
        is_bad |= numbers != np.floor(numbers)
    if column.codes:
        is_bad |= ~np.isin(numbers, np.array(column.codes, dtype=float))
    is_null = is_bad
    if column.may_be_blank:
        is_null = is_blank(values)
        is_bad &= ~is_null
    if column.kind == "integer":
        whole = np.where(is_bad | is_null, 0, numbers).astype(np.int64)
        return Parsed(pa.array(whole, mask=is_bad | is_null), is_bad)
    return Parsed(pa.array(numbers, mask=is_bad | is_null), is_bad)


def _as_numbers(file: str, column: Column, values: Any) -> NDArray[np.float64]:
    kind = values.type
    if _is_text(kind):
        text = values.cast(pa.string())
        found = _read_numbers(pc.if_else(_blank(text), None, text))
    elif pa.types.is_boolean(kind):
        found = values.cast(pa.int8()).cast(pa.float64())
    elif pa.types.is_null(kind) or pa.types.is_integer(kind):
        found = values.cast(pa.float64(), safe=False)
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        found = values.cast(pa.float64())
    else:
        raise _wrong_type(file, column, kind)
    numbers: NDArray[np.float64] = pc.fill_null(found, math.nan).to_numpy(
        zero_copy_only=False
    )
    return numbers


def _read_numbers(text: Any) -> Any:
    """Numbers of a text column, null where there is none.

    Almost every batch is clean and is read in one go; only one with something
    strange in it is looked at value by value.
    """
    try:
        return text.cast(pa.float64())
    except pa.ArrowInvalid:
        trimmed = pc.utf8_trim_whitespace(text)
        is_number = pc.match_substring_regex(trimmed, _NUMBER)
        return pc.if_else(is_number, trimmed, None).cast(pa.float64())


def _as_text(file: str, column: Column, values: Any) -> Any:
    kind = values.type
    if pa.types.is_timestamp(kind):
        values = values.cast(pa.date32(), safe=False)
    elif not (
        _is_text(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_null(kind)
        or pa.types.is_date(kind)
    ):
        # A float is no identifier: 12 and 12.0 would be two people.
        raise _wrong_type(file, column, kind)
    text = values.cast(pa.string())
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        raise BadInput(
            f"{file}: column {column.name} holds text that is not UTF-8"
        ) from None
    return text


def _is_bad_text(column: Column, text: Any) -> Mask:
    if column.kind == "identifier":
        is_good = pc.and_(
            pc.not_equal(text, ""),
            pc.less_equal(pc.utf8_length(text), _IDENTIFIER_LENGTH),
        )
        is_unseen = pc.match_substring_regex(text, _UNSEEN)
        is_good = pc.and_(is_good, pc.invert(is_unseen))
    elif column.kind == "word":
        is_good = pc.is_in(text, value_set=pa.array(column.codes, pa.string()))
    else:
        is_good = pc.match_substring_regex(text, f"^(?:{column.pattern})$")
    return ~as_mask(is_good)


def _parse_dates(column: Column, text: Any) -> Parsed:
    """Dates written YYYYMMDD; a day that no calendar has is bad."""
    is_shaped = as_mask(pc.match_substring_regex(text, "^[0-9]{8}$"))
    digits = pc.if_else(pa.array(is_shaped), text, "19000101").cast(pa.int64())
    number = digits.to_numpy(zero_copy_only=False)
    year, month, day = number // 10_000, number // 100 % 100, number % 100
    is_date = is_shaped & (year >= 1800) & (month >= 1) & (month <= 12) & (day >= 1)
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    dates = months.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]")
    is_date &= dates.astype("datetime64[M]") == months
    is_bad = ~is_date
    if column.may_be_blank:
        is_bad &= ~is_blank(text)
    return Parsed(pa.array(dates, mask=~is_date), is_bad)


def _is_text(kind: Any) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    )


def _blank(values: Any) -> Any:
    if not _is_text(values.type):
        return pc.is_null(values, nan_is_null=True)
    return pc.fill_null(pc.equal(values, ""), True)


def is_blank(values: Any) -> Mask:
    """Mark the values where nothing stands."""
    return as_mask(_blank(values))


def as_mask(booleans: Any) -> Mask:
    """Turn Arrow booleans into a numpy mask; null is false."""
    mask: Mask = pc.fill_null(booleans, False).to_numpy(zero_copy_only=False)
    return mask


def _wrong_type(file: str, column: Column, kind: Any) -> BadInput:
    return BadInput(
        f"{file}: column {column.name} is of type {kind}; expected {column.expected}"
    )


def either(words: Sequence[str]) -> str:
    """Words as people list alternatives: `1, 2 or 3`."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
