"""Drift: how people are counted in bins, kept by load, and put in an index by SQL."""

import tracemalloc

import numpy as np
import pytest
from copies import Copy
from scipy.stats import chi2
from test_ledger import make_model

from python_scoring import drift, registry, warehouse
from python_scoring.drift import Binning
from python_scoring.readmission import features, score
from python_scoring.readmission.horizons import HORIZON_DAYS
from python_scoring.warehouse import Connection

WARNING = "cohorts_drift_from_training__see_model_drift"


def test_numbers_are_counted_in_tenths_and_missing_ones_apart() -> None:
    column = np.random.default_rng(1).permutation(np.arange(1000.0))
    column[:37] = np.nan
    chosen = drift.binning(column)
    counts = chosen.count(column)
    assert not chosen.is_by_value
    assert counts[0] == 37
    assert counts.sum() == 1000
    assert len(counts) == 11
    assert np.ptp(counts[1:]) <= 1


@pytest.mark.parametrize("values", [(0.0, 1.0), (1.0, 2.0, 3.0, 5.0), (), (4.0,)])
def test_flags_and_codes_are_counted_by_value(values: tuple[float, ...]) -> None:
    column = np.array([*values * 3, *values[:1], np.nan, np.nan])
    chosen = drift.binning(column)
    assert chosen == Binning(values, is_by_value=True)
    assert chosen.count(column).tolist() == [2, *([4, 3, 3, 3][: len(values)]), 0]


def test_what_training_never_saw_has_a_bin() -> None:
    race = Binning((1.0, 2.0, 3.0, 5.0), is_by_value=True)
    assert race.count(np.array([4.0, 9.0, 5.0, np.nan])).tolist() == [1, 0, 0, 0, 1, 2]
    cost = drift.binning(np.arange(100.0))
    assert cost.count(np.array([-7.0, 1e9])).tolist() == [0, 1, *[0] * 8, 1]


def test_every_value_is_in_the_one_bin_whose_bounds_hold_it() -> None:
    draw = np.random.default_rng(2)
    # Two thirds are one value, as admissions are.
    column = np.where(draw.random(3000) < 0.66, 0.0, draw.integers(1, 40, 3000))
    chosen = drift.binning(column)
    by_hand = [
        sum((lower <= column) & (column < upper))
        for kind, lower, upper in chosen.kinds
        if kind == "range"
    ]
    assert chosen.count(column).tolist() == [0, *by_hand]
    assert all(by_hand)


@pytest.fixture
def registered(conn: Connection) -> Connection:
    registry.register(conn, make_model("m1"))
    for _ in range(2):
        conn.execute(
            "insert into raw.prediction_batches (target, model_version, scored_at,"
            " row_count) values ('readmission', 'm1', now(), 0)"
        )
    conn.commit()
    return conn


def draw_columns(people: int, seed: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    days = draw.integers(0, 400, people).astype(float)
    days[draw.random(people) < 0.4] = np.nan
    nobody = np.full(people, np.nan)
    return {
        "flag": (draw.random(people) < 0.3).astype(float),
        "days": days,
        "nobody": nobody,
        "score_30": draw.beta(2, 8, people),
    }


def test_bins_come_back_as_they_were_trained(registered: Connection) -> None:
    columns = draw_columns(500, 3)
    drift.record_training(registered, "m1", columns)
    kept = drift.tally(registered, "m1").binnings
    assert kept == {name: drift.binning(column) for name, column in columns.items()}
    assert drift.tally(registered, "m2").binnings == {}


def test_a_second_record_of_a_training_changes_nothing(registered: Connection) -> None:
    drift.record_training(registered, "m1", draw_columns(500, 3))
    before = registered.execute("select * from raw.training_distribution").fetchall()
    drift.record_training(registered, "m1", draw_columns(500, 4))
    after = registered.execute("select * from raw.training_distribution").fetchall()
    assert sorted(map(repr, after)) == sorted(map(repr, before))


def test_a_cohort_is_counted_by_load_however_it_is_cut(registered: Connection) -> None:
    drift.record_training(registered, "m1", draw_columns(500, 3))
    columns = draw_columns(700, 5)
    loads = np.random.default_rng(6).integers(4, 6, 700)
    whole, parts = (drift.tally(registered, "m1") for _ in range(2))
    whole.add(loads, columns)
    for start in range(0, 700, 90):
        piece = slice(start, start + 90)
        parts.add(loads[piece], {name: c[piece] for name, c in columns.items()})
    assert whole.counts.keys() == {(load, n) for load in (4, 5) for n in columns}
    for key, counts in whole.counts.items():
        np.testing.assert_array_equal(counts, parts.counts[key])
        assert counts.sum() == (loads == key[0]).sum()
    whole.write(registered, 2)
    found = registered.execute(
        "select load_id, feature_name, array_agg(patient_count order by bin)"
        " from raw.batch_distribution where batch_id = 2 group by 1, 2"
    ).fetchall()
    assert {(load, name): counts for load, name, counts in found} == {
        key: counts.tolist() for key, counts in whole.counts.items()
    }


def test_memory_does_not_grow_with_the_cohort(registered: Connection) -> None:
    drift.record_training(registered, "m1", draw_columns(500, 3))
    tally = drift.tally(registered, "m1")
    columns, loads = draw_columns(2000, 5), np.ones(2000, dtype=np.int64)
    tally.add(loads, columns)
    tracemalloc.start()
    try:
        for _ in range(20):
            tally.add(loads, columns)
        assert tracemalloc.get_traced_memory()[0] < 20_000
    finally:
        tracemalloc.stop()


def build(copy: Copy) -> str:
    """Build drift and its tests; return the status of the warning."""
    models = ("int_current_distributions", "int_distribution_shifts", "model_drift")
    nodes = copy.run("build", "--select", *models).values()
    return {node.name: node.status for node in nodes}[WARNING]


def counts(copy: Copy, batch_id: int) -> list[tuple[str, int, int]]:
    return copy.rows(
        "select feature_name, bin, patient_count from raw.batch_distribution"
        " where batch_id = %s and load_id = 0 order by 1, 2",
        batch_id,
    )


def test_everyone_is_counted_scored_now_or_before(clone: Copy) -> None:
    first = counts(clone, 1)
    names = {*features.FEATURE_NAMES, *(f"score_{days}" for days in HORIZON_DAYS)}
    assert {name for name, _, _ in first} == names
    assert sum(count for _, _, count in first) == 3000 * len(names)
    # As for a cohort that takes another's place and has nobody new to score.
    clone.execute("delete from raw.batch_distribution")
    clone.execute("update raw.predictions set features_hash = 0 where patient_id = 7")
    with warehouse.connect(autocommit=True) as conn:
        assert score.score(conn).scored == 1
        clone.execute("delete from raw.batch_distribution")
        assert score.score(conn).scored == 0
        assert score.score(conn, rescore=True).scored == 3000
    assert counts(clone, 2) == counts(clone, 3) == first


def test_the_index_is_the_formulas(clone: Copy) -> None:
    build(clone)
    bins = clone.frame(
        "select t.feature_name, t.patient_count as n, b.patient_count as m"
        " from raw.training_distribution as t inner join raw.batch_distribution as b"
        " on t.feature_name = b.feature_name and t.bin = b.bin"
    ).query("n + m > 0")
    drifts = clone.frame("select * from candidate.model_drift")
    assert len(drifts) == 30
    for row in drifts.itertuples():
        n, m = (
            bins.loc[bins["feature_name"] == row.feature_name, side].to_numpy()
            for side in ("n", "m")
        )
        assert (row.training_count, row.patient_count) == (n.sum(), 3000)
        before = (n + 0.5) / (n + 0.5).sum()
        now = (m + 0.5) / (m + 0.5).sum()
        psi = ((now - before) * np.log(now / before)).sum()
        assert row.psi == pytest.approx(psi, abs=1e-12)
        chance = chi2.ppf(0.99, len(n) - 1) * (1 / n.sum() + 1 / 3000)
        assert row.chance_psi == pytest.approx(chance, rel=0.01)


def test_people_unlike_the_training_raise_a_warning(clone: Copy) -> None:
    assert build(clone) == "pass"
    clone.execute(
        "update intermediate.int_patient_features set total_admissions = 7"
        " where is_current and purpose = 'cohort' and patient_id % 2 = 0"
    )
    with warehouse.connect(autocommit=True) as conn:
        score.score(conn)
    assert build(clone) == "warn"
    [(level, is_beyond_chance)] = clone.rows(
        "select drift_level, is_beyond_chance from candidate.model_drift"
        " where feature_name = 'total_admissions'"
    )
    assert (level, is_beyond_chance) == ("large", True)
