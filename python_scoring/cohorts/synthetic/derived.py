"""The derived columns as a file's origin would report them.

An independent second calculation of the seven derived features, used only to
write the baseline file. dbt computes them anew for every source and never
reads these; a test reconciles the two.
"""

import numpy as np

from python_scoring.cohorts.synthetic.population import CONDITIONS, Fields, Floats

# The ten chronic conditions; end-stage renal disease is not counted as one.
CHRONIC_CONDITIONS = tuple(name for name in CONDITIONS if name != "has_esrd")


def chronic_condition_count(base: Fields) -> Floats:
    """Return how many of the ten conditions each person has, shape (n,)."""
    count: Floats = np.zeros(base["age"].size)
    for name in CHRONIC_CONDITIONS:
        count += base[name]
    return count


def cost_percentile(annual_cost: Floats) -> Floats:
    """Return the share of the cohort at or below each cost, in (0, 1]."""
    ranked = np.sort(annual_cost)
    return np.searchsorted(ranked, annual_cost, side="right") / annual_cost.size


def reported_derived_columns(base: Fields) -> Fields:
    """Return the seven derived features of a cohort.

    Parameters
    ----------
    base : dict of arrays of shape (n,)
        The 20 base fields of a whole cohort: percentiles are within it.

    Returns
    -------
    dict of arrays of shape (n,)
        ``is_elderly`` (over 75), ``recent_admission`` (at most 90 days ago),
        ``high_outpatient_user`` (over 10 visits), ``cost_percentile``,
        ``high_cost`` (percentile over 0.75), ``frailty_score`` (0-1) and
        ``complexity_index`` (0-10), by the design's formulas.
    """
    chronic = chronic_condition_count(base)
    percentile = cost_percentile(base["annual_cost"].astype(np.float64))
    high_cost = percentile > 0.75
    over_65 = np.clip((base["age"].astype(np.float64) - 65) / 30, 0, 1)
    days = np.minimum(base["total_hospital_days"], 10) / 10
    flags = {
        "is_elderly": base["age"] > 75,
        "recent_admission": base["days_since_last_admission"] <= 90,
        "high_outpatient_user": base["total_outpatient_visits"] > 10,
        "high_cost": high_cost,
    }
    return {name: flag.astype(np.int16) for name, flag in flags.items()} | {
        "cost_percentile": percentile,
        "frailty_score": 0.4 * over_65 + 0.4 * chronic / 10 + 0.2 * high_cost,
        "complexity_index": 10
        * (0.30 * np.minimum(chronic, 5) / 5 + 0.35 * percentile + 0.35 * days),
    }
