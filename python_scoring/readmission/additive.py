"""A fitted model as one curve per feature: what scores, and what is explained.

Whatever estimator was fitted, an additive one on the log-odds scale comes down to
curves; these are evaluated over a million rows without scikit-learn.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# e^200 three times over still is a double: `reasons` multiplies that often.
ETA_BOUND = 200.0


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


Term = Curve | CodeTable


@dataclass(frozen=True, slots=True)
class AdditiveHazards:
    """Conditional hazards as sums of curves, relative to a reference patient.

    Parameters
    ----------
    feature_names
        The matrix's columns, in order.
    reference
        (f,) the reference patient's features; NaN is missing.
    reference_eta
        (k,) the reference patient's log-odds.
    terms
        One a feature, zero at the reference patient's value.
    """

    feature_names: tuple[str, ...]
    reference: Floats
    reference_eta: Floats
    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        """Refuse a model whose log-odds could overflow an exponential."""
        bound = np.abs(self.reference_eta) + sum(term.bound() for term in self.terms)
        if not np.all(bound < ETA_BOUND):
            raise ValueError(f"log-odds up to {bound}; expected below {ETA_BOUND}")

    def contributions(self, x: Floats) -> Floats:
        """Split each row's distance from the reference patient by feature.

        Parameters
        ----------
        x
            (n, f) features; fastest when columns are contiguous.

        Returns
        -------
        (f, k, n) log-odds; summed over features, ``eta - reference_eta``.
        """
        parts = np.empty((len(self.terms), len(self.reference_eta), len(x)))
        for position, term in enumerate(self.terms):
            term.evaluate(np.ascontiguousarray(x[:, position]), parts[position])
        return parts

    def eta(self, x: Floats) -> Floats:
        """Log-odds of each conditional hazard, (n, k), for features (n, f)."""
        return self.eta_of(self.contributions(x))

    def eta_of(self, contributions: Floats) -> Floats:
        """Log-odds (n, k) from contributions (f, k, n), added in feature order."""
        total = np.repeat(self.reference_eta[:, np.newaxis], contributions.shape[2], 1)
        for part in contributions:
            total += part
        return total.T

    def digest(self) -> str:
        """SHA-256 of all that decides a score: equal digests, equal models."""
        total = hashlib.sha256("\n".join(self.feature_names).encode())
        arrays = [self.reference, self.reference_eta]
        for term in self.terms:
            total.update(type(term).__name__.encode())
            arrays += [getattr(term, name) for name in term.__slots__]
        for array in arrays:
            total.update(repr(array.shape).encode())
            total.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return total.hexdigest()


def relative_to(
    names: Sequence[str], reference: Floats, intercept: Floats, terms: Sequence[Term]
) -> AdditiveHazards:
    """Shift every term to zero at the reference patient, into the intercept.

    Parameters
    ----------
    names, reference
        Feature names and the reference patient (f,).
    intercept
        (k,) log-odds with every term at its own zero.
    terms
        One a feature, on any zero.
    """
    eta = intercept.copy()
    shifted = []
    for value, term in zip(reference, terms, strict=True):
        here = np.empty((len(intercept), 1))
        term.evaluate(np.array([value]), here)
        eta += here[:, 0]
        shifted.append(term.shifted(here[:, 0]))
    return AdditiveHazards(tuple(names), reference, eta, tuple(shifted))
