"""Rows that were not taken, why, and how many are too many."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from python_scoring.cohorts.values import Fault
from python_scoring.errors import BadInput
from python_scoring.identities.masks import mask_outside

KEPT_FOR_DISPLAY = 20
_LISTED_ROWS = 10
_LISTED_REASONS = 15


@dataclass(frozen=True)
class Reject:
    """One fault of one row: where it stands, what is there, what was expected.

    `line` counts from 1, the header included; in a Parquet file, and for rows
    that come from memory, it is the number of the row.
    """

    file: str
    line: int
    column: str
    value: str | None
    reason: str

    def __str__(self) -> str:
        """Say it in a line."""
        found = f"'{self.value}'" if self.value else "nothing"
        unit = "line" if self.file.lower().endswith((".csv", ".csv.gz")) else "row"
        where = f"{self.file}, {unit} {self.line}, column {self.column}"
        return f"{where}: {found}; {self.reason}"

    def masked(self) -> "Reject":
        """Return it as it is shown outside `raw` under a key."""
        return replace(self, value=mask_outside(self.value))


@dataclass
class _Tally:
    """Rows of one file so far; `at_most` bounds how many it can have."""

    at_most: int
    rows: int = 0
    rejected: int = 0


@dataclass
class Rejects:
    """The rejected rows of one load.

    Counts all faults and keeps the first few for people; memory does not grow
    with their number.
    """

    max_share: float
    first: list[Reject] = field(default_factory=list)
    _tallies: dict[str, _Tally] = field(default_factory=dict)
    _counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    @property
    def rejected(self) -> int:
        """Rows rejected so far, in all files."""
        return sum(tally.rejected for tally in self._tallies.values())

    @property
    def is_hopeless(self) -> bool:
        """Whether some file is over the limit, however good its rest may be."""
        return any(
            tally.rejected > self.max_share * tally.at_most
            for tally in self._tallies.values()
        )

    def open_file(self, file: str, at_most: int) -> None:
        """Begin to count a file that has at most so many rows."""
        self._tallies[file] = _Tally(at_most)

    def count_rows(self, file: str, rows: int, rejected: int) -> None:
        """Add rows that were read, and how many of them are rejected."""
        self._tallies[file].rows += rows
        self._tallies[file].rejected += rejected

    def count_faults(self, file: str, column: str, reason: str, rows: int) -> None:
        """Add faults of one kind."""
        self._counts[file, column, reason] += rows

    def keep(self, rejects: Iterable[Reject]) -> None:
        """Keep the first few for display."""
        self.first.extend(islice(rejects, KEPT_FOR_DISPLAY - len(self.first)))

    def enforce(self) -> None:
        """Refuse the load if any one file has too many bad rows.

        The limit holds for each file, so that a long file of claims cannot
        hide a bad file of people.

        Raises
        ------
        BadInput
            A file is over the limit, or has no good row at all.
        """
        for file, tally in self._tallies.items():
            if not tally.rows:
                raise BadInput(f"{file}: has a header and no rows; nothing was loaded")
            is_empty = tally.rejected == tally.rows
            if is_empty or tally.rejected > self.max_share * tally.rows:
                raise BadInput(self._explain(file, tally))

    def _explain(self, file: str, tally: _Tally) -> str:
        share = tally.rejected / tally.rows
        lines = [
            f"{file}: {tally.rejected:,} of {tally.rows:,} rows ({share:.2%}) cannot "
            f"be taken, and at most {100 * self.max_share:g}% may be rejected "
            "(--max-reject-share); nothing was loaded",
            *self._explain_counts(),
            "The first of them:",
            *(f"  {reject}" for reject in self.first[:_LISTED_ROWS]),
        ]
        return "\n".join(lines)

    def _explain_counts(self) -> Iterator[str]:
        ranked = sorted(self._counts.items(), key=_rank)
        for (file, column, reason), count in ranked[:_LISTED_REASONS]:
            yield f"  {count:,} x {file}, column {column}: {reason}"
        if len(ranked) > _LISTED_REASONS:
            yield f"  and {len(ranked) - _LISTED_REASONS} other kinds of fault"


def unfold(
    file: str, lines: NDArray[np.int64], faults: Iterable[Fault]
) -> Iterator[Reject]:
    """Yield the faults of a batch one by one, in the order of lines."""

    def one_by_one(fault: Fault) -> Iterator[Reject]:
        for line, value in zip(lines[fault.rows], fault.values, strict=True):
            yield Reject(file, int(line), fault.column, value, fault.reason)

    return heapq.merge(*map(one_by_one, faults), key=attrgetter("line"))


def _rank(item: tuple[tuple[str, str, str], int]) -> Any:
    key, count = item
    return -count, key
