"""Who was eligible stays so: by the rules that readers first had a cohort by."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from copies import Copy
from test_add import person, take
from test_programme_results import FIRST, SECOND, enrol, panel

from python_scoring import pipeline, warehouse
from python_scoring.cohorts import cohort
from python_scoring.errors import GateFailed
from python_scoring.publication import publish

UNPAYABLE = 99_999_999
YEARS_END = date(2025, 12, 31)  # of the baseline
RESULTS = "select * from candidate.programme_results order by 1, 2, 3"
BACKTESTS = "select * from candidate.projection_backtests order by 1, 2, 3"


def at(copy: Copy, price: float) -> str:
    """Write the prices, of which everyone's is the same."""
    lines = copy.rules("intervention_costs").read_text().splitlines()
    rows = [line.rsplit(",", 1)[0] for line in lines[1:]]
    return "\n".join([lines[0], *(f"{row},{price}" for row in rows)]) + "\n"


@contextmanager
def declared(copy: Copy, **values: Any) -> Iterator[None]:
    """Let vars of the project be others, for as long as it lasts."""
    file = copy.project / "dbt_project.yml"
    before = file.read_text()
    lines = before.splitlines()
    for name, value in values.items():
        [place] = [n for n, line in enumerate(lines) if line.startswith(f"  {name}: ")]
        lines[place] = f"  {name}: {value}"
    file.write_text("\n".join(lines) + "\n")
    try:
        yield
    finally:
        file.write_text(before)


def kept(copy: Copy) -> dict[tuple[str, date], tuple[int, int, float, float]]:
    """By cohort: how many rules were kept, of which build, at which prices."""
    rows = copy.rows(
        "select org_code, as_of_date, count(*), min(build_id),"
        " min(intervention_cost), max(intervention_cost)"
        " from raw.cohort_rules group by org_code, as_of_date"
        " having min(build_id) = max(build_id)"
    )
    return {(org, day): (count, *rest) for org, day, count, *rest in rows}


def results(copy: Copy) -> list[pd.DataFrame]:
    """Measure the programme again, with every test of it and of what it reads."""
    copy.run(
        *("build", "--exclude-resource-type", "unit_test"),
        *("--indirect-selection", "buildable", "--select", "+programme_results"),
        *("+projection_backtests", "+positive_roi_patients"),
    )
    return [copy.frame(RESULTS), copy.frame(BACKTESTS)]


def test_no_rule_changed_after_the_result_changes_it(
    clone: Copy, tmp_path: Path
) -> None:
    """A programme has ended, and its result is known: prices first, then all else."""
    clone.published()
    people, outcomes = panel()
    with warehouse.connect(autocommit=True) as conn:
        cohort.load_frame(conn, people, org="SYNTH", as_of=FIRST)
        pipeline.build()
        enrol(clone, tmp_path)
        cohort.load_frame(
            conn, people, outcomes, org="SYNTH", as_of=FIRST, replace=True
        )
    before = results(clone)
    calls = before[0][before[0]["programme_code"] == "CALLS"]
    assert calls["status"].tolist() == ["measured"] * 3

    with clone.edited(intervention_costs=at(clone, UNPAYABLE)):
        check_same(before, results(clone))
    # Nobody is worth a call at that price; whoever was is measured all the same.
    assert clone.value("select count(*) from candidate.positive_roi_patients") == 0

    with others(clone):
        check_same(before, results(clone))
    # The list leaves others alone by now; the results do not.
    assert clone.value(
        "select count(*) from intermediate.int_programme_people as measured"
        " inner join intermediate.int_holdout_arms as today using (patient_id)"
        " where measured.is_control <> today.is_control"
    )


@contextmanager
def others(copy: Copy) -> Iterator[None]:
    """Let tiers, success rates, the addressable share and the draw be others."""
    tiers, rates, scenarios = (
        copy.rules(name).read_text()
        for name in ("risk_tiers", "success_rates", "roi_scenarios")
    )
    with (
        copy.edited(
            risk_tiers=tiers.replace(",0.2", ",0.1").replace(",0.4", ",0.3"),
            success_rates=rates.replace("0.", "0.0"),
            roi_scenarios=scenarios.replace("base,0.6,", "base,0.5,"),
        ),
        declared(
            copy, addressable_share=0.5, holdout_share=0.3, holdout_salt="holdout-2"
        ),
    ):
        yield


def check_same(before: list[pd.DataFrame], after: list[pd.DataFrame]) -> None:
    for frame, again in zip(before, after, strict=True):
        pd.testing.assert_frame_equal(frame, again)


def test_rules_are_kept_when_readers_first_have_a_cohort(clone: Copy) -> None:
    """Not when somebody builds it; and neither intake nor a way back changes them."""
    clone.published()
    baseline, first, second = (
        ("BASELINE", YEARS_END),
        ("SYNTH", FIRST),
        ("SYNTH", SECOND),
    )
    before = kept(clone)
    assert list(before) == [baseline]
    people, _ = panel()
    with warehouse.connect(autocommit=True) as conn:
        cohort.load_frame(conn, people, org="SYNTH", as_of=FIRST)
    fault = clone.project / "tests" / "assert_nothing_at_all.sql"
    fault.write_text("select 1 as fault from {{ ref('programme_results') }}\n")
    try:
        with (
            clone.edited(intervention_costs=at(clone, UNPAYABLE)),
            pytest.raises(GateFailed, match="assert_nothing_at_all"),
        ):
            pipeline.build()
    finally:
        fault.unlink()
    assert kept(clone) == before

    with clone.edited(intervention_costs=at(clone, 25)):
        shown = pipeline.build().build_id
    assert shown is not None
    assert kept(clone) == before | {first: (15, shown, 25, 25)}

    # At other prices again: a new patient, the same day once more, and a later one.
    take(person(org_code="SYNTH", external_id="NEW-1"))
    assert kept(clone) == before | {first: (15, shown, 25, 25)}
    with warehouse.connect(autocommit=True) as conn:
        again, later = people.iloc[:300], people.iloc[:200]
        cohort.load_frame(conn, again, org="SYNTH", as_of=FIRST, replace=True)
        cohort.load_frame(conn, later, org="SYNTH", as_of=SECOND)
    # As in a warehouse that is older than the record: the next build's stand for it.
    clone.execute("delete from raw.cohort_rules where org_code = 'BASELINE'")
    last = pipeline.build().build_id
    assert last is not None
    everything = {
        baseline: (15, last, 20, 1900),
        first: (15, shown, 25, 25),
        second: (15, last, 20, 1900),
    }
    assert kept(clone) == everything
    prices = clone.rows(
        "select as_of_date, count(distinct patient_id), min(intervention_cost),"
        " max(intervention_cost) from intermediate.int_past_projections"
        " where as_of_date <= %s group by as_of_date order by 1",
        SECOND,
    )
    assert prices[0] == (FIRST, 300, 25, 25)
    assert prices[1][:3] == (SECOND, 200, 20)
    assert prices[1][3] > 25

    with warehouse.connect(autocommit=True) as conn:
        publish.go_back(conn)
    assert kept(clone) == everything
