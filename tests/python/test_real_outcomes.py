"""The real sets: who is judged, by what, and figures where published ones are."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import (
    real_cms,
    real_cms_run,
    real_fit,
    real_icd9,
    real_judge,
    real_outcomes,
    real_uci,
    real_uci_report,
    real_uci_run,
)
from benchmarks.real_judge import spread
from benchmarks.real_sample import Predictor, Sample, split_people
from python_scoring import metrics

needs_uci = pytest.mark.skipif(
    not real_uci.FILE.exists(), reason=f"{real_uci.FILE} is not there"
)
needs_cms = pytest.mark.skipif(
    not real_cms.FOLDER.exists(), reason=f"{real_cms.FOLDER} is not there"
)


@pytest.fixture(scope="module")
def encounters() -> real_uci.Encounters:
    return real_uci.read()


@pytest.fixture(scope="module")
def panel() -> real_cms.Panel:
    return real_cms.read()


@pytest.fixture
def extract(tmp_path: Path) -> Path:
    """Write every tenth encounter to a file of its own."""
    path = tmp_path / "extract.csv.gz"
    table = pd.read_csv(real_uci.FILE, dtype=str, keep_default_na=False)
    table.iloc[::10].to_csv(path, index=False)
    return path


def of_people(sample: Sample, share: float, seed: int) -> Sample:
    """Take some of the people, whole."""
    return sample.take(split_people(sample.person, share, seed))


@needs_uci
def test_who_is_judged_is_as_published(encounters: real_uci.Encounters) -> None:
    every, alive, first = encounters.sample, encounters.alive(), encounters.first()
    assert (len(every.event), len(alive.event), len(first.event)) == (
        101_766,
        99_343,
        69_990,
    )
    assert len(np.unique(first.person)) == len(first.person)
    rates = [100 * sample.event.mean() for sample in (every, first)]
    assert rates == pytest.approx([11.16, 8.98], abs=0.005)


@needs_uci
def test_nobody_who_died_or_left_for_a_hospice_is_kept(
    encounters: real_uci.Encounters,
) -> None:
    mapping = real_uci.FILE.with_name("IDs_mapping.csv").read_text()
    _, _, dispositions = mapping.partition("discharge_disposition_id")
    dispositions, _, _ = dispositions.partition("admission_source_id")
    lines = dispositions.splitlines()
    told = [line for line in lines if "xpired" in line or "ospice" in line]
    ids = [line.split(",")[0] for line in told]
    assert {int(written) for written in ids} == set(real_uci.ENDED)
    column = ["discharge_disposition_id"]
    table = pd.read_csv(real_uci.FILE, usecols=column, dtype=str)
    assert np.array_equal(encounters.is_ended, table[column[0]].isin(ids))


def test_first_is_the_lowest_encounter_that_did_not_end() -> None:
    x = np.arange(6.0)[:, np.newaxis]
    person = np.array([7, 7, 8, 8, 9, 7])
    sample = Sample((Predictor("row", "number"),), person, x, np.zeros(6, bool))
    is_ended = np.array([False, False, True, False, True, False])
    encounter = np.array([50, 20, 10, 40, 30, 60])
    first = real_uci.Encounters(sample, is_ended, encounter).first()
    assert first.person.tolist() == [7, 8]
    assert first.column("row").tolist() == [1, 3]


@needs_uci
def test_what_was_known_is_not_made_of_outcomes_or_other_encounters(
    extract: Path, tmp_path: Path
) -> None:
    before = real_uci.read(extract)
    table = pd.read_csv(extract, dtype=str, keep_default_na=False)
    order = np.random.default_rng(0).permutation(len(table))
    for name in ("readmitted", "patient_nbr", "encounter_id", "weight", "payer_code"):
        table[name] = table[name].to_numpy()[order]
    other = tmp_path / "shuffled.csv.gz"
    table.to_csv(other, index=False)
    after = real_uci.read(other)
    assert not np.array_equal(before.sample.event, after.sample.event)
    assert np.array_equal(before.sample.x, after.sample.x)


@needs_uci
def test_no_column_that_is_left_out_is_a_predictor(
    encounters: real_uci.Encounters,
) -> None:
    names = {predictor.name for predictor in encounters.sample.predictors}
    assert not names & set(real_uci.LEFT_OUT)
    assert len(names) == encounters.sample.x.shape[1]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_test_holds_whole_people(seed: int) -> None:
    person = np.random.default_rng(seed).integers(0, 1000, 5000)
    is_test = split_people(person, 0.2, seed)
    assert not set(person[is_test]) & set(person[~is_test])
    assert len(np.unique(person[is_test])) == round(0.2 * len(np.unique(person)))
    assert not np.array_equal(is_test, split_people(person, 0.2, seed + 1))


@needs_uci
def test_a_small_fit_is_where_published_figures_are(
    encounters: real_uci.Encounters,
) -> None:
    sample = of_people(encounters.alive(), 0.3, seed=0)
    is_test = split_people(sample.person, 0.5, seed=0)
    run = real_uci_run.judge(
        sample, is_test, 0, "spline_logistic", ["prevalence", "number_inpatient alone"]
    )
    assert run["shared_people"] == 0
    own = run["test"]["spline_logistic"]
    alone = run["test"]["number_inpatient alone"]
    # Under 0.60 it has learnt nothing, over 0.72 somebody told it.
    assert 0.60 < own["auroc"] < 0.72
    assert 0.8 < own["calibration_slope"] < 1.2
    assert 0.9 < own["observed_expected"] < 1.1
    losses = [f["log_loss"] for f in (own, alone, run["test"]["prevalence"])]
    assert losses == sorted(losses)


@needs_uci
def test_a_leak_would_be_seen(encounters: real_uci.Encounters) -> None:
    sample = of_people(encounters.alive(), 0.1, seed=0)
    told = sample.x.copy()
    flag = [p.name for p in sample.predictors].index("medication_changed")
    told[:, flag] = sample.event ^ (np.arange(len(sample.event)) % 4 == 0)
    leaky = Sample(sample.predictors, sample.person, told, sample.event)
    is_test = split_people(sample.person, 0.5, seed=0)
    run = real_uci_run.judge(leaky, is_test, 0, "spline_logistic")
    assert run["test"]["spline_logistic"]["auroc"] > real_uci_report.LEAK


@needs_uci
def test_a_single_figure_is_judged_alone(encounters: real_uci.Encounters) -> None:
    sample = of_people(encounters.alive(), 0.05, seed=0)
    (candidate,) = [
        candidate
        for candidate in real_fit.candidates(sample.predictors, ["number_inpatient"])
        if candidate.name == "number_inpatient alone"
    ]
    model = real_fit.fit(sample, candidate, seed=0)
    shuffled = np.random.default_rng(0).permuted(sample.x, axis=0)
    place = [p.name for p in sample.predictors].index("number_inpatient")
    shuffled[:, place] = sample.x[:, place]
    other = Sample(sample.predictors, sample.person, shuffled, sample.event)
    own = real_fit.predict(model, sample)
    assert np.array_equal(own, real_fit.predict(model, other))
    assert len(np.unique(own)) > 2


@pytest.mark.parametrize(
    ("code", "group"),
    [
        ("", "none"),
        ("428", "heart failure"),
        ("428.21", "heart failure"),
        ("429", "other heart"),
        ("250", "diabetes"),
        ("250.03", "diabetes"),
        ("250.13", "diabetes, acute complication"),
        ("250.6", "diabetes, late complication"),
        ("038", "sepsis"),
        ("38", "sepsis"),
        ("V57", "rehabilitation"),
        ("V10", "other contact"),
        ("E888", "external cause"),
        ("999", "complication of care"),
    ],
)
def test_diagnoses_fall_into_their_groups(code: str, group: str) -> None:
    (place,) = real_icd9.group(np.array([code], dtype=object))
    assert real_icd9.GROUPS[place] == group


def test_what_is_no_diagnosis_is_refused() -> None:
    with pytest.raises(ValueError, match="could not convert"):
        real_icd9.group(np.array(["428", "what"], dtype=object))


@needs_cms
def test_a_year_is_set_against_the_next(panel: real_cms.Panel) -> None:
    assert (len(panel.before.event), len(panel.after.event)) == (9_856, 9_710)
    rates = [100 * pair.event.mean() for pair in (panel.before, panel.after)]
    assert rates == pytest.approx([16.3, 10.6], abs=0.05)
    for pair in (panel.before, panel.after):
        assert len(np.unique(pair.person)) == len(pair.person)
    # What was paid in 2009 is an outcome of one pair and known in the other.
    is_in_both = np.isin(panel.before.person, panel.after.person)
    paid = panel.after.column("was_inpatient") == 1
    assert np.array_equal(panel.before.event[is_in_both], paid)


@needs_cms
def test_a_persons_fold_is_the_same_in_both_years(panel: real_cms.Panel) -> None:
    dealt = [
        dict(zip(pair.person, real_cms_run.deal(pair), strict=True))
        for pair in (panel.before, panel.after)
    ]
    assert all(dealt[0][person] == fold for person, fold in dealt[1].items())
    assert np.bincount(list(dealt[0].values())).min() > 1900


@needs_cms
def test_the_panel_is_predicted_better_than_by_cost_or_count(
    panel: real_cms.Panel,
) -> None:
    folds = real_cms_run.deal(panel.before)
    among = real_fit.candidates(panel.before.predictors, ())
    by_name = {candidate.name: candidate for candidate in among}
    training = panel.before.take(folds != 0)
    model = real_fit.fit(training, by_name["spline_logistic"], seed=0)
    held_out = panel.after.take(real_cms_run.deal(panel.after) == 0)
    risk = real_fit.predict(model, held_out)
    assert not set(held_out.person) & set(training.person)
    own = metrics.auroc(held_out.event, risk).value
    assert 0.60 < own < 0.80
    for name in real_cms_run.SINGLES:
        assert own > metrics.auroc(held_out.event, held_out.column(name)).value


def test_recalibration_shifts_without_a_look_at_the_fold_itself() -> None:
    drawn = np.random.default_rng(0)
    risk = drawn.uniform(0.05, 0.5, 4000)
    event = drawn.random(4000) < risk / 2
    folds = np.arange(4000) % 5
    shifted = real_cms_run.recalibrated(event, risk, folds)
    assert shifted.sum() == pytest.approx(event.sum(), rel=0.01)
    assert risk.sum() > 1.8 * event.sum()
    own = folds == 0
    other = real_cms_run.recalibrated(np.where(own, ~event, event), risk, folds)
    assert np.array_equal(shifted[own], other[own])
    assert not np.allclose(shifted[~own], other[~own])


def test_a_difference_is_that_of_areas_people_drawn_in_pairs() -> None:
    drawn = np.random.default_rng(0)
    event = drawn.random(2000) < 0.2
    noise = drawn.random(2000)
    good, poor = noise + event.astype(float), noise + 0.2 * event.astype(float)
    good, poor = np.round(good, 1), np.round(poor, 1)
    found = real_judge.auroc_difference(event, good, poor)
    areas = [metrics.auroc(event, score).value for score in (good, poor)]
    assert found.value == pytest.approx(areas[0] - areas[1], abs=1e-12)
    assert 0 < found.lower < found.value < found.upper
    assert real_judge.auroc_difference(event, good, good) == (0, 0, 0)
    # Scores that have nothing to do with the outcome do not differ.
    useless = real_judge.auroc_difference(event, noise, drawn.random(2000))
    assert useless.lower < 0 < useless.upper


def test_an_area_with_weights_is_that_of_people_drawn_again() -> None:
    drawn = np.random.default_rng(0)
    event, score = drawn.random(500) < 0.3, np.round(drawn.random(500), 1)
    rows = drawn.integers(0, 500, 500)
    weighted = real_judge.Ranked(event, score).auroc(np.bincount(rows, minlength=500))
    drawn_again = metrics.auroc(event[rows], score[rows]).value
    assert weighted == pytest.approx(drawn_again, abs=1e-12)


@pytest.mark.parametrize(
    ("values", "ends", "verdict"),
    [
        ([0.67, 0.66], (0.66, None), "met"),
        ([0.67, 0.64], (0.66, None), "**missed**"),
        ([1.0, 1.05], (0.90, 1.10), "met"),
        ([1.0, 1.3], (0.90, 1.10), "**missed**"),
        ([0.8, 0.9], (0.90, 1.10), "**missed**"),
    ],
)
def test_a_missed_bar_is_said_to_be(
    values: Sequence[float], ends: tuple[float, float | None], verdict: str
) -> None:
    line = real_uci_report.bar("figure", spread(values), *ends)
    assert line.endswith(f": {verdict}")


def test_sets_that_are_not_there_are_named_and_left_out(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(real_uci, "FILE", tmp_path / "no.csv.gz")
    monkeypatch.setattr(real_cms, "FOLDER", tmp_path / "none")
    monkeypatch.setattr(sys, "argv", ["real_outcomes"])
    real_outcomes.main()
    said = capsys.readouterr()
    assert "no.csv.gz" in said.err
    assert "none" in said.err
    assert "###" not in said.out
