"""How far a cohort is from what its model was trained on: the counts for the PSI.

For any target. The bins are made at training and kept with the model; the index
itself is a matter of SQL (``int_distribution_shifts``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from python_scoring.warehouse import Connection

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]

# Ranges of a number; also the most values that each get a bin of their own.
BINS = 10


@dataclass(frozen=True)
class Binning:
    """Where the values of one feature or score are counted.

    Bin 0 is for missing ones. Of ranges, bin i holds what is below ``bounds[i - 1]``
    and not in a bin before, and the last one the rest. Of single values, bin i
    holds ``bounds[i - 1]``, and the last one all others.

    Parameters
    ----------
    bounds
        (m,) strictly increasing.
    """

    bounds: tuple[float, ...]
    is_by_value: bool

    @property
    def kinds(self) -> list[tuple[str, float | None, float | None]]:
        """Kind and bounds of each bin, (m + 2,)."""
        none: tuple[str, None, None] = ("missing", None, None)
        if self.is_by_value:
            values = [("value", value, value) for value in self.bounds]
            return [none, *values, ("other", None, None)]
        ends = [-np.inf, *self.bounds, np.inf]
        ranges = pairwise(ends)
        return [none, *(("range", lower, upper) for lower, upper in ranges)]

    def conditions(self, column: str) -> list[str]:
        """Say in SQL which values of a column, null if missing, are in each bin."""
        spelled = [f"'{bound!r}'::float8" for bound in self.bounds]
        missing, known = f"{column} is null", f"{column} is not null"
        if self.is_by_value:
            each = [f"{column} = {value}" for value in spelled]
            others = [f"{column} <> {value}" for value in spelled]
            return [missing, *each, " and ".join([known, *others])]
        from_ = [known, *(f"{column} >= {bound}" for bound in spelled)]
        below = [*(f"{column} < {bound}" for bound in spelled), known]
        ranges = zip(from_, below, strict=True)
        return [missing, *(f"{lower} and {upper}" for lower, upper in ranges)]

    def count(self, column: Floats) -> NDArray[np.int64]:
        """Count the values (n,) of each bin, (m + 2,)."""
        missing = np.count_nonzero(np.isnan(column))
        known = len(column) - missing
        if self.is_by_value:
            each = [np.count_nonzero(column == value) for value in self.bounds]
            return np.array([missing, *each, known - sum(each)], dtype=np.int64)
        # NaN is below nothing.
        below = [np.count_nonzero(column < bound) for bound in self.bounds]
        return np.array([missing, *np.diff([0, *below, known])], dtype=np.int64)


def binning(column: Floats) -> Binning:
    """Choose bins for the values (n,) that a model is trained on.

    Each value for flags, codes and whatever has up to ten; else tenths, as far as
    ties leave them.
    """
    known = column[~np.isnan(column)]
    values = np.unique(known)
    if len(values) <= BINS:
        return Binning(tuple(values.tolist()), is_by_value=True)
    tenths = np.arange(1, BINS) / BINS
    bounds = np.unique(np.quantile(known, tenths, method="inverted_cdf"))
    # Nothing is below the smallest value.
    return Binning(tuple(bounds[bounds > values[0]].tolist()), is_by_value=False)


def columns_of(
    names: Sequence[str], x: Floats, window_days: Sequence[int], scores: Floats
) -> Columns:
    """Name the columns whose distributions are kept.

    Parameters
    ----------
    names, x
        Features and their values (n, f).
    window_days, scores
        Windows and the scores (n, w), which are called ``score_30`` and so on.
    """
    features = dict(zip(names, x.T, strict=True))
    windows = [f"score_{days}" for days in window_days]
    return {**features, **dict(zip(windows, scores.T, strict=True))}


def record_training(conn: Connection, model_version: str, columns: Columns) -> None:
    """Keep the distributions that a registered model was trained on; once.

    Parameters
    ----------
    columns
        As of ``columns_of``, of the training rows.
    """
    rows = []
    for name, column in columns.items():
        chosen = binning(column)
        counts = chosen.count(column).tolist()
        for place, (kind, count) in enumerate(zip(chosen.kinds, counts, strict=True)):
            rows.append((model_version, name, place, *kind, count))
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(
            "insert into raw.training_distribution values"
            " (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
            rows,
        )


@dataclass
class Tally:
    """Counts of a cohort by load, feature or score, and bin; no larger for more people.

    Parameters
    ----------
    binnings
        By name, those of the model; none where its training was not recorded.
    """

    binnings: Mapping[str, Binning]
    counts: dict[tuple[int, str], NDArray[np.int64]] = field(default_factory=dict)

    def add(self, load_ids: NDArray[np.int64], columns: Columns) -> None:
        """Count some people, of the loads (n,) that they are of."""
        for load_id in np.unique(load_ids).tolist():
            chosen = load_ids == load_id
            for name, binning in self.binnings.items():
                column = columns[name]
                here = binning.count(column if chosen.all() else column[chosen])
                key = (load_id, name)
                self.counts[key] = self.counts.get(key, 0) + here

    def write(self, conn: Connection, batch_id: int) -> None:
        """Keep the counts as of a batch, unless there are some of it already."""
        rows = [
            (batch_id, load_id, name, place, count)
            for (load_id, name), counts in self.counts.items()
            for place, count in enumerate(counts.tolist())
        ]
        with conn.cursor() as cursor:
            cursor.executemany(
                "insert into raw.batch_distribution values (%s, %s, %s, %s, %s)"
                " on conflict do nothing",
                rows,
            )


def tally(conn: Connection, model_version: str) -> Tally:
    """Begin to count a cohort in the bins that the model was trained with."""
    found = conn.execute(
        "select feature_name, bool_or(bin_kind = 'other'), coalesce("
        "array_agg(lower_bound order by bin) filter"
        " (where lower_bound > '-infinity'), '{}')"
        " from raw.training_distribution where model_version = %s"
        " group by feature_name order by feature_name",
        (model_version,),
    ).fetchall()
    return Tally({name: Binning(tuple(b), by_value) for name, by_value, b in found})
