"""The work that every peer does, what it goes by, and what it has to end with.

Load a cohort file, derive the 27 features, score three windows by the model in
force, put people in tiers and departments, project the return, and sum up. The
rules are the project's own seeds; a peer has them as a competent person would have
them in a script: as arrays, read from the same files.
"""

import csv
import operator
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from python_scoring import config, project_vars, warehouse
from python_scoring.readmission.additive import AdditiveHazards
from python_scoring.readmission.features import FEATURE_NAMES, FEATURES
from python_scoring.readmission.horizons import HORIZON_DAYS, cumulative_risk
from python_scoring.warehouse import Connection

Floats = NDArray[np.float64]

CONDITIONS = tuple(f.name for f in FEATURES if f.group == "conditions")
BASE_FIELDS = tuple(f.name for f in FEATURES if f.is_base_field)

# In a file, of `days_since_last_admission`: none on record, as an empty cell is.
NONE_ON_RECORD = 999

# As the scorer: what is worked on at once stays in the processor's cache.
_TILE_ROWS = 8192

_OPERATORS: dict[str, Callable[[Any, float], Any]] = {
    "=": operator.eq,
    "<>": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}

# What a run has to end with, by key and value. People are numbered from 1 in the
# order of the file; a feature is its id; a category is its line in the seed.
KEYS: dict[str, tuple[str, ...]] = {
    "projections": ("patient_id", "window_days"),
    "positive_roi_patients": ("patient_id", "window_days"),
    "org_tier_summary": ("window_days", "risk_tier"),
    "dept_risk_distribution": ("window_days", "department_id", "risk_tier"),
    "roi_aggregations": ("window_days",),
    "roi_by_department": ("window_days", "department_id"),
    "cohort_comparison": ("feature_id",),
}
_RETURNS = (
    *("average_roi_percent", "positive_roi_count", "excellent_roi_count"),
    *("total_intervention_cost", "total_expected_savings", "total_net_benefit"),
)
VALUES: dict[str, tuple[str, ...]] = {
    "projections": (
        *("risk_score", "risk_tier", "department_id", "window_cost"),
        *("addressable_cost", "success_rate", "expected_savings"),
        *("intervention_cost", "net_benefit", "roi_percent", "category"),
    ),
    "positive_roi_patients": (
        *("department_id", "risk_score", "risk_tier", "expected_savings"),
        *("intervention_cost", "net_benefit", "roi_percent", "category"),
    ),
    "org_tier_summary": ("patient_count", "patient_percent"),
    "dept_risk_distribution": (
        *("patient_count", "organization_percent", "department_percent"),
        "average_risk_score",
    ),
    "roi_aggregations": ("patient_count", *_RETURNS),
    "roi_by_department": ("patient_count", *_RETURNS),
    "cohort_comparison": (
        *("patient_count", "missing_share", "mean", "standard_deviation"),
        *("first_quartile", "median", "third_quartile"),
    ),
}
SUMMARIES = tuple(KEYS)[2:]


@dataclass(frozen=True)
class Rules:
    """The seeds, as arrays.

    Parameters
    ----------
    tier_bounds
        (t - 1,) lower bounds of the tiers above the first.
    costs, success_rates
        (t, w) USD and share, by tier and window.
    categories
        Names of the ROI categories, the best first.
    category_bounds
        (c - 1,) percent above which a category begins, the best first.
    routing
        Conditions and department_id, in order; the last has none.
    addressable_share
        Of what a window costs.
    """

    tier_bounds: Floats
    costs: Floats
    success_rates: Floats
    categories: tuple[str, ...]
    category_bounds: Floats
    routing: tuple[tuple[tuple[tuple[str, str, float], ...], int], ...]
    addressable_share: float

    @property
    def tiers(self) -> int:
        """How many tiers there are."""
        return len(self.costs)

    @property
    def departments(self) -> list[int]:
        """Ids of all departments, ascending."""
        return sorted({department for _, department in self.routing})

    @property
    def excellent(self) -> int:
        """Place of the category EXCELLENT."""
        return self.categories.index("EXCELLENT")


@cache
def read_rules() -> Rules:
    """Read the rules from the seeds."""
    tiers = sorted(_seed("risk_tiers"), key=lambda row: int(row["risk_tier"]))
    categories = sorted(
        _seed("roi_categories"),
        key=lambda row: -float(row["above_percent"] or "-inf"),
    )
    return Rules(
        np.array([float(row["lower_bound"]) for row in tiers[1:]]),
        _by_tier_and_window("intervention_costs", "intervention_cost_usd", len(tiers)),
        _by_tier_and_window("success_rates", "success_rate", len(tiers)),
        tuple(row["roi_category"] for row in categories),
        np.array([float(row["above_percent"]) for row in categories[:-1]]),
        _routing(),
        project_vars.share("addressable_share"),
    )


def _seed(name: str) -> list[dict[str, str]]:
    file = config.PROJECT_DIR / "seeds" / "rules" / f"{name}.csv"
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _by_tier_and_window(seed: str, column: str, tiers: int) -> Floats:
    windows = {row["prediction_window"]: int(row["window_days"]) for row in _windows()}
    values = np.full((tiers, len(HORIZON_DAYS)), np.nan)
    for row in _seed(seed):
        place = HORIZON_DAYS.index(windows[row["prediction_window"]])
        values[int(row["risk_tier"]) - 1, place] = float(row[column])
    return values


def _windows() -> list[dict[str, str]]:
    return _seed("prediction_windows")


def _routing() -> tuple[tuple[tuple[tuple[str, str, float], ...], int], ...]:
    ids = {d["department_code"]: int(d["department_id"]) for d in _seed("departments")}
    rules: dict[int, tuple[list[tuple[str, str, float]], int]] = {}
    for row in _seed("department_rules"):
        order = int(row["rule_order"])
        conditions, _ = rules.setdefault(order, ([], ids[row["department_code"]]))
        if row["feature_name"]:
            threshold = float(row["threshold"])
            conditions.append((row["feature_name"], row["operator"], threshold))
    return tuple((tuple(rules[o][0]), rules[o][1]) for o in sorted(rules))


def departments(columns: Mapping[str, Any], rules: Rules) -> NDArray[np.int16]:
    """Route people by the first rule that they meet; (n,) department ids."""
    *special, (_, rest) = rules.routing
    met = [
        np.logical_and.reduce(
            [_OPERATORS[how](np.asarray(columns[f]), x) for f, how, x in conditions]
        )
        for conditions, _ in special
    ]
    chosen = np.select(met, [department for _, department in special], rest)
    return chosen.astype(np.int16)


def department(person: Mapping[str, Any], rules: Rules) -> int:
    """Route one person."""
    return next(
        department
        for conditions, department in rules.routing
        if all(_OPERATORS[how](person[f], x) for f, how, x in conditions)
    )


def department_case(rules: Rules) -> str:
    """Write the routing as SQL."""
    *special, (_, rest) = rules.routing
    branches = "\n".join(
        f"when {' and '.join(f'{f} {how} {x:g}' for f, how, x in conditions)}"
        f" then {department}"
        for conditions, department in special
    )
    return f"case\n{branches}\nelse {rest} end"


def save_model(hazards: AdditiveHazards, file: Path) -> None:
    """Keep the model in force for the peers."""
    joblib.dump(hazards, file)


def open_model(file: Path) -> AdditiveHazards:
    """Open what `save_model` kept."""
    hazards: AdditiveHazards = joblib.load(file)
    return hazards


def matrix(columns: Mapping[str, Any]) -> Floats:
    """Arrange features as the model's matrix: (n, 27), a column after the other."""
    count = len(columns[FEATURE_NAMES[0]])
    x = np.empty((count, len(FEATURE_NAMES)), order="F")
    for place, name in enumerate(FEATURE_NAMES):
        x[:, place] = columns[name]
    return x


def risk(hazards: AdditiveHazards, x: Floats) -> Floats:
    """Score a matrix (n, 27) the fastest way there is; (n, w) probabilities."""
    risks = np.empty((len(x), len(HORIZON_DAYS)))
    for start in range(0, len(x), _TILE_ROWS):
        tile = slice(start, start + _TILE_ROWS)
        risks[tile] = cumulative_risk(hazards.eta(x[tile]))
    return risks


class Answer:
    """A folder where a peer leaves what it ended with, to be compared.

    Writing it is never timed. Rows are sorted by key.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def file(self, name: str) -> Path:
        """Give the place of one table."""
        return self.folder / f"{name}.parquet"

    def write(self, name: str, chunks: Iterable[Mapping[str, Any]]) -> None:
        """Write a table in chunks of columns, each sorted as the whole is."""
        columns = (*KEYS[name], *VALUES[name])
        schema = pa.schema([(column, pa.float64()) for column in columns])
        with pq.ParquetWriter(self.file(name), schema) as writer:
            for chunk in chunks:
                arrays = [np.asarray(chunk[c], dtype=np.float64) for c in columns]
                writer.write_table(pa.table(arrays, schema=schema))

    def read(self, name: str, rows: int) -> Iterator[pa.RecordBatch]:
        """Read a table in chunks of so many rows."""
        with pq.ParquetFile(self.file(name)) as file:
            yield from file.iter_batches(batch_size=rows)


def risk_seconds(conn: Connection, table: str, model: Path) -> float:
    """Score everybody of a table of PostgreSQL once, from arrays; seconds."""
    hazards = open_model(model)
    listed = ", ".join(
        f"coalesce(cast({name} as float8), 'NaN'::float8) as {name}"
        for name in FEATURE_NAMES
    )
    fields = np.dtype([(name, "f8") for name in FEATURE_NAMES])
    seconds = 0.0
    for rows in warehouse.copy_out(conn, f"select {listed} from {table}", fields):
        x = matrix({name: rows[name] for name in FEATURE_NAMES})
        began = time.perf_counter()
        risk(hazards, x)
        seconds += time.perf_counter() - began
    return seconds
