"""What the peers took, as Markdown tables, and whether the goals are met."""

from dataclasses import dataclass
from typing import Any

Run = dict[str, Any]

_GIB = 1024**3
_OURS = "riskmart-postgres"

NAMES = {
    _OURS: "riskmart on PostgreSQL",
    "riskmart-duckdb": "riskmart on DuckDB",
    "pandas": "pandas + SQLAlchemy `to_sql`",
    "pandas-copy": "pandas + `to_sql` by COPY",
    "rows": "row by row, as first drawn",
    "polars": "Polars, in memory",
    "duckdb-sql": "hand-written DuckDB SQL",
}
# Whose bytes a floor writes anew.
FLOORS = {
    _OURS: "floor of riskmart on PostgreSQL",
    "riskmart-duckdb": "floor of riskmart on DuckDB",
    "pandas-copy": "floor of the peers' tables, PostgreSQL",
    "duckdb-sql": "floor of the peers' tables, DuckDB",
}


@dataclass(frozen=True)
class Goal:
    """That one way takes at most so many times another's seconds, at a million.

    ``of_floor`` holds it against the other's floor.
    """

    way: str
    other: str
    at_most: float
    of_floor: bool = False


GOAL_PATIENTS = 1_000_000
GOALS = (
    Goal(_OURS, _OURS, 2.0, of_floor=True),
    Goal(_OURS, "pandas", 1 / 5),
    Goal("riskmart-duckdb", "duckdb-sql", 1.5),
)


def markdown(results: dict[str, Any]) -> str:
    """Write seconds and their ratios, memory, the goals, and how it was measured."""
    runs = results["runs"]
    sizes = sorted({run["patients"] for run in runs})
    return "\n\n".join(
        [
            _where(results["machine"], runs),
            _table("seconds (times riskmart on PostgreSQL)", _seconds(runs), sizes),
            _table("memory at most, GiB: client + server", _memory(runs), sizes),
            "\n".join(f"- {judge(goal, runs)}" for goal in GOALS),
            *_notes(runs),
        ]
    )


def _where(about: dict[str, Any], runs: list[Run]) -> str:
    versions = ", ".join(
        f"{name} {about[key]}"
        for name, key in {
            "PostgreSQL": "postgresql",
            "dbt": "dbt",
            "DuckDB": "duckdb",
            "Polars": "polars",
            "pandas": "pandas",
            "SQLAlchemy": "SQLAlchemy",
        }.items()
    )
    days = sorted({run["date"] for run in runs})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return (
        f"Measured {when}, {about['cores']} cores, {about['memory_gib']:g} GiB, "
        f"{about['system']}; {versions}, Python {about['python']}."
    )


Cells = dict[str, dict[int, str]]


def _table(title: str, cells: Cells, sizes: list[int]) -> str:
    lines = [
        f"| {title} | " + " | ".join(f"{size:,}" for size in sizes) + " |",
        "| --- |" + " ---: |" * len(sizes),
    ]
    for name, by_size in cells.items():
        if by_size:
            shown = " | ".join(by_size.get(size, "-") for size in sizes)
            lines.append(f"| {name} | {shown} |")
    return "\n".join(lines)


def _seconds(runs: list[Run]) -> Cells:
    ours = {r["patients"]: r["seconds"] for r in runs if r["peer"] == _OURS}
    cells: Cells = {name: {} for name in (*NAMES.values(), *FLOORS.values())}
    tested = f"{NAMES[_OURS]}, with every test, published"
    cells = {NAMES[_OURS]: {}, tested: {}, **cells}
    for run in runs:
        size, unit = run["patients"], ours.get(run["patients"])
        mark = " *" if is_extrapolated(run) else ""
        shown = _with_ratio(run["seconds"], unit)
        cells[NAMES[run["peer"]]][size] = f"{shown}{mark}"
        if "seconds_with_tests" in run and run["peer"] == _OURS:
            cells[tested][size] = _with_ratio(run["seconds_with_tests"], unit)
        if "floor_seconds" in run:
            name = FLOORS[run["peer"]]
            cells[name][size] = _with_ratio(run["floor_seconds"], unit)
    return cells


def _with_ratio(seconds: float, unit: float | None) -> str:
    shown = f"{seconds:,.1f}" if seconds < 1000 else f"{seconds:,.0f}"
    return f"{shown} ({seconds / unit:,.2f})" if unit else shown


def is_extrapolated(run: Run) -> bool:
    """Whether fewer people were measured than it is told of."""
    return bool(run.get("measured_patients", run["patients"]) < run["patients"])


def _memory(runs: list[Run]) -> Cells:
    cells: Cells = {name: {} for name in NAMES.values()}
    for run in runs:
        if is_extrapolated(run):
            continue
        shown = f"{run['client_bytes'] / _GIB:.2f}"
        if run["server_bytes"]:
            shown += f" + {run['server_bytes'] / _GIB:.2f}"
        cells[NAMES[run["peer"]]][run["patients"]] = shown
    return cells


def judge(goal: Goal, runs: list[Run]) -> str:
    """Say whether a goal is met, missed by how much, or not measured."""
    here = {r["peer"]: r for r in runs if r["patients"] == GOAL_PATIENTS}
    other = FLOORS[goal.other] if goal.of_floor else NAMES[goal.other]
    head = f"{NAMES[goal.way]} at most {goal.at_most:g} times {other}, at "
    if goal.at_most < 1:
        times = f"{1 / goal.at_most:g} times as fast as"
        head = f"{NAMES[goal.way]} at least {times} {other}, at "
    head += f"{GOAL_PATIENTS:,}:"
    if goal.way not in here or goal.other not in here:
        return f"{head} not measured"
    figure = "floor_seconds" if goal.of_floor else "seconds"
    ratio = here[goal.way]["seconds"] / here[goal.other][figure]
    shown = f"{1 / ratio:.2g}" if goal.at_most < 1 else f"{ratio:.2f}"
    if ratio <= goal.at_most:
        return f"{head} met, {shown}"
    return f"{head} missed, {shown}: {ratio / goal.at_most:.1f} times too slow"


def _notes(runs: list[Run]) -> list[str]:
    notes = [
        "All end with the same: projections of every person and window, the target "
        "list and five summaries, each figure within 1e-9 (of 1, or of itself where "
        "it is larger), or the run fails. Each starts with the cohort's Parquet file; "
        "seconds are from the start of Python, with its imports, and the median of "
        "three where that is under a minute. riskmart is `load cohort` and `build` "
        "without tests, with all else that it makes: checks of the file, reasons, "
        "uncertainty, budgets, the holdout, the ledger, keys; and the baseline's "
        "3,000 beside the cohort. The peers make the features, predictions, "
        "projections, target list and summaries, without keys; Polars keeps nothing. "
        "Memory is each process at its highest; the server's as in the table of the "
        "pipeline."
    ]
    counts = sorted({r["measured_patients"] for r in runs if is_extrapolated(r)})
    if counts:
        shown = ", ".join(f"{count:,}" for count in counts)
        notes.append(
            f"\\* measured on {shown} people and multiplied. One insert a row, one "
            "commit a patient."
        )
    return notes
