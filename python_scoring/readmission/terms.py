"""What one feature adds to each hazard's log-odds, by its value.

Evaluated over a million rows without scikit-learn: whole columns, no row by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """A continuous feature's or a flag's contribution to each hazard's log-odds.

    Linear between knots, constant beyond the first and the last.

    Parameters
    ----------
    knots
        (m,) strictly increasing, m >= 2, in the feature's unit.
    values
        (k, m) log-odds at the knots for k hazards.
    missing
        (k,) log-odds where the feature is NaN.
    """

    knots: Floats
    values: Floats
    missing: Floats

    def evaluate(self, x: Floats, out: Floats) -> None:
        """Write the log-odds of ``x`` (n,) into ``out`` (k, n).

        A sum of ramps from 0 to 1, one a segment: no search, no table look-up,
        and a row's result does not depend on where in a chunk it stands.
        """
        out[:] = self.values[:, :1]
        ramp = np.empty_like(x)
        step = np.empty_like(x)
        for segment, width in enumerate(np.diff(self.knots)):
            np.subtract(x, self.knots[segment], out=ramp)
            ramp /= width
            np.clip(ramp, 0.0, 1.0, out=ramp)
            for row, values in zip(out, self.values, strict=True):
                np.multiply(ramp, values[segment + 1] - values[segment], out=step)
                row += step
        absent = np.isnan(x)
        if absent.any():
            out[:, absent] = self.missing[:, np.newaxis]

    def shifted(self, by: Floats) -> "Curve":
        """Give the same curve minus ``by`` (k,)."""
        return Curve(self.knots, self.values - by[:, np.newaxis], self.missing - by)

    def bound(self) -> Floats:
        """Largest absolute log-odds for each hazard, (k,)."""
        return _largest(self.values, self.missing)


@dataclass(frozen=True, slots=True)
class Steps:
    """A continuous feature's contribution to each hazard's log-odds, in steps.

    Parameters
    ----------
    edges
        (m,) strictly increasing, in the feature's unit; a value on an edge belongs
        to the step below it.
    values
        (k, m + 1) log-odds of the steps for k hazards.
    missing
        (k,) log-odds where the feature is NaN.
    """

    edges: Floats
    values: Floats
    missing: Floats

    def evaluate(self, x: Floats, out: Floats) -> None:
        """Write the log-odds of ``x`` (n,) into ``out`` (k, n)."""
        # NaN sorts behind the last edge, where "missing" is put.
        step = np.searchsorted(self.edges, x)
        step[np.isnan(x)] = len(self.edges) + 1
        levels = np.column_stack([self.values, self.missing])
        for row, level in zip(out, levels, strict=True):
            np.take(level, step, out=row)

    def shifted(self, by: Floats) -> "Steps":
        """Give the same steps minus ``by`` (k,)."""
        return Steps(self.edges, self.values - by[:, np.newaxis], self.missing - by)

    def bound(self) -> Floats:
        """Largest absolute log-odds for each hazard, (k,)."""
        return _largest(self.values, self.missing)


@dataclass(frozen=True, slots=True)
class CurveAndSteps:
    """A feature with a curve for some hazards and steps for the others.

    Each is zero for the hazards of the other.
    """

    curve: Curve
    steps: Steps

    def evaluate(self, x: Floats, out: Floats) -> None:
        """Write the log-odds of ``x`` (n,) into ``out`` (k, n)."""
        self.curve.evaluate(x, out)
        level = np.empty_like(out)
        self.steps.evaluate(x, level)
        out += level

    def shifted(self, by: Floats) -> "CurveAndSteps":
        """Give the same term minus ``by`` (k,)."""
        return CurveAndSteps(self.curve.shifted(by), self.steps)

    def bound(self) -> Floats:
        """Give an upper bound of the absolute log-odds for each hazard, (k,)."""
        return self.curve.bound() + self.steps.bound()


@dataclass(frozen=True, slots=True)
class CodeTable:
    """A coded feature's contribution to each hazard's log-odds.

    Parameters
    ----------
    codes
        (m,) the codes seen in training.
    values
        (k, m) their log-odds.
    other
        (k,) log-odds of a code never seen.
    """

    codes: Floats
    values: Floats
    other: Floats

    def evaluate(self, x: Floats, out: Floats) -> None:
        """Write the log-odds of ``x`` (n,) into ``out`` (k, n)."""
        out[:] = self.other[:, np.newaxis]
        for code, values in zip(self.codes, self.values.T, strict=True):
            np.copyto(out, values[:, np.newaxis], where=x == code)

    def shifted(self, by: Floats) -> "CodeTable":
        """Give the same table minus ``by`` (k,)."""
        return CodeTable(self.codes, self.values - by[:, np.newaxis], self.other - by)

    def bound(self) -> Floats:
        """Largest absolute log-odds for each hazard, (k,)."""
        return _largest(self.values, self.other)


def _largest(values: Floats, otherwise: Floats) -> Floats:
    largest: Floats = np.abs(np.column_stack([values, otherwise])).max(axis=1)
    return largest


Term = Curve | Steps | CurveAndSteps | CodeTable


def arrays(term: Term) -> Iterator[Floats]:
    """Yield all that a term's values depend on, in a fixed order."""
    for name in term.__slots__:
        part = getattr(term, name)
        if isinstance(part, np.ndarray):
            yield part
        else:
            yield from arrays(part)
