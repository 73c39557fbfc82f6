"""New patients beside the reference cohort: worked out again by numpy."""

import json
from typing import Any

import numpy as np
import pandas as pd
from copies import Copy

from python_scoring.intake import adding, documents
from python_scoring.readmission.features import FEATURE_NAMES

STATISTICS = [
    *("patient_count", "missing_share", "mean", "standard_deviation"),
    *("first_quartile", "median", "third_quartile"),
]
ORG = 1
BASELINE_PEOPLE = 3_000


def _statistics(people: pd.DataFrame) -> pd.DataFrame:
    """One row per feature, as the mart has it."""
    rows = {}
    for name in FEATURE_NAMES:
        values = people[name].dropna().to_numpy(np.float64)
        quartiles = (
            np.quantile(values, (0.25, 0.5, 0.75)) if len(values) else [np.nan] * 3
        )
        rows[name] = [
            len(people),
            people[name].isna().mean(),
            values.mean() if len(values) else np.nan,
            values.std(ddof=1) if len(values) > 1 else np.nan,
            *quartiles,
        ]
    return pd.DataFrame.from_dict(rows, orient="index", columns=STATISTICS)


def _shown(copy: Copy, source: str) -> pd.DataFrame:
    rows = copy.frame(
        "select * from marts.cohort_comparison"
        f" where organization_id = {ORG} and data_source = '{source}'"
    ).set_index("feature_name")
    assert len(rows) in (0, len(FEATURE_NAMES))
    columns = [*STATISTICS, "standardised_difference"]
    return rows.reindex(list(FEATURE_NAMES))[columns].astype(float)


def _features(copy: Copy, where: str) -> pd.DataFrame:
    return copy.frame(
        "select f.* from marts.patient_features as f"
        " inner join marts.patients as p using (patient_id)"
        f" where p.organization_id = {ORG} and {where}"
    )


def _record(external_id: str, **more: Any) -> dict[str, Any]:
    return {
        **{"org_code": "BASELINE", "external_id": external_id, "source_system": "API"},
        **{"index_date": "2026-01-31", "gender": "female", "race": "White"},
        **{"age": 80, "conditions": ["chf"], "has_esrd": False},
        **{"total_admissions": 0, "total_hospital_days": 0},
        **{"total_outpatient_visits": 3, "annual_cost": 9000, "inpatient_cost": 100},
        **more,
    }


def _hand_in(*records: dict[str, Any]) -> None:
    given = "\n".join(map(json.dumps, records)).encode()
    with adding.intake() as intake:
        answer = intake.add(list(documents.split(given)))
    assert answer.count("accepted") == len(records)


def _same(actual: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(
        actual[STATISTICS], expected, check_names=False, check_dtype=False, rtol=1e-9
    )


def test_without_new_patients_there_is_the_reference_cohort_alone(base: Copy) -> None:
    shown = _shown(base, "X_TEST")
    _same(shown, _statistics(_features(base, "true")))
    assert shown["standardised_difference"].isna().all()
    assert shown["missing_share"]["days_since_last_admission"] > 0
    sources = base.rows(
        "select data_source, count(*) from marts.cohort_comparison group by 1"
    )
    assert sources == [("X_TEST", len(FEATURE_NAMES))]


def test_new_patients_are_in_it_at_once_and_move_no_reference(clone: Copy) -> None:
    clone.published()
    before = _shown(clone, "X_TEST")
    _hand_in(_record("N-1"))
    alone = _shown(clone, "NEW_PATIENT")
    assert (alone["patient_count"] == 1).all()
    assert alone["mean"]["age"] == 80
    # One person has no variance, and whoever was never admitted no last day.
    assert alone["standardised_difference"].isna().all()
    assert alone["missing_share"]["days_since_last_admission"] == 1
    # One of them is of the cohort, and replaces a row of it.
    _hand_in(
        _record("N-2", age=50, annual_cost=100, conditions=[], gender="male"),
        _record(
            "BL-0001",
            age=91,
            total_admissions=3,
            total_hospital_days=12,
            last_admission_date="2026-01-11",
            has_esrd=True,
        ),
    )
    people = _features(clone, "p.data_source = 'NEW_PATIENT'")
    assert len(people) == 3
    new, reference = _shown(clone, "NEW_PATIENT"), _shown(clone, "X_TEST")
    _same(new, _statistics(people))
    pd.testing.assert_frame_equal(reference, before)
    assert (reference["patient_count"] == BASELINE_PEOPLE).all()
    pooled = np.sqrt(
        (new["standard_deviation"] ** 2 + before["standard_deviation"] ** 2) / 2
    )
    expected = (new["mean"] - before["mean"]) / pooled
    assert expected["age"] > 0
    pd.testing.assert_series_equal(
        new["standardised_difference"], expected, check_names=False, rtol=1e-9
    )
