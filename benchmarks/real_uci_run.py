"""The UCI set judged on tests of people held out, by seed."""

import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from benchmarks import real_fit, real_judge, real_uci
from benchmarks.real_fit import CHALLENGER
from benchmarks.real_sample import Sample, split_people
from python_scoring.metrics import Bools

TEST_SHARE = 0.2
# The published test: as many encounters, whoever's.
PUBLISHED_TEST = 20_354
# The counts that clinicians go by; the best of them, by cross-validation on the
# training rows, is what a model is held against.
SINGLES = ("number_inpatient", "number_emergency", "visits_in_year", "time_in_hospital")

Run = dict[str, Any]


def measure(seeds: Iterable[int], jobs: int) -> list[Run]:
    """Judge every seed, a process each, as many at a time as jobs."""
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(measure_seed, seeds))


@cache
def _encounters() -> real_uci.Encounters:
    return real_uci.read()


def measure_seed(seed: int) -> Run:
    """Draw tests with a seed; choose, fit and judge on each."""
    found = _encounters()
    alive, first, kept = found.alive(), found.first(), found.sample
    print(f"  seed {seed} ...", file=sys.stderr, flush=True)
    every = compete(alive, _of_people(alive, seed), seed, with_challenger=True)
    kind = every["champion"]
    at_random = _split_rows(len(kept.event), PUBLISHED_TEST, seed)
    return {
        "seed": seed,
        "all": every,
        "first": compete(first, _of_people(first, seed), seed),
        # Two more, of the kind that was chosen on the same seed.
        "deaths_people": judge(kept, _of_people(kept, seed), seed, kind),
        "deaths_random": judge(kept, at_random, seed, kind),
    }


def _of_people(sample: Sample, seed: int) -> Bools:
    return split_people(sample.person, TEST_SHARE, seed)


def _split_rows(count: int, size: int, seed: int) -> Bools:
    drawn = np.zeros(count, dtype=np.bool_)
    drawn[np.random.default_rng(seed).permutation(count)[:size]] = True
    return drawn


def compete(
    sample: Sample, is_test: Bools, seed: int, *, with_challenger: bool = False
) -> Run:
    """Let cross-validation on the training rows choose, and judge what it chose.

    Beside it are judged the event rate, the best single figure and, where asked
    for, full boosting.
    """
    among = [
        candidate
        for candidate in real_fit.candidates(sample.predictors, SINGLES)
        if with_challenger or candidate.name != CHALLENGER
    ]
    choice = real_fit.choose(sample.take(~is_test), among, seed)
    alone = [real_fit.single(name) for name in SINGLES]
    best = min(alone, key=lambda name: float(choice.figures[name]["log_loss"]))
    others = ["prevalence", best, *[CHALLENGER] * with_challenger]
    judged = judge(sample, is_test, seed, choice.champion, others)
    return {**judged, "best_single": best, "cv": choice.figures}


def judge(
    sample: Sample, is_test: Bools, seed: int, champion: str, others: Sequence[str] = ()
) -> Run:
    """Fit to the rows that are not in the test, and judge on those that are.

    Returns
    -------
    Sizes, and under ``test`` the figures of the champion and the others by name.
    """
    training, test = sample.take(~is_test), sample.take(is_test)
    among = real_fit.candidates(sample.predictors, SINGLES)
    by_name = {candidate.name: candidate for candidate in among}
    figures = {}
    for name in (champion, *others):
        risk = real_fit.predict(real_fit.fit(training, by_name[name], seed), test)
        figures[name] = real_judge.figures(test.event, risk)
    return {
        "champion": champion,
        "training_rows": len(training.event),
        "test_rows": len(test.event),
        "test_rate": float(test.event.mean()),
        "shared_people": len(np.intersect1d(training.person, test.person)),
        "test": figures,
    }
