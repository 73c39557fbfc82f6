"""All SQL of the page that asks whether it pays: sums, and lists of a few rows.

The one mart here with rows of patients, `roi_uncertainty`, is added up by the database.
"""

import pandas as pd

from python_scoring.dashboard.queries import frame
from python_scoring.dashboard.reader import Reader

# What a list of programmes or cohorts shows at most; the latest.
_SHOWN = 20

_SCENARIOS = """
select prediction_window, scenario, patient_count, total_intervention_cost,
    total_expected_savings, total_net_benefit, roi_percent, verdict
from marts.roi_scenario_totals where organization_id = %(organization)s
order by prediction_window, total_expected_savings, scenario
"""
# What is uncertain is the assumptions, the same for everybody: so the percentile of a
# sum is the sum of the percentiles.
_CERTAINTY = """
select prediction_window, count(*) as patient_count,
    count(*) filter (where positive_roi_probability > 0.5) as likely_count,
    count(*) filter (where positive_roi_probability > 0.8) as sure_count,
    count(*) filter (where positive_roi_probability > 0.95) as surest_count,
    sum(net_benefit_p05) as net_benefit_p05, sum(net_benefit_p50) as net_benefit_p50,
    sum(net_benefit_p95) as net_benefit_p95
from marts.roi_uncertainty where organization_id = %(organization)s
group by prediction_window order by prediction_window
"""
_FRONTIER = """
select targeting_strategy, budget_step, budget, patient_count, total_intervention_cost,
    total_net_benefit, verdict
from marts.targeting_frontier where organization_id = %(organization)s
order by targeting_strategy, budget_step
"""
_RESULTS = f"""
select programme_code, status, finding, treatment_count, treatment_rate,
    control_count, control_rate, control_enrolled_count, effect, effect_lower,
    effect_upper, before_after_change, control_change, projected_roi_percent,
    measured_roi_percent
from marts.programme_results
where organization_id = %(organization)s and prediction_window = %(window)s
order by first_enrolled_on desc nulls last, programme_code limit {_SHOWN}
"""
_BACKTESTS = f"""
select * from (
    select load_id, population, as_of_date, status, patient_count,
        expected_readmissions, observed_readmissions, observed_ratio,
        observed_ratio_lower, observed_ratio_upper, projected_savings, supported_savings
    from marts.projection_backtests
    where organization_id = %(organization)s and prediction_window = %(window)s
    order by as_of_date desc, load_id desc, population limit {_SHOWN}
) as latest
order by as_of_date, load_id, population
"""
_EVIDENCE = """
select programme, measure, unit, effect, effect_low, effect_high, treated_value,
    comparison_value, cost_usd, savings_usd, population, participant_count, design,
    verdict, citation, note
from marts.intervention_evidence order by evidence_id
"""


def scenarios(reader: Reader, organization: int) -> pd.DataFrame:
    """Read what calling everybody brings, by window and scenario, and the verdict."""
    reader.require("roi_scenario_totals")
    return frame(reader, _SCENARIOS, {"organization": organization})


def certainty(reader: Reader, organization: int) -> pd.DataFrame:
    """Sum, by window, how likely a return is, over the people that the login sees."""
    reader.require("roi_uncertainty", "positive_roi_probability", "net_benefit_p05")
    return frame(reader, _CERTAINTY, {"organization": organization})


def frontier(reader: Reader, organization: int) -> pd.DataFrame:
    """Read what budgets bring, by who is called first."""
    reader.require("targeting_frontier")
    return frame(reader, _FRONTIER, {"organization": organization})


def results(reader: Reader, organization: int, window: str) -> pd.DataFrame:
    """Read what programmes did, measured against controls; the latest ones."""
    reader.require("programme_results")
    values = {"organization": organization, "window": window}
    return frame(reader, _RESULTS, values)


def backtests(reader: Reader, organization: int, window: str) -> pd.DataFrame:
    """Read expected and observed readmissions of the latest cohorts, oldest first."""
    reader.require("projection_backtests")
    values = {"organization": organization, "window": window}
    return frame(reader, _BACKTESTS, values)


def evidence(reader: Reader) -> pd.DataFrame:
    """Read what others have published."""
    reader.require("intervention_evidence")
    return frame(reader, _EVIDENCE)
