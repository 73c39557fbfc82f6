"""The CMS panel judged out of fold, on the year learnt from and on the next."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import real_cms, real_fit, real_judge
from benchmarks.real_cms import COST, COUNT, Panel
from benchmarks.real_sample import Sample
from python_scoring import calibration, metrics
from python_scoring.metrics import Bools, Floats
from python_scoring.readmission.training_set import FOLDS

Ints = NDArray[np.int64]

SINGLES = (COST, COUNT)
SEED = 0


def measure() -> dict[str, Any]:
    """Choose, fit and judge on both pairs of years."""
    panel = real_cms.read()
    before, after, chosen = predict(panel)
    event = panel.after.event
    shifted = recalibrated(event, after[real_fit.CHAMPION], deal(panel.after))
    return {
        "chosen": chosen,
        "before": _judge(panel.before, before),
        "after": _judge(panel.after, after),
        "recalibrated": real_judge.figures(event, shifted),
    }


def predict(panel: Panel) -> tuple[dict[str, Floats], dict[str, Floats], list[str]]:
    """Predict both pairs of years, each person by a model that has not seen them.

    Fitted on the first pair, four fifths of the people at a time; what is chosen is
    chosen on these as well.

    Returns
    -------
    Risks of both pairs by model, and the name of what was chosen by fold.
    """
    folds = deal(panel.before), deal(panel.after)
    risks: tuple[dict[str, Floats], ...] = ({}, {})
    chosen = []
    for fold in range(FOLDS):
        training = panel.before.take(folds[0] != fold)
        models, name = _models(training)
        chosen.append(name)
        for pair, in_fold, risk in zip(
            (panel.before, panel.after), folds, risks, strict=True
        ):
            held_out = in_fold == fold
            for model_name, model in models.items():
                into = risk.setdefault(model_name, np.empty(len(pair.event)))
                into[held_out] = real_fit.predict(model, pair.take(held_out))
    return risks[0], risks[1], chosen


def _models(training: Sample) -> tuple[Mapping[str, Any], str]:
    among = real_fit.candidates(training.predictors, SINGLES)
    by_name = {candidate.name: candidate for candidate in among}
    champion = real_fit.choose(training, among, SEED).champion
    fitted = {
        real_fit.CHAMPION: champion,
        **{name: real_fit.single(name) for name in SINGLES},
        real_fit.CHALLENGER: real_fit.CHALLENGER,
    }
    return {
        name: real_fit.fit(training, by_name[kind], SEED)
        for name, kind in fitted.items()
    }, champion


def deal(sample: Sample) -> Ints:
    """Deal the panel's people out by their number, (n,): alike in both pairs."""
    people = int(sample.person.max()) + 1
    dealt = np.random.default_rng(SEED).permutation(people) % FOLDS
    fold: Ints = dealt[sample.person]
    return fold


def _judge(pair: Sample, risks: Mapping[str, Floats]) -> dict[str, Any]:
    own = risks[real_fit.CHAMPION]
    return {
        "rows": len(pair.event),
        "rate": float(pair.event.mean()),
        "models": {
            name: real_judge.figures(pair.event, risk) for name, risk in risks.items()
        },
        # The figure itself, as it ranks people without any model.
        "raw_auroc": {
            name: metrics.auroc(pair.event, pair.column(name)) for name in SINGLES
        },
        "difference": {
            name: real_judge.auroc_difference(pair.event, own, pair.column(name))
            for name in SINGLES
        },
    }


def recalibrated(event: Bools, risk: Floats, folds: Ints) -> Floats:
    """Shift log-odds to the new year's rate: re-calibration in the large, (n,).

    The shift of each fold is that of the others: no person's own outcome is in it.
    """
    eta = calibration.logit(risk)
    shifted = np.empty(len(eta))
    for fold in range(FOLDS):
        seen = folds != fold
        shift = _shift(event[seen], eta[seen])
        shifted[~seen] = 1 / (1 + np.exp(-(eta[~seen] + shift)))
    return shifted


def _shift(event: Bools, eta: Floats) -> float:
    found = calibration.fit_logistic(np.ones((len(eta), 1)), event, offset=eta)
    if found is None:
        raise ValueError("a year with one class only; expected both")
    return float(found.coefficients[0])
