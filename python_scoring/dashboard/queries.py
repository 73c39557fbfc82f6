"""All SQL of the pages: marts in, data frames out, every list with a limit.

Summaries are read as summaries. What may be a million rows is read by an index, and
never more of it than a page shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from psycopg import sql

from python_scoring.dashboard.reader import SCHEMA, Reader

# Beyond that, "more than" says enough, and counting would read the whole list.
COUNTED_ROWS = 100_000
CSV_ROWS = 100_000

# The column to sort a list by, as the reader knows it.
SORTS = {
    "net benefit": "net_benefit",
    "return (ROI)": "roi_percent",
    "risk score": "risk_score",
    "expected savings": "expected_savings",
    "intervention cost": "intervention_cost",
}

_SUPPRESSED = "_suppressed"


def frame(
    reader: Reader, query: str | sql.Composed, values: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Run a query; its rows under the names of its columns."""
    statement = query.encode() if isinstance(query, str) else query
    cursor = reader.conn.execute(statement, values)
    names = [column.name for column in cursor.description or []]
    return pd.DataFrame(cursor.fetchall(), columns=names)


def organizations(reader: Reader) -> pd.DataFrame:
    """Read the organizations that the login sees."""
    reader.require("organizations")
    return frame(
        reader,
        "select organization_id, org_code, organization_name, data_source, as_of_date"
        " from marts.organizations order by organization_id",
    )


def departments(reader: Reader) -> pd.DataFrame:
    """Read the departments."""
    reader.require("departments")
    return frame(
        reader,
        "select department_id, department_code, department_name"
        " from marts.departments order by department_id",
    )


# Overview.


def tiers(reader: Reader, organization: int) -> pd.DataFrame:
    """People by window and tier; suppressed counts where only those may be read."""
    mart = reader.first("org_tier_summary", "org_tier_summary" + _SUPPRESSED)
    return _of_organization(
        reader,
        mart,
        "prediction_window, risk_tier, tier_name, patient_count, patient_percent",
        "prediction_window, risk_tier",
        organization,
    )


def is_suppressed(reader: Reader, mart: str) -> bool:
    """Whether the login reads a mart only as its suppressed twin."""
    return not reader.may(mart) and reader.may(mart + _SUPPRESSED)


_RETURNS = """
select prediction_window, {measures}
from {mart} where organization_id = %(organization)s
group by prediction_window order by prediction_window
"""
_SUMMED = (
    "patient_count",
    "positive_roi_count",
    "excellent_roi_count",
    "total_intervention_cost",
    "total_expected_savings",
    "total_net_benefit",
)


def returns(reader: Reader, organization: int) -> pd.DataFrame:
    """Sum the projected return by window, over the departments that the login sees."""
    mart = reader.first("roi_aggregations", "roi_by_department")
    measures = [
        sql.SQL("sum({0})::float8 as {0}").format(sql.Identifier(name))
        for name in _SUMMED
    ]
    query = sql.SQL(_RETURNS).format(
        mart=sql.Identifier(SCHEMA, mart), measures=sql.SQL(", ").join(measures)
    )
    return frame(reader, query, {"organization": organization})


_BUILDS = """
select * from (
    select build_id, status, is_published, started_at, duration_seconds, model_version,
        (row_counts ->> 'patients')::bigint as patient_count,
        (row_counts ->> 'positive_roi_patients')::bigint as positive_count
    from marts.builds
    where row_counts is not null and status not in ('building', 'failed', 'abandoned')
    order by build_id desc limit 50
) as latest
order by build_id
"""


def builds(reader: Reader) -> pd.DataFrame:
    """Read the latest builds that succeeded, and how many rows two marts had."""
    reader.require("builds")
    return frame(reader, _BUILDS)


# Departments.


def department_tiers(reader: Reader, organization: int, window: str) -> pd.DataFrame:
    """People by department and tier, of one window."""
    name = "dept_risk_distribution"
    mart = reader.first(name, name + _SUPPRESSED)
    return _of_organization(
        reader,
        mart,
        "department_id, department_name, risk_tier, tier_name, patient_count,"
        " department_percent",
        "department_id, risk_tier",
        organization,
        window,
    )


def department_returns(reader: Reader, organization: int, window: str) -> pd.DataFrame:
    """Projected return by department, of one window."""
    reader.require("roi_by_department")
    return _of_organization(
        reader,
        "roi_by_department",
        "department_name, patient_count, positive_roi_count, total_intervention_cost,"
        " total_expected_savings, total_net_benefit",
        "department_id",
        organization,
        window,
    )


def _of_organization(
    reader: Reader,
    mart: str,
    columns: str,
    order: str,
    organization: int,
    window: str | None = None,
) -> pd.DataFrame:
    of_window = "" if window is None else "and prediction_window = %(window)s"
    query = (
        f"select {columns} from {SCHEMA}.{mart}"
        f" where organization_id = %(organization)s {of_window} order by {order}"
    )
    return frame(reader, query, {"organization": organization, "window": window})


_HIGH_RISK = """
select {who} patients.age, patients.gender, predictions.risk_tier,
    predictions.risk_score, predictions.reason_1, predictions.reason_2,
    predictions.reason_3
from marts.predictions
inner join marts.patients on predictions.patient_id = patients.patient_id
where predictions.organization_id = %(organization)s
    and predictions.prediction_window = %(window)s and predictions.risk_tier >= 4
    and patients.department_id = %(department)s
order by predictions.risk_score desc, patients.patient_id
limit %(limit)s
"""


def high_risk(
    reader: Reader, organization: int, window: str, department: int, limit: int
) -> pd.DataFrame:
    """People of a department in the two highest tiers, highest score first."""
    reader.require("patients", "patient_id", "patient_uuid")
    reader.require("predictions", "patient_id")
    query = _HIGH_RISK.replace(
        "{who}", "patients.patient_uuid::text as patient_uuid, patients.patient_id,"
    )
    values = {"organization": organization, "window": window, "department": department}
    found = frame(reader, query, {**values, "limit": limit})
    return in_words(reader, found, window)


# Target list.


@dataclass(frozen=True)
class Filters:
    """What of the target list is wanted; an empty sequence stands for everything."""

    departments: Sequence[int] = ()
    tiers: Sequence[int] = ()
    reasons: Sequence[str] = ()
    least_net_benefit: float = 0.0
    # Controls are left alone on purpose: what the programme is measured against.
    are_controls_out: bool = True
    sort: str = "net_benefit"
    is_descending: bool = True
    values: dict[str, Any] = field(default_factory=dict, compare=False)

    def condition(self) -> str:
        """Write the condition, with the values bound by name."""
        parts = [
            "organization_id = %(organization)s",
            "prediction_window = %(window)s",
            "net_benefit >= %(least)s",
        ]
        if self.are_controls_out:
            parts.append("not is_control")
        if self.departments:
            parts.append("department_id = any(%(departments)s)")
        if self.tiers:
            parts.append("risk_tier = any(%(tiers)s)")
        if self.reasons:
            parts.append("array[reason_1, reason_2, reason_3] && %(reasons)s::text[]")
        return " and ".join(parts)

    def bound(self, organization: int, window: str) -> dict[str, Any]:
        """Give the values of the condition."""
        return {
            "organization": organization,
            "window": window,
            "least": self.least_net_benefit,
            "departments": list(self.departments),
            "tiers": list(self.tiers),
            "reasons": list(self.reasons),
        }

    def order(self, last: Sequence[str]) -> str:
        """Write the order; `last` breaks ties, one after the other."""
        if self.sort not in SORTS.values():
            raise ValueError(self.sort)
        direction = "desc" if self.is_descending else "asc"
        return ", ".join([f"{self.sort} {direction}", *last])


def target_count(
    reader: Reader, organization: int, window: str, filters: Filters
) -> int:
    """Count who is on the list, up to one more than COUNTED_ROWS."""
    query = (
        "select count(*) as n from (select from marts.positive_roi_patients where"
        f" {filters.condition()} limit {COUNTED_ROWS + 1}) as found"
    )
    values = filters.bound(organization, window)
    return int(frame(reader, query, values)["n"].iloc[0])


# What everybody may see of the list. Rows that are the same in all of it are the same
# to whoever may not see whose they are: to sort by it is as good as by patient.
_SHOWN_OF_TARGETS = (
    *("department_id", "risk_tier", "risk_score", "expected_savings"),
    *("intervention_cost", "net_benefit", "roi_percent", "roi_category"),
    *("is_control", "reason_1", "reason_2", "reason_3"),
)


def targets(
    reader: Reader,
    organization: int,
    window: str,
    filters: Filters,
    limit: int,
    offset: int = 0,
) -> pd.DataFrame:
    """Read the target list; without who somebody is where that is withheld."""
    reader.require("positive_roi_patients")
    names = reader.names_people
    who = "patient_uuid::text as patient_uuid, patient_id," if names else ""
    last = ["patient_id"] if names else ["net_benefit desc", *_SHOWN_OF_TARGETS]
    query = f"""
        select {who} {", ".join(_SHOWN_OF_TARGETS)},
            case when is_control then 'leave alone' else 'call' end as arm
        from marts.positive_roi_patients
        where {filters.condition()}
        order by {filters.order(last)}
        limit %(limit)s offset %(offset)s
    """
    values = {"limit": limit, "offset": offset}
    found = frame(reader, query, {**filters.bound(organization, window), **values})
    return in_words(reader, found, window)


_SENTENCES = """
select patient_id, reason_rank, reason_text from marts.prediction_reasons
where patient_id = any(%(people)s) and prediction_window = %(window)s
"""


def in_words(reader: Reader, found: pd.DataFrame, window: str) -> pd.DataFrame:
    """Put the reasons of a list into words: sentences, or the features' labels."""
    words = labels(reader)
    for rank in (1, 2, 3):
        name = f"reason_{rank}"
        found[name] = found[name].map(lambda feature: words.get(feature, feature))
    if "patient_id" not in found or not reader.may("prediction_reasons", "patient_id"):
        return found
    people = [int(one) for one in found["patient_id"]]
    said = frame(reader, _SENTENCES, {"people": people, "window": window})
    wide = said.pivot(index="patient_id", columns="reason_rank", values="reason_text")
    for place in wide.columns:
        found[f"reason_{place}"] = found["patient_id"].map(wide[place])
    return found


def labels(reader: Reader) -> dict[str, str]:
    """Name the features as people do."""
    reader.require("reason_words")
    found = frame(reader, "select feature_name, label from marts.reason_words")
    return dict(zip(found["feature_name"], found["label"], strict=True))


# One patient.

_PATIENT = """
select p.patient_id, p.patient_uuid::text as patient_uuid, p.organization_id,
    d.department_name, p.data_source, p.index_date, p.age, p.gender, p.race,
    p.annual_cost, p.cost_percentile
from marts.patients as p
inner join marts.departments as d on p.department_id = d.department_id
where p.organization_id = %(organization)s and {which}
"""


def patient(reader: Reader, organization: int, wanted: str) -> pd.DataFrame:
    """Find one person by patient_uuid or patient_id; no row where there is none."""
    reader.require("patients", "patient_id", "patient_uuid")
    which = "p.patient_uuid = %(wanted)s::uuid"
    if wanted.isdecimal():
        which = "p.patient_id = %(wanted)s::bigint"
    query = _PATIENT.replace("{which}", which)
    return frame(reader, query, {"organization": organization, "wanted": wanted})


_SCORES = """
select prediction_window, risk_score, risk_tier, model_version, scored_at, is_active
from marts.prediction_history where patient_id = %(patient)s
order by prediction_window, scored_at
"""
_REASONS = """
select reason_rank, feature_name, feature_value, contribution, reason_text
from marts.prediction_reasons
where patient_id = %(patient)s and prediction_window = %(window)s order by reason_rank
"""
_RETURN_OF_ONE = """
select prediction_window, annual_cost, addressable_cost, expected_savings,
    intervention_cost, net_benefit, roi_percent, roi_category
from marts.financial_projections where patient_id = %(patient)s
order by prediction_window
"""
_FEATURES = """
select words.feature_name, words.label, words.unit,
    (features.value ->> words.feature_name)::float8 as value
from marts.reason_words as words
cross join (
    select to_jsonb(patient_features) as value from marts.patient_features
    where patient_id = %(patient)s
) as features
"""
_REFERENCE = """
select feature_name, mean, standard_deviation, first_quartile, median, third_quartile,
    patient_count
from marts.reference_statistics where organization_id = %(organization)s
"""


def score_history(reader: Reader, patient_id: int) -> pd.DataFrame:
    """Read every score that one person ever had."""
    reader.require("prediction_history", "patient_id")
    return frame(reader, _SCORES, {"patient": patient_id})


def reasons(reader: Reader, patient_id: int, window: str) -> pd.DataFrame:
    """Read why one person has this score, in words and numbers."""
    reader.require("prediction_reasons", "patient_id")
    return frame(reader, _REASONS, {"patient": patient_id, "window": window})


def return_of_one(reader: Reader, patient_id: int) -> pd.DataFrame:
    """Read one person's projected return."""
    reader.require("financial_projections", "patient_id")
    return frame(reader, _RETURN_OF_ONE, {"patient": patient_id})


def features(reader: Reader, patient_id: int) -> pd.DataFrame:
    """Read one person's features, with what they are called."""
    reader.require("patient_features", "patient_id")
    return frame(reader, _FEATURES, {"patient": patient_id})


def reference(reader: Reader, organization: int) -> pd.DataFrame:
    """Read the features' distribution in the organization's cohort."""
    reader.require("reference_statistics")
    return frame(reader, _REFERENCE, {"organization": organization})


# Model trust.

_EVALUATIONS = """
select * from marts.model_evaluations
where organization_id = %(organization)s and is_champion and is_current_cohort
order by prediction_window
"""
_BINS = """
select group_name, group_value, bin, patient_count, event_count, expected_rate,
    observed_rate, lower, upper, is_small
from marts.model_calibration
where evaluation_id = %(evaluation)s and prediction_window = %(window)s
    and bin_type = %(kind)s and group_name = 'all'
order by bin
"""
_GROUPS = """
select group_name, group_value, metric, value, lower, upper, patient_count,
    event_count, is_small
from marts.model_metrics
where evaluation_id = %(evaluation)s and prediction_window = %(window)s
    and metric in ('auroc', 'observed_expected', 'calibration_slope')
order by group_name, group_value, metric
"""
_DRIFT = """
select feature_name, psi, chance_psi, drift_level, is_beyond_chance, patient_count
from marts.model_drift where organization_id = %(organization)s
    and model_version = (
        select model_version from marts.model_registry
        where is_champion and target = 'readmission' limit 1
    )
order by psi desc, feature_name
"""


def evaluations(reader: Reader, organization: int) -> pd.DataFrame:
    """Read how the model in force did on the current cohort, by window."""
    reader.require("model_evaluations")
    return frame(reader, _EVALUATIONS, {"organization": organization})


def calibration(
    reader: Reader, evaluation: int, window: str, kind: str
) -> pd.DataFrame:
    """Read expected and observed rates by `tier` or by `decile`."""
    reader.require("model_calibration")
    values = {"evaluation": evaluation, "window": window, "kind": kind}
    return frame(reader, _BINS, values)


def groups(reader: Reader, evaluation: int, window: str) -> pd.DataFrame:
    """Read the figures by sex, age band, race and department."""
    reader.require("model_metrics")
    return frame(reader, _GROUPS, {"evaluation": evaluation, "window": window})


def drift(reader: Reader, organization: int) -> pd.DataFrame:
    """Read how far the cohort is from what the model in force was trained on."""
    reader.require("model_drift")
    reader.require("model_registry")
    return frame(reader, _DRIFT, {"organization": organization})
