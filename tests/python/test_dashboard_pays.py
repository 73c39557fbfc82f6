"""Whether it pays: pictures, and the same budget on a page and in `riskmart target`."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import vl_convert
from copies import Copy

from python_scoring import warehouse
from python_scoring.dashboard import pays, pays_pictures, queries, what_if
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
    for budget in (0.0, 10.0, 2_000.0, 20_000.0, 1e9):
        shown = what_if.outcome(reader, BASELINE, window, budget, assumed)
        best = targeting.best(options, projection, budget)
        np.testing.assert_array_equal(
            shown.people["patient_id"], options.patient_id[best.chosen]
        )
        assert shown.choice.totals.net == pytest.approx(best.totals.net)
        assert shown.choice.most_net == pytest.approx(best.most_net)
        assert shown.choice.next_net_per_dollar == pytest.approx(
            best.next_net_per_dollar
        )
        assert shown.worthwhile == (projection.net > 0).sum()
        assert shown.people["spent"].max() <= budget or shown.people.empty
    assert len(shown.people) == shown.worthwhile
    assert shown.full_net == pytest.approx(best.totals.net)


def test_who_may_not_know_people_gets_the_same_list_without_them(
    reader: Reader,
) -> None:
    """Whatever order the rows come in."""
    financial = reader.columns["financial_projections"] - {"patient_id", "success_rate"}
    blind = replace(
        reader, columns={**reader.columns, "financial_projections": financial}
    )
    named, unnamed = (
        what_if.outcome(one, BASELINE, "60_day", 30_000, targeting.Assumptions())
        for one in (reader, blind)
    )
    assert "patient_id" not in unnamed.people
    # The solver stops by the clock: on a busy machine the lists may differ in the gap.
    assert unnamed.choice.totals.net == pytest.approx(named.choice.totals.net, rel=1e-3)
    assert what_if.named(blind, unnamed.people) is unnamed.people
    assert len(what_if.named(reader, named.people)) == len(named.people) > 50


def test_the_curve_ends_with_everybody_who_pays(reader: Reader) -> None:
    found = what_if.outcome(reader, BASELINE, "30_day", 500.0, targeting.Assumptions())
    first, last = found.curve.iloc[0], found.curve.iloc[-1]
    assert list(first) == [0, 0, 0, 0]
    assert last["people"] == found.worthwhile
    assert (last["spent"], last["net"]) == pytest.approx(
        (found.full_cost, found.full_net)
    )
    assert found.curve["people"].is_monotonic_increasing
    assert (found.curve["net"].diff().dropna() > 0).all()


# The target list, where names are withheld.


def test_the_list_has_one_order_for_who_may_not_know_people(reader: Reader) -> None:
    """By all that is seen of a row, and nothing that is not."""
    seen = reader.columns["positive_roi_patients"] - {"patient_id", "patient_uuid"}
    blind = replace(reader, columns={**reader.columns, "positive_roi_patients": seen})
    for sort in queries.SORTS.values():
        for is_descending in (True, False):
            filters = queries.Filters(sort=sort, is_descending=is_descending)
            given = (BASELINE, "30_day", filters)
            found = queries.targets(blind, *given, 1_000)
            pages = [queries.targets(blind, *given, 200, at) for at in (0, 200, 400)]
            pd.testing.assert_frame_equal(
                pd.concat(pages, ignore_index=True), found.head(600)
            )
            assert not {"patient_id", "patient_uuid"} & set(found)
            ties = found.groupby(sort, sort=False)["net_benefit"]
            assert ties.apply(lambda one: one.is_monotonic_decreasing).all()
    # of the prices there are but a handful: ties go on by the next column
    order = filters.order(["net_benefit desc", *queries._SHOWN_OF_TARGETS])
    assert "patient" not in order
    assert set(queries._SHOWN_OF_TARGETS) <= seen
