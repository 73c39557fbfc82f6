"""Whether it pays: pictures, and the same budget on a page and in `riskmart target`."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import vl_convert
from copies import Copy

from python_scoring import warehouse
from python_scoring.dashboard import pays, pays_pictures, what_if
from python_scoring.dashboard.pictures import Picture
from python_scoring.dashboard.reader import Reader, reading
from python_scoring.readmission import budgets, targeting

BASELINE = 1


@pytest.fixture
def reader(base: Copy) -> Iterator[Reader]:
    with reading(None) as found:
        yield found


def pictures(reader: Reader) -> dict[str, Picture]:
    return {
        "scenarios": pays_pictures.scenarios(pays.scenarios(reader, BASELINE)),
        "certainty": pays_pictures.certainty(pays.certainty(reader, BASELINE)),
        "frontier": pays_pictures.frontier(pays.frontier(reader, BASELINE)),
        "effects": pays_pictures.effects(
            pays.results(reader, BASELINE, "30_day"), "30_day"
        ),
        "backtests": pays_pictures.backtests(
            pays.backtests(reader, BASELINE, "30_day"), "30_day"
        ),
        "evidence": pays_pictures.evidence(pays.evidence(reader)),
    }


def check_drawn(picture: Picture) -> None:
    """What is drawn can be drawn, and has all its figures in the table."""
    assert set(picture.columns) <= set(picture.table.columns)
    assert len(picture.table)
    assert picture.html.count("<td") == len(picture.table) * (len(picture.columns) - 1)
    if picture.chart is not None:
        assert "<path" in vl_convert.vegalite_to_svg(picture.chart.to_dict())


def test_every_picture_has_its_figures_in_its_table(reader: Reader) -> None:
    found = pictures(reader)
    for picture in found.values():
        check_drawn(picture)
    without = {name for name, picture in found.items() if picture.chart is None}
    assert without == {"effects", "evidence"}


def test_percentiles_of_everybody_agree_with_the_scenarios(reader: Reader) -> None:
    certainty = pays.certainty(reader, BASELINE).set_index("prediction_window")
    totals = pays.scenarios(reader, BASELINE).set_index(
        ["scenario", "prediction_window"]
    )["total_net_benefit"]
    median = certainty["net_benefit_p50"]
    np.testing.assert_allclose(median, totals["base"], rtol=1e-9, atol=1e-6)
    # More likely than not is a positive projection.
    positive = pd.Series(
        dict(
            reader.conn.execute(
                "select prediction_window, positive_roi_count"
                " from marts.roi_aggregations where organization_id = 1"
            ).fetchall()
        )
    )
    pd.testing.assert_series_equal(
        certainty["likely_count"], positive, check_names=False, check_dtype=False
    )
    assert (certainty["surest_count"] < certainty["sure_count"]).all()
    assert (certainty["sure_count"] < certainty["likely_count"]).all()
    assert (certainty["net_benefit_p05"] < median).all()
    assert (median < certainty["net_benefit_p95"]).all()


def test_the_verdict_is_said_for_each_window(reader: Reader) -> None:
    said = pays_pictures.verdicts(pays.scenarios(reader, BASELINE))
    assert [one.partition(":")[0] for one in said] == ["30 days", "60 days", "90 days"]
    assert all("pays unless conservative; -$" in one for one in said)


def test_where_nobody_pays_no_line_is_drawn_and_words_say_so(reader: Reader) -> None:
    curves = pays.frontier(reader, BASELINE)
    assert pays_pictures.no_frontier(curves) is None
    nobody = curves.assign(
        budget=0.0,
        total_net_benefit=0.0,
        verdict="none: no patient's projected return is positive",
    )
    words = "None: no patient's projected return is positive: no budget pays."
    assert pays_pictures.no_frontier(nobody) == words
    picture = pays_pictures.frontier(nobody)
    assert (picture.chart, picture.note) == (None, words)
    assert words in f"{picture.note}{picture.html}"


def test_the_best_choice_is_above_all_others_at_every_budget(reader: Reader) -> None:
    table = pays_pictures.frontier(pays.frontier(reader, BASELINE)).table
    assert table["budget"].is_monotonic_increasing
    for other in ("risk-blind", "highest tier first", "random"):
        assert (table["best"] >= table[other] - 1e-6).all()
        assert (table["best"] > table[other]).sum() > len(table) / 2


RESULT = {
    "programme_code": "CALLS",
    "status": "measured",
    "finding": "no_effect_shown",
    "treatment_count": 2000,
    "treatment_rate": 0.20,
    "control_count": 200,
    "control_rate": 0.19,
    "control_enrolled_count": 7,
    "effect": 0.01,
    "effect_lower": -0.04,
    "effect_upper": 0.06,
    "before_after_change": -0.5,
    "control_change": -0.1,
    "projected_roi_percent": 90.0,
    "measured_roi_percent": -50.0,
}


def test_a_measured_effect_stands_beside_what_misleads() -> None:
    found = pd.DataFrame([RESULT, {**RESULT, "programme_code": "OTHER"}])
    picture = pays_pictures.effects(found, "30_day")
    check_drawn(picture)
    assert "regression to the mean" in picture.note
    for cell in ("+1.0 (-4.0 to +6.0)", "20.0 % of 2,000", "-50.0", "-10.0"):
        assert f">{cell}<" in picture.html
    layers = picture.chart.to_dict()["datasets"].values()
    drawn = next(rows for rows in layers if "label" in rows[0])
    assert [row["label"] for row in drawn[:3]] == [
        "CALLS: measured effect",
        "CALLS: before/after, enrolled",
        "CALLS: before/after, controls",
    ]
    assert [row["lower"] for row in drawn[:3]] == [-4.0, None, None]
    assert pays_pictures.findings(found)[0] == (
        "CALLS: No effect shown, which is not the same as no effect. 7 of 200 controls "
        "were enrolled all the same, which makes the effect look smaller."
    )


@pytest.mark.parametrize("status", sorted(pays_pictures.STATUSES))
def test_why_nothing_is_measured_is_said_in_words(status: str) -> None:
    nothing = dict.fromkeys(set(RESULT) - {"programme_code", "control_enrolled_count"})
    row = {**RESULT, **nothing, "status": status, "control_enrolled_count": 0}
    found = pd.DataFrame([row])
    [said] = pays_pictures.findings(found)
    assert said.endswith("so no effect is measured.")
    picture = pays_pictures.effects(found, "30_day")
    assert picture.chart is None
    assert pays_pictures.STATUSES[status] in picture.html
    check_drawn(picture)


def test_two_cohorts_of_one_day_are_told_apart() -> None:
    one = {
        "load_id": 1,
        "population": "everybody",
        "as_of_date": "2025-12-31",
        "status": "measured",
        "patient_count": 100,
        "expected_readmissions": 20.0,
        "observed_readmissions": 25,
        "observed_ratio": 1.25,
        "observed_ratio_lower": 0.81,
        "observed_ratio_upper": 1.85,
        "projected_savings": 1000.0,
        "supported_savings": 1250.0,
    }
    later = {**one, "load_id": 2, "status": "no_outcomes_yet"}
    found = pd.DataFrame([one, {**one, "load_id": 3}, later])
    found["as_of_date"] = pd.to_datetime(found["as_of_date"])
    picture = pays_pictures.backtests(found, "30_day")
    check_drawn(picture)
    layers = picture.chart.to_dict()["datasets"].values()
    drawn = next(rows for rows in layers if "label" in rows[0])
    assert [row["label"].rpartition(", ")[2] for row in drawn] == ["load 1", "load 3"]
    for row in drawn:
        assert (row["lower"], row["upper"]) == pytest.approx((16.2, 37.0))
    assert "1.25 (0.81 to 1.85)" in picture.html
    assert "no outcomes yet" in picture.html


# The same budget, on the page and in `riskmart target`.


@pytest.mark.parametrize("window", ["30_day", "90_day"])
@pytest.mark.parametrize("scenario", ["conservative", "base", "optimistic"])
def test_a_budget_buys_on_the_page_what_it_buys_in_target(
    window: str, scenario: str, reader: Reader
) -> None:
    with warehouse.connect() as conn:
        options = budgets.read_options(conn, "BASELINE", window)
        assumed = budgets.read_assumptions(conn, scenario)
    projection = targeting.project(options, assumed)
    row = what_if.scenarios(reader).set_index("scenario").to_dict("index")[scenario]

    def on_page(budget: float) -> what_if.Outcome:
        return what_if.outcome(
            reader,
            BASELINE,
            window,
            what_if.Assumptions(
                budget,
                success_multiplier=float(row["success_multiplier"]),
                care_multiplier=float(row["care_multiplier"]),
            ),
        )

    for budget in (10.0, 2_000.0, 20_000.0):
        shown = on_page(budget)
        best = targeting.best(options, projection, budget)
        assert shown.net <= best.totals.net + 1e-6
        # What the page says that no list can do better than, none does.
        assert best.totals.net <= shown.most_net + 1e-6
        assert shown.cost <= budget
        assert shown.worthwhile == (projection.net > 0).sum()
    # Where the budget ends with a person, there is nothing to choose better.
    exact = targeting.best(options, projection, shown.cost).totals
    again = on_page(shown.cost + 1e-6)
    assert again.people == shown.people > 10
    assert (again.cost, again.savings) == (shown.cost, shown.savings)
    np.testing.assert_allclose(
        [exact.cost, exact.savings, exact.net],
        [shown.cost, shown.savings, shown.net],
        rtol=1e-6,
    )
    everybody = targeting.best(options, projection, 1e9).totals
    full = on_page(1e9)
    assert (full.people, full.cost) == (everybody.patients, everybody.cost)
    assert full.net == pytest.approx(everybody.net, rel=1e-9)
    assert full.most_net == full.net == full.full_net
