"""The check of one batch of rows, and of repeats over a whole table."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from python_scoring.cohorts.tables import Batch
from python_scoring.cohorts.values import Column, Fault, Mask, find_fault, parse


@dataclass
class CheckedBatch:
    """A batch with its columns in the warehouse's types, and its faults.

    Attributes
    ----------
    given, parsed
        Arrow arrays by name of column: as the file has them, and as the
        warehouse takes them (null where a row is wrong).
    is_bad
        Rows with a fault in any column.
    """

    given: dict[str, Any]
    is_bad: Mask
    parsed: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def add(self, column: str, reason: str, is_bad: Mask) -> None:
        """Record the wrong rows of a column, if there are any."""
        fault = find_fault(column, reason, is_bad, self.given[column])
        if fault:
            self.faults.append(fault)
            self.is_bad |= is_bad


# What must hold between the columns of a batch: column, reason and wrong rows.
Rule = Callable[[CheckedBatch], Iterable[tuple[str, str, Mask]]]


def check_batch(
    file: str,
    batch: Batch,
    matched: Sequence[tuple[str, Column]],
    rule: Rule | None = None,
) -> CheckedBatch:
    """Check every value of a batch, and then what holds between columns.

    Parameters
    ----------
    matched
        Name of a column in the file beside what it is.

    Raises
    ------
    BadInput
        A column of a typed file cannot hold what is expected.
    """
    given = {column.name: batch.columns[name] for name, column in matched}
    checked = CheckedBatch(given, np.zeros(len(batch.lines), dtype=np.bool_))
    for _, column in matched:
        parsed = parse(file, column, given[column.name])
        checked.parsed[column.name] = parsed.values
        checked.add(column.name, column.expected, parsed.is_bad)
    if rule:
        for name, reason, is_bad in rule(checked):
            checked.add(name, reason, is_bad)
    return checked


class SeenKeys:
    """The keys of a table's rows so far, eight bytes each.

    Keys are compared by 64-bit hash: of a million people, two different ones are
    taken for the same about once in 37 million loads.
    """

    def __init__(self) -> None:
        self._hashes = np.empty(0, dtype=np.int64)

    def find_repeats(self, keys: Sequence[Any], is_bad: Mask) -> Mask:
        """Mark the rows whose key stood in an earlier good row; remember the rest.

        Parameters
        ----------
        keys
            Arrow arrays that make up the key, each of shape (rows,).
        is_bad
            Rows to leave out: they are not taken, so they claim no key.
        """
        parts = [key.to_pylist() for key in keys]
        values = parts[0] if len(parts) == 1 else zip(*parts, strict=True)
        hashes = np.fromiter(map(hash, values), np.int64, len(is_bad))
        rows = np.flatnonzero(~is_bad)
        fresh, first = np.unique(hashes[rows], return_index=True)
        is_known = self._contains(fresh)
        is_repeat = np.zeros(len(is_bad), dtype=np.bool_)
        is_repeat[rows] = True
        is_repeat[rows[first[~is_known]]] = False
        self._hashes = np.concatenate([self._hashes, fresh[~is_known]])
        self._hashes.sort(kind="stable")  # two sorted runs: a merge
        return is_repeat

    def _contains(self, hashes: NDArray[np.int64]) -> Mask:
        if not len(self._hashes):
            return np.zeros(len(hashes), dtype=np.bool_)
        places = np.searchsorted(self._hashes, hashes)
        places[places == len(self._hashes)] = 0
        found: Mask = self._hashes[places] == hashes
        return found
