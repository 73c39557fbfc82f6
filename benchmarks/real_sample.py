"""People, what was known of them and what came about: the form of both real sets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from python_scoring import config
from python_scoring.metrics import Bools, Floats

DATA = config.PROJECT_DIR.parent / "shared" / "data"

_UNUSED = "unused"
_KINDS = ("flag", "code", "number", _UNUSED)


@dataclass(frozen=True, slots=True)
class Predictor:
    """A column of x by name, and how the production estimators are to take it."""

    name: str
    data_type: str

    def __post_init__(self) -> None:
        """Refuse a kind that no estimator knows."""
        if self.data_type not in _KINDS:
            raise ValueError(f"{self.name}: {self.data_type!r}; expected {_KINDS}")

    @property
    def is_continuous(self) -> bool:
        """True for what gets a curve, not a level."""
        return self.data_type == "number"

    @property
    def is_nullable(self) -> bool:
        """Never: what these sets leave out is a code of its own."""
        return False

    def unused(self) -> "Predictor":
        """Give the same column as one to be passed over."""
        return Predictor(self.name, _UNUSED)


@dataclass(frozen=True)
class Sample:
    """Labelled rows.

    Parameters
    ----------
    predictors
        The f columns of x.
    person
        (n,) a number for each person, who may be in several rows.
    x
        (n, f) what was known.
    event
        (n,) whether it came about.
    """

    predictors: tuple[Predictor, ...]
    person: NDArray[np.int64]
    x: Floats
    event: Bools

    def take(self, rows: NDArray[Any]) -> "Sample":
        """Select rows by position or mask."""
        return Sample(
            self.predictors, self.person[rows], self.x[rows], self.event[rows]
        )

    def column(self, name: str) -> Floats:
        """Give the values of one predictor, (n,)."""
        names = [predictor.name for predictor in self.predictors]
        column: Floats = self.x[:, names.index(name)]
        return column


def build(
    columns: Mapping[str, Mapping[str, Any]],
    person: NDArray[np.int64],
    event: Bools,
) -> Sample:
    """Put columns together.

    Parameters
    ----------
    columns
        (n,) values by kind (flag, code, number), then by name.
    person, event
        (n,) as in ``Sample``.
    """
    predictors, values = [], []
    for kind, named in columns.items():
        for name, column in named.items():
            predictors.append(Predictor(name, kind))
            values.append(np.asarray(column, dtype=np.float64))
    x = np.asfortranarray(np.column_stack(values))
    if not np.isfinite(x).all():
        raise ValueError("a value that is not finite; expected a code for what lacks")
    return Sample(tuple(predictors), person, x, event)


def split_people(person: NDArray[np.int64], share: float, seed: int) -> Bools:
    """Draw a share of people, whole, for a test; (n,) whether the row is in it."""
    people, row_person = np.unique(person, return_inverse=True)
    drawn = np.zeros(len(people), dtype=np.bool_)
    shuffled = np.random.default_rng(seed).permutation(len(people))
    drawn[shuffled[: round(share * len(people))]] = True
    chosen: Bools = drawn[row_person]
    return chosen
