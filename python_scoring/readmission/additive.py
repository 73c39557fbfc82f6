"""A fitted model as one curve per feature: what scores, and what is explained.

Whatever estimator was fitted, an additive one on the log-odds scale comes down to
curves and steps; these are evaluated over a million rows without scikit-learn.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Models saved before `terms` was a module name the first two as of this one.
from python_scoring.readmission.terms import CodeTable as CodeTable
from python_scoring.readmission.terms import Curve as Curve
from python_scoring.readmission.terms import Term, arrays

Floats = NDArray[np.float64]

# e^200 three times over still is a double: `reasons` multiplies that often.
ETA_BOUND = 200.0


@dataclass(frozen=True, slots=True)
class AdditiveHazards:
    """Conditional hazards as sums of terms, relative to a reference patient.

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
        numbers = [self.reference, self.reference_eta]
        for term in self.terms:
            total.update(type(term).__name__.encode())
            numbers += arrays(term)
        for array in numbers:
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
