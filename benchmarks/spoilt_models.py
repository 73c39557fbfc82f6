"""Honest models and spoilt ones, and held-out people to judge them by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from python_scoring import calibration
from python_scoring.cohorts import generator
from python_scoring.cohorts.synthetic.derived import reported_derived_columns
from python_scoring.evaluation import Outcomes
from python_scoring.readmission import features, hazards, naive
from python_scoring.readmission.horizons import (
    HORIZON_DAYS,
    cumulative_risk,
    happened_by,
)
from python_scoring.readmission.training_set import TrainingSet

# Apart from the seeds of what ships.
FIRST_TRAINING_SEED = 10_000
FIRST_COHORT_SEED = 20_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """Held-out people with a model's risks (n, w), and the model's file's hash."""

    outcomes: Outcomes
    sha256: str | None = None


@dataclass(frozen=True)
class Draw:
    """What a seed gives: a training set, people held out (n, 27), their days.

    ``chosen`` names the candidate for each hazard.
    """

    seed: int
    chosen: Mapping[str, str]
    training: TrainingSet
    x: Floats
    days: NDArray[np.int16]

    def candidate(self, risk: Floats, training: TrainingSet) -> Candidate:
        """Judge risks beside the naive models of the same training set."""
        comparators = naive.fit_on(training)
        event = np.column_stack([happened_by(self.days, d) for d in HORIZON_DAYS])
        people = np.arange(len(self.days), dtype=np.int64)
        naive_risk = comparators.risk(naive.single_features(self.x))
        return Candidate(Outcomes(HORIZON_DAYS, people, risk, event, {}, naive_risk))


def draw(seed: int, chosen: Mapping[str, str], training: int, patients: int) -> Draw:
    """Generate training and held-out people, who share nobody."""
    x, days = _people(training, FIRST_TRAINING_SEED + seed)
    held_out = _people(patients, FIRST_COHORT_SEED + seed)
    return Draw(seed, chosen, TrainingSet(np.arange(training), x, days), *held_out)


def _people(count: int, seed: int) -> tuple[Floats, NDArray[np.int16]]:
    people = generator.generate(count, seed)
    # As a file's origin reports them: a data test holds these to dbt's.
    x = features.matrix(people.base | reported_derived_columns(people.base))
    return x, np.nan_to_num(people.days_to_readmission).astype(np.int16)


def _fit(drawn: Draw, training: TrainingSet) -> Candidate:
    fitted = hazards.fit_hazards(training, drawn.seed, drawn.chosen)
    return drawn.candidate(cumulative_risk(fitted.additive.eta(drawn.x)), training)


def honest(drawn: Draw) -> Candidate:
    """Fit as `riskmart train` does, once it has chosen among the candidates."""
    return _fit(drawn, drawn.training)


def shuffled_labels(drawn: Draw, _: Candidate) -> Candidate:
    """Fit on outcomes dealt to anybody; the naive models are fitted on these too."""
    days = np.random.default_rng(drawn.seed).permutation(drawn.training.days)
    return _fit(drawn, replace(drawn.training, days=days))


def constant(drawn: Draw, _: Candidate) -> Candidate:
    """Predict the training set's event rate for everyone."""
    rates = [happened_by(drawn.training.days, d).mean() for d in HORIZON_DAYS]
    risk = np.tile(rates, (len(drawn.days), 1))
    return drawn.candidate(risk, drawn.training)


def swapped_people(drawn: Draw, model: Candidate) -> Candidate:
    """Give everybody somebody else's scores."""
    rows = np.random.default_rng(drawn.seed).permutation(len(drawn.days))
    return _changed(model, lambda risk: risk[rows])


def doubled_odds(_: Draw, model: Candidate) -> Candidate:
    """Predict twice the odds."""
    return _changed(model, lambda risk: 2 * risk / (1 + risk))


def halved_odds(_: Draw, model: Candidate) -> Candidate:
    """Predict half the odds."""
    return _changed(model, lambda risk: risk / (2 - risk))


def doubled_log_odds(_: Draw, model: Candidate) -> Candidate:
    """Be twice as sure, in log-odds around the mean."""

    def extreme(risk: Floats) -> Floats:
        lp = calibration.logit(risk)
        return np.asarray(1 / (1 + np.exp(-(2 * lp - lp.mean(axis=0)))))

    return _changed(model, extreme)


def swapped_horizons(_: Draw, model: Candidate) -> Candidate:
    """Give the risks of 90 days for those of 30, and the other way round."""
    return _changed(model, lambda risk: risk[:, ::-1])


def swapped_file(_: Draw, model: Candidate) -> Candidate:
    """Find another file in the place of the model's."""
    return replace(model, sha256="0" * 64)


def _changed(model: Candidate, change: Callable[[Floats], Floats]) -> Candidate:
    risk = np.ascontiguousarray(change(model.outcomes.risk))
    return replace(model, outcomes=replace(model.outcomes, risk=risk))


SABOTAGES: dict[str, Callable[[Draw, Candidate], Candidate]] = {
    "labels shuffled": shuffled_labels,
    "trained to a constant": constant,
    "scores of other people": swapped_people,
    "odds doubled": doubled_odds,
    "odds halved": halved_odds,
    "log-odds doubled": doubled_log_odds,
    "horizons swapped": swapped_horizons,
    "file swapped": swapped_file,
}
