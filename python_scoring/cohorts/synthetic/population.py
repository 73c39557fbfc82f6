"""Who is on the synthetic panel: conditions, utilisation and cost.

Every field is a quantile transform of correlated normal variables (a Gaussian
copula), so that its marginal is exactly the one written down here, whatever
the correlations. Only ``standard_normal`` and ``random`` are drawn, the two
streams that numpy changes least, so that a seed keeps its people.
"""

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Fields = dict[str, NDArray[Any]]


class Condition(NamedTuple):
    """A recorded condition: its share of the panel and what it goes with.

    ``prevalence`` is a share of all people; the others are correlations of
    the underlying normal variable: ``severity`` and ``age`` with the person's,
    ``renal`` with the factor that chronic and end-stage kidney disease share.
    """

    prevalence: float
    severity: float
    age: float = 0.0
    renal: float = 0.0


# Prevalences that hold the department shares of the design, by first match
# (not CMS's own, under which almost half of all people are in Cardiology).
CONDITIONS = {
    "has_esrd": Condition(0.07, 0.15, -0.05, 0.80),
    "has_alzheimers": Condition(0.15, 0.05, 0.20),
    "has_chf": Condition(0.14, 0.20, 0.10),
    "has_ckd": Condition(0.29, 0.15, 0.05, 0.80),
    "has_cancer": Condition(0.15, 0.15, 0.05),
    "has_copd": Condition(0.21, 0.15, 0.00),
    "has_depression": Condition(0.18, 0.20, -0.10),
    "has_diabetes": Condition(0.28, 0.15, 0.00),
    "has_ischemic_heart": Condition(0.15, 0.20, 0.10),
    "has_ra_oa": Condition(0.14, 0.10, 0.05),
    "has_stroke": Condition(0.07, 0.10, 0.05),
}

# White, black, other, Hispanic as CMS codes them (there is no code 4).
RACE_CODES = np.array([1, 2, 3, 5], dtype=np.int16)
RACE_SHARES = (0.76, 0.13, 0.05, 0.06)
FEMALE_SHARE = 0.55

# Share of the panel that is elderly and frail, has no recorded chronic
# condition and comes from a long stay: nearly all that Geriatrics is left
# with, since department rules 1-8 take everyone with a condition before it.
FRAIL_SHARE = 0.024

# Share of people with 0, 1, 2, ... admissions in the trailing year.
ADMISSION_SHARES = (0.38, 0.29, 0.15, 0.08, 0.045, 0.025, 0.014, 0.008, 0.005, 0.003)
# Share of people without an admission in the year who had one before it.
EARLIER_ADMISSION_SHARE = 0.3
# Enrichment with recent discharges: 1 would spread the last admission evenly.
RECENCY_EXPONENT = 2.2

# Log-normal annual cost: median e^mu, mean e^(mu + sigma^2 / 2), in USD.
COST_MEDIAN_USD = 6_450.0
COST_LOG_SD = 1.03

_STANDARD_NORMAL = NormalDist()
_GRID = np.linspace(-6.0, 6.0, 2_401)
_GRID_SHARE = np.array([_STANDARD_NORMAL.cdf(z) for z in _GRID])


def normal_share(values: Floats) -> Floats:
    """Return the standard normal distribution function (to 1e-6).

    Parameters
    ----------
    values : array of any shape
        Standard normal deviates.

    Returns
    -------
    array of the same shape
        The share of a standard normal population below each value.
    """
    shares: Floats = np.interp(values, _GRID, _GRID_SHARE)
    return shares


def normal_cuts(shares: tuple[float, ...]) -> Floats:
    """Return the k-1 deviates that cut a normal population into k shares."""
    cumulated = np.cumsum(shares)[:-1]
    return np.array([_STANDARD_NORMAL.inv_cdf(float(share)) for share in cumulated])


class Latents(NamedTuple):
    """The hidden normal variables of each person, each of shape (n,)."""

    age: Floats
    severity: Floats
    renal: Floats
    use: Floats
    cost: Floats
    is_frail: NDArray[np.bool_]


def draw_latents(rng: np.random.Generator, count: int) -> Latents:
    """Draw what the observable fields have in common.

    Parameters
    ----------
    rng : numpy.random.Generator
    count : int
        Number of people.

    Returns
    -------
    Latents
        ``severity`` correlates 0.25 with ``age``, ``use`` 0.60 and
        ``cost`` 0.55 with ``severity``, ``use`` and ``cost`` 0.73.
    """
    age, severity, renal, use, cost = rng.standard_normal((5, count))
    is_frail = rng.random(count) < FRAIL_SHARE
    severity = 0.25 * age + np.sqrt(1 - 0.25**2) * severity
    own_use = use
    use = 0.60 * severity + np.sqrt(1 - 0.60**2) * own_use
    cost = 0.55 * severity + 0.50 * own_use + np.sqrt(1 - 0.55**2 - 0.50**2) * cost
    cost = np.where(is_frail, 0.75 + 0.6 * cost, cost)
    return Latents(age, severity, renal, use, cost, is_frail)


def draw_people(rng: np.random.Generator, count: int) -> tuple[Fields, Floats]:
    """Draw the base fields of ``count`` people.

    Parameters
    ----------
    rng : numpy.random.Generator
    count : int
        Number of people.

    Returns
    -------
    fields : dict of arrays of shape (count,)
        The 20 base fields by name; ``days_since_last_admission`` is NaN where
        no admission is on record, the money is in USD, in whole cents.
    cost_share : array of shape (count,)
        The share of the whole (unlimited) panel that costs less, 0-1.
    """
    latents = draw_latents(rng, count)
    people = _demographics(rng, latents) | _conditions(rng, latents)
    people |= _utilisation(rng, latents) | {
        "annual_cost": _cents(COST_MEDIAN_USD * np.exp(COST_LOG_SD * latents.cost))
    }
    people["inpatient_cost"] = _inpatient_cost(rng, people)
    return people, normal_share(latents.cost)


def _cents(amounts: Floats) -> Floats:
    return np.round(amounts, 2)


def _demographics(rng: np.random.Generator, latents: Latents) -> Fields:
    """Ages skewed to the left: a tail of people disabled before 65."""
    count = latents.age.size
    age = 71.0 + 11.5 * latents.age - 1.5 * (np.clip(latents.age, -4, 3.5) ** 2 - 1)
    frail_age = 76.0 + 24.0 * rng.random(count) ** 1.5
    age = np.clip(np.floor(np.where(latents.is_frail, frail_age, age)), 18, 100)
    race = np.searchsorted(np.cumsum(RACE_SHARES)[:-1], rng.random(count))
    return {
        "age": age.astype(np.int16),
        "is_female": (rng.random(count) < FEMALE_SHARE).astype(np.int16),
        "race_code": RACE_CODES[race],
    }


def _conditions(rng: np.random.Generator, latents: Latents) -> Fields:
    """Threshold one normal variable a condition at its prevalence."""
    flags: Fields = {}
    for name, (prevalence, severity, age, renal) in CONDITIONS.items():
        # Severity and age correlate, so their joint part is not a plain sum.
        shared = severity**2 + age**2 + renal**2 + 2 * severity * age * 0.25
        value = severity * latents.severity + age * latents.age + renal * latents.renal
        value += np.sqrt(1 - shared) * rng.standard_normal(latents.age.size)
        # The frail subgroup has none of them: the others have a little more.
        among_others = prevalence / (1 - FRAIL_SHARE)
        cut = _STANDARD_NORMAL.inv_cdf(1 - among_others)
        flags[name] = ((value > cut) & ~latents.is_frail).astype(np.int16)
    return flags


def _utilisation(rng: np.random.Generator, latents: Latents) -> Fields:
    """Admissions, days and visits of the trailing year, and the last admission."""
    count = latents.use.size
    frail = latents.is_frail
    admissions = np.searchsorted(normal_cuts(ADMISSION_SHARES), latents.use)
    admissions = np.where(frail, np.maximum(admissions, 1), admissions)
    length_of_stay = np.exp(1.15 + 0.2 * latents.severity)
    length_of_stay *= np.exp(0.55 * rng.standard_normal(count))
    days = np.maximum(np.floor(admissions * length_of_stay), admissions)
    days = np.where(frail, days + 7 + np.floor(8 * rng.random(count)), days)
    visits = np.exp(1.75 + 0.3 * latents.severity + 0.7 * rng.standard_normal(count))
    return {
        "total_admissions": admissions.astype(np.int32),
        "total_hospital_days": np.minimum(days, 365).astype(np.int32),
        "days_since_last_admission": _days_since(rng, admissions, frail),
        "total_outpatient_visits": np.minimum(visits, 150).astype(np.int32),
    }


def _days_since(
    rng: np.random.Generator,
    admissions: NDArray[np.int64],
    frail: NDArray[np.bool_],
) -> Floats:
    """Days since the last admission: the more of them, the more recent."""
    count = admissions.size
    spread = 1 / (1 + 0.35 * np.maximum(admissions - 1, 0))
    share_of_year = (1 - rng.random(count) ** spread) ** RECENCY_EXPONENT
    within_year = np.floor(365 * share_of_year)
    within_year = np.where(frail, np.floor(within_year / 4), within_year)
    before = np.floor(366 - 400 * np.log1p(-rng.random(count)))
    ever = rng.random(count) < EARLIER_ADMISSION_SHARE
    without = np.where(ever, np.minimum(before, 3_650), np.nan)
    return np.where(admissions > 0, within_year, without)


def _inpatient_cost(rng: np.random.Generator, people: Fields) -> Floats:
    """Price the stays: more days take a larger part of the annual cost."""
    days = people["total_hospital_days"].astype(np.float64)
    noise = 0.85 + 0.3 * rng.random(days.size)
    part = np.minimum(0.25 + 0.65 * days / (days + 6), 0.8) * noise
    spent = np.where(people["total_admissions"] > 0, part, 0.0)
    return _cents(people["annual_cost"].astype(np.float64) * spent)
