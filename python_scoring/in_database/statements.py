"""The statements that score: as large for a million people as for one."""

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np

from python_scoring import ledger, reasons
from python_scoring.drift import Binning
from python_scoring.in_database import hashing
from python_scoring.in_database.dialect import Dialect
from python_scoring.in_database.terms import contribution, literal
from python_scoring.readmission import features
from python_scoring.readmission.additive import AdditiveHazards

NAMES = features.FEATURE_NAMES

_RANKS = range(1, ledger.REASONS + 1)
# As `scores` gives them.
LEDGER_COLUMNS = ", ".join(
    [
        "batch_id, patient_id, window_days, features_hash, score",
        *(
            f"reason_{rank}_feature_id, reason_{rank}_contribution, reason_{rank}_value"
            for rank in _RANKS
        ),
    ]
)


def people(dialect: Dialect, source: str, latest: str, *, rescore: bool) -> str:
    """Write the query of all current people, their features and who is unscored.

    Columns patient_id, load_id, features_hash, is_unscored and the features as
    doubles, null where missing.

    Parameters
    ----------
    source
        Where the features are, a row per person and load.
    latest
        The query of each person's newest row, as `ledger.latest` writes it.
    """
    columns = ", ".join(f"{_double(f)} as {f.name}" for f in features.FEATURES)
    named = ", ".join(f"patients.{name}" for name in NAMES)
    is_new = (
        "coalesce(latest.is_in_force, 0) = 0"
        " or latest.features_hash <> hashed.features_hash"
    )
    parts = {
        "patients": f"""
            select patients.patient_id, patients.load_id, {columns}
            from {source} as patients
            where patients.is_current and patients.purpose = 'cohort'""",
        "latest": latest,
        **hashing.steps(dialect, "patients", NAMES),
    }
    return _chain(
        dialect,
        parts,
        f"""
        select
            cast(patients.patient_id as bigint) as patient_id,
            cast(patients.load_id as bigint) as load_id,
            hashed.features_hash,
            {"true" if rescore else is_new} as is_unscored,
            {named}
        from patients
        inner join hashed on patients.patient_id = hashed.patient_id
        left join latest on patients.patient_id = latest.patient_id""",
    )


def _double(feature: features.Feature) -> str:
    value = f"cast(patients.{feature.name} as double precision)"
    # NaN is missing too, as it is to Python.
    return f"nullif({value}, 'NaN'::float8)" if feature.is_nullable else value


def unfit(source: str) -> str:
    """Write the query of the first person with a feature that no model takes.

    Columns patient_id and the 27 features.
    """
    faults = " or ".join(
        f"{f.name} in ('infinity'::float8, '-infinity'::float8)"
        if f.is_nullable
        else f"{f.name} is null or {f.name}"
        " in ('infinity'::float8, '-infinity'::float8, 'NaN'::float8)"
        for f in features.FEATURES
    )
    return (
        f"select patient_id, {', '.join(NAMES)} from {source} where {faults}"
        " order by patient_id limit 1"
    )


def scores(
    dialect: Dialect,
    hazards: AdditiveHazards,
    window_days: Sequence[int],
    source: str,
    batch_id: int,
) -> str:
    """Write the query of the rows that the ledger gets, in its columns' names.

    Risk as `horizons.cumulative_risk`, reasons as `reasons` has them.

    Parameters
    ----------
    source
        A relation as of `people`.
    """
    hazard_count = len(hazards.reference_eta)
    parts = {
        "unscored": f"select * from {source} where is_unscored",
        "contributed": _contributed(hazards),
        "summed": _summed(hazards),
        "risks": _risks(hazard_count),
        "weighed": _weighed(dialect, hazards),
        "by_window": _by_window(window_days),
        "attributed": _attributed(hazard_count),
        **_ranked(),
    }
    columns = ", ".join(
        f"cast(feature_{rank} as smallint) as reason_{rank}_feature_id,"
        f" {_pick(f'feature_{rank}', 'phi')} as reason_{rank}_contribution,"
        f" coalesce({_pick(f'feature_{rank}', 'x')}, 'NaN'::float8)"
        f" as reason_{rank}_value"
        for rank in _RANKS
    )
    return _chain(
        dialect,
        parts,
        f"""
        select cast({int(batch_id)} as bigint) as batch_id, patient_id,
            cast(window_days as smallint) as window_days, features_hash, score,
            {columns}
        from rank_{ledger.REASONS}""",
    )


def kept_features(source: str, batch_id: int) -> str:
    """Write the query of what was scored, as `raw.scored_features` keeps it."""
    columns = ", ".join(
        f"coalesce({f.name}, 'NaN'::float8) as {f.name}" if f.is_nullable else f.name
        for f in features.FEATURES
    )
    return (
        f"select cast({int(batch_id)} as bigint) as batch_id, patient_id, {columns}"
        f" from {source} where is_unscored"
    )


def counts(
    binnings: Mapping[str, Binning],
    window_days: Sequence[int],
    source: str,
    newest: str,
) -> str:
    """Write the query of how many people are in each bin, a row per load.

    Columns load_id and, in order of the binnings, one for each of their bins.

    Parameters
    ----------
    newest
        The query of each person's newest scores, as `ledger.newest_scores` writes it.
    """
    windows = ", ".join(
        f"max(newest.score) filter (where newest.window_days = {int(days)})"
        f" as score_{int(days)}"
        for days in window_days
    )
    bins = ", ".join(
        f"count(*) filter (where {condition})"
        for name, binning in binnings.items()
        for condition in binning.conditions(name)
    )
    return f"""
        with newest as ({newest}),
        risks as (select patient_id, {windows} from newest group by patient_id)
        select load_id, {bins}
        from {source} as people
        inner join risks on people.patient_id = risks.patient_id
        group by load_id"""


def _chain(dialect: Dialect, parts: Mapping[str, str], final: str) -> str:
    """Put steps one after the other, each computed once a row and kept nowhere."""
    steps = ",\n".join(
        f"{name} as not materialized ({query} {dialect.fence})"
        for name, query in parts.items()
    )
    return f"with {steps}\n{final}"


def _contributed(hazards: AdditiveHazards) -> str:
    columns = ", ".join(
        f"{contribution(term, hazard, feature.name, feature.is_nullable)}"
        f" as c{feature.feature_id}_{hazard + 1}"
        for feature, term in zip(features.FEATURES, hazards.terms, strict=True)
        for hazard in range(len(hazards.reference_eta))
    )
    values = ", ".join(f"{f.name} as x{f.feature_id}" for f in features.FEATURES)
    return f"select patient_id, features_hash, {values}, {columns} from unscored"


def _summed(hazards: AdditiveHazards) -> str:
    sums = ", ".join(
        f"{literal(eta)}"
        + "".join(f" + c{f.feature_id}_{hazard}" for f in features.FEATURES)
        + f" as eta_{hazard}"
        for hazard, eta in enumerate(hazards.reference_eta, start=1)
    )
    return f"select *, {sums} from contributed"


def _risks(hazard_count: int) -> str:
    """Write p_w = p_(w-1) + (1 - p_(w-1)) h_w out."""
    columns, risk = [], ""
    for hazard in range(1, hazard_count + 1):
        chance = f"1.0::float8 / (1.0::float8 + exp(-eta_{hazard}))"
        risk = (
            f"({chance} * (1.0::float8 - {risk}) + {risk})" if risk else f"({chance})"
        )
        columns.append(f"{risk} as risk_{hazard}")
    return f"select *, {', '.join(columns)} from summed"


def _weighed(dialect: Dialect, hazards: AdditiveHazards) -> str:
    """Integrate h_k / p_w along the path, as `reasons.path_weights` does.

    With u = exp(eta), P_w = prod (1 + u_j) and Q_w = Q_(w-1) + u_w P_(w-1), the
    integrand is u_k prod (1 + u_j) over j <= w but k, over Q_w.
    """
    count = len(hazards.reference_eta)
    if count == 1:
        return "select * from risks"
    numbers = range(1, count + 1)
    steps = [
        f"(eta_{k} - {literal(eta)})"
        for k, eta in zip(numbers, hazards.reference_eta, strict=True)
    ]
    longest = f"greatest({', '.join(f'abs({step})' for step in steps)})"
    pieces = f"greatest(1, ceil({longest} / {literal(reasons.LONGEST_PIECE)}))"
    exponents = ", ".join(
        f"exp({literal(eta)} + {step} * (number + node) / pieces) as u_{k}"
        for k, eta, step in zip(numbers, hazards.reference_eta, steps, strict=True)
    )
    odds = ["u_1"]
    for w in numbers[1:]:
        before = "".join(f" * (1.0::float8 + u_{j})" for j in range(1, w))
        odds.append(f"{odds[-1]} + u_{w}{before}")
    integrands = ", ".join(
        f"weight * u_{k}"
        + "".join(f" * (1.0::float8 + u_{j})" for j in range(1, w + 1) if j != k)
        + f" / ({odds[w - 1]}) as part_{w}_{k}"
        for w in numbers[1:]
        for k in range(1, w + 1)
    )
    sums = ", ".join(
        f"sum(part_{w}_{k}) / max(pieces) as weight_{w}_{k}"
        for w in numbers[1:]
        for k in range(1, w + 1)
    )
    return f"""
        select * from (select *, {pieces} as pieces from risks {dialect.fence}) as paths
        cross join lateral (
            select {sums} from (
                select paths.pieces, {integrands} from (
                    select weight, {exponents}
                    from {_pieces(hazards)} cross join {_nodes()}
                    where number < paths.pieces {dialect.fence}
                ) as points {dialect.fence}
            ) as integrands
        ) as weights"""


def _nodes() -> str:
    pairs = zip(reasons.NODES, reasons.WEIGHTS, strict=True)
    rows = ", ".join(f"({literal(node)}, {literal(weight)})" for node, weight in pairs)
    return f"(values {rows}) as nodes (node, weight)"


def _pieces(hazards: AdditiveHazards) -> str:
    """As many pieces as the longest path that the model can give is cut into."""
    longest = np.max(sum(term.bound() for term in hazards.terms))
    most = max(1, ceil(float(longest) / reasons.LONGEST_PIECE))
    rows = ", ".join(f"({literal(number)})" for number in range(most))
    return f"(values {rows}) as pieces_of_paths (number)"


def _by_window(window_days: Sequence[int]) -> str:
    """Write a row per person and window, with the weight of each hazard in it."""
    numbers = range(1, len(window_days) + 1)
    rows = ", ".join(
        f"({w}, {int(d)})" for w, d in zip(numbers, window_days, strict=True)
    )
    risk = " ".join(f"when {w} then risk_{w}" for w in numbers)
    weights = ["case windows.number when 1 then 1.0::float8" + _weights(1, numbers)]
    weights += [f"case windows.number{_weights(k, numbers)}" for k in numbers[1:]]
    columns = ", ".join(
        f"{weight} else 0.0::float8 end as weight_{k}"
        for k, weight in zip(numbers, weights, strict=True)
    )
    contributions = ", ".join(
        f"x{f.feature_id}, " + ", ".join(f"c{f.feature_id}_{k}" for k in numbers)
        for f in features.FEATURES
    )
    return f"""
        select patient_id, features_hash, windows.window_days,
            case windows.number {risk} end as score, {columns}, {contributions}
        from weighed cross join (values {rows}) as windows (number, window_days)"""


def _weights(hazard: int, numbers: Sequence[int]) -> str:
    windows = [w for w in numbers if w > 1 and w >= hazard]
    return "".join(f" when {w} then weight_{w}_{hazard}" for w in windows)


def _attributed(hazard_count: int) -> str:
    numbers = range(1, hazard_count + 1)
    phi = ", ".join(
        " + ".join(f"c{f.feature_id}_{k} * weight_{k}" for k in numbers)
        + f" as phi{f.feature_id}, x{f.feature_id}"
        for f in features.FEATURES
    )
    return f"select patient_id, features_hash, window_days, score, {phi} from by_window"


def _ranked() -> dict[str, str]:
    """Find the weightiest feature, then the weightiest of the rest, and so on."""
    ids = [f.feature_id for f in features.FEATURES]
    made, before, found = {}, "attributed", ""
    for rank in _RANKS:
        left = {i: f"abs(phi{i})" for i in ids}
        if found:
            left = {
                i: f"case when {i} in ({found}) then null else {size} end"
                for i, size in left.items()
            }
        made[f"most_{rank}"] = (
            f"select *, greatest({', '.join(left.values())}) as most_{rank}"
            f" from {before}"
        )
        # The lowest id of equals; none that has been taken.
        firsts = " ".join(
            f"when abs(phi{i}) = most_{rank}"
            + (f" and {i} not in ({found})" if found else "")
            + f" then {i}"
            for i in ids
        )
        made[f"rank_{rank}"] = (
            f"select *, case {firsts} end as feature_{rank} from most_{rank}"
        )
        before = f"rank_{rank}"
        found = ", ".join(f"feature_{r}" for r in range(1, rank + 1))
    return made


def _pick(number: str, prefix: str) -> str:
    whens = " ".join(
        f"when {f.feature_id} then {prefix}{f.feature_id}" for f in features.FEATURES
    )
    return f"case {number} {whens} end"
