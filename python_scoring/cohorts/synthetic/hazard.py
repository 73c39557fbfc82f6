"""What happens to them: the discrete hazard of readmission in 90 days.

Three intervals: days 1-30, 31-60 and 61-90. For a person who reached interval k

    logit h_k = INTERCEPTS[k] + sum over terms j of EFFECTS[j][k] * term_j
                + UNOBSERVED_SD * e,    e ~ N(0, 1), the same in all three

and the risk by the end of interval k is 1 - (1 - h_1) ... (1 - h_k). Every
term is a function of one feature, so that an additive model can learn all of
the hazard but ``e``. Signs are face-valid; sizes are chosen, not estimated.
"""

from collections.abc import Mapping

import numpy as np

from python_scoring.cohorts.synthetic.population import Fields, Floats

INTERVAL_DAYS = 30
INTERVALS = 3

INTERCEPTS = (-4.28, -4.73, -4.93)

# Log odds a unit of the term, in days 1-30, 31-60 and 61-90. A recent discharge
# matters most at first; chronic burden lasts.
EFFECTS: Mapping[str, tuple[float, float, float]] = {
    "recent_discharge": (1.60, 0.90, 0.60),
    "total_admissions": (0.28, 0.28, 0.28),
    "total_hospital_days": (0.015, 0.015, 0.015),
    "years_over_65": (0.030, 0.030, 0.030),
    "has_chf": (0.70, 0.65, 0.60),
    "has_copd": (0.55, 0.50, 0.50),
    "has_ckd": (0.45, 0.45, 0.45),
    "has_esrd": (0.50, 0.50, 0.50),
    "has_cancer": (0.40, 0.40, 0.40),
    "has_alzheimers": (0.35, 0.35, 0.35),
    "has_stroke": (0.35, 0.30, 0.30),
    "has_depression": (0.30, 0.30, 0.30),
    "has_diabetes": (0.30, 0.30, 0.30),
    "has_ischemic_heart": (0.25, 0.25, 0.25),
    "cost_share": (0.75, 0.75, 0.75),
    "total_outpatient_visits": (0.010, 0.010, 0.010),
}
UNOBSERVED_SD = 0.25


def hazard_terms(people: Fields, cost_share: Floats) -> Fields:
    """Return the terms of the hazard, each a function of one feature.

    Parameters
    ----------
    people : dict of arrays of shape (n,)
        The base fields.
    cost_share : array of shape (n,)
        Place in the panel's costs, 0-1.

    Returns
    -------
    dict of arrays of shape (n,)
        One array for each key of ``EFFECTS``. Counts level off (5 admissions,
        30 days, 30 visits); ``recent_discharge`` falls in straight lines from
        1 at once to 0.6 at 30 days, 0.2 at 90 and 0 at 180 days or without
        an admission.
    """
    days_since = np.nan_to_num(people["days_since_last_admission"], nan=1e6)
    terms = {name: people[name] for name in EFFECTS if name.startswith("has_")}
    return terms | {
        "recent_discharge": np.interp(days_since, (0, 30, 90, 180), (1, 0.6, 0.2, 0)),
        "total_admissions": np.minimum(people["total_admissions"], 5),
        "total_hospital_days": np.minimum(people["total_hospital_days"], 30),
        "years_over_65": np.clip(people["age"], 65, 95) - 65,
        "cost_share": cost_share,
        "total_outpatient_visits": np.minimum(people["total_outpatient_visits"], 30),
    }


def log_odds(people: Fields, cost_share: Floats, unobserved: Floats) -> Floats:
    """Return the logit of the three conditional hazards, shape (n, 3)."""
    total = np.tile(np.array(INTERCEPTS), (cost_share.size, 1))
    total += UNOBSERVED_SD * unobserved[:, np.newaxis]
    for name, values in hazard_terms(people, cost_share).items():
        total += np.multiply.outer(values, np.array(EFFECTS[name]))
    return total


def draw_outcomes(
    rng: np.random.Generator, people: Fields, cost_share: Floats
) -> tuple[Floats, Floats]:
    """Draw the day of the first readmission within 90 days.

    Parameters
    ----------
    rng : numpy.random.Generator
    people : dict of arrays of shape (n,)
        The base fields.
    cost_share : array of shape (n,)
        Place in the panel's costs, 0-1.

    Returns
    -------
    days_to_readmission : array of shape (n,)
        A whole day 1-90, uniform within its interval; NaN if none came.
    true_risk : array of shape (n, 3)
        Probability of a readmission by day 30, 60 and 90.
    """
    unobserved = rng.standard_normal(cost_share.size)
    hazards: Floats = 1 / (1 + np.exp(-log_odds(people, cost_share, unobserved)))
    true_risk: Floats = 1.0 - np.cumprod(1.0 - hazards, axis=1, dtype=np.float64)
    # One uniform draw against the cumulated risk settles the interval.
    drawn = rng.random(cost_share.size)
    interval = (drawn[:, np.newaxis] >= true_risk).sum(axis=1)
    day = 1 + interval * INTERVAL_DAYS
    day = day + np.floor(INTERVAL_DAYS * rng.random(cost_share.size))
    days_to_readmission: Floats = np.where(interval < INTERVALS, day, np.nan)
    return days_to_readmission, true_risk
