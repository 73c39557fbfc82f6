"""What was measured, as a Markdown table for the README."""

import math
from typing import Any

from benchmarks.run import SETUP, TESTS, TRAINING

_MIB = 1024**2
_GIB = 1024**3
_DAY = 86_400

Measured = dict[str, Any]


def totals(run: Measured) -> dict[str, float]:
    """Sum up a run: what every build of this size costs.

    `without tests` leaves out what happens once in the life of a warehouse: making
    it, reading the project for the first time, and training.
    """
    once = {*SETUP, *TRAINING, TESTS}
    steps = run["seconds"]
    without = sum(seconds for step, seconds in steps.items() if step not in once)
    return {"without tests": without, "with tests": without + steps[TESTS]}


def exponent(runs: list[Measured], total: str, less: float = 0.0) -> float | None:
    """Fit the power of n that seconds grow by: the slope of a line on log-log axes.

    Parameters
    ----------
    runs
        Those of at least two sizes are needed, else None.
    less
        Seconds to take off each: what does not depend on the data.
    """
    points = [
        (math.log(run["all_patients"]), math.log(seconds))
        for run in runs
        if (seconds := totals(run)[total] - less) > 0
    ]
    if len({x for x, _ in points}) < 2:
        return None
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def markdown(runs: list[Measured], warm: list[float]) -> str:
    """Write the table, a column per size, and what is to be said about it."""
    return "\n\n".join(
        [_where(runs), _table(runs), *_warm(warm), *_curve(runs), *_notes(runs)]
    )


def _where(runs: list[Measured]) -> str:
    about = runs[0]["machine"]
    return (
        f"Measured on {about['date']}, {about['cores']} cores, "
        f"{about['memory_gib']:g} GiB, {about['system']}; PostgreSQL "
        f"{about['postgresql']} (embedded), dbt {about['dbt']}, scikit-learn "
        f"{about['scikit-learn']}, Python {about['python']}."
    )


def _table(runs: list[Measured]) -> str:
    steps = list(dict.fromkeys(step for run in runs for step in run["seconds"]))
    every = [step for step in steps if step not in (*SETUP, *TRAINING, TESTS)]
    once = [step for step in (*SETUP, *TRAINING) if step in steps]
    rows = [
        _row("people (and the baseline's 3,000)", runs, lambda r: f"{r['patients']:,}"),
        "| --- |" + " ---: |" * len(runs),
        *(_row(f"{step}, s", runs, _seconds_of(step)) for step in every),
        _row("**all without tests, s**", runs, _total("without tests")),
        _row("tests, s", runs, _seconds_of(TESTS)),
        _row("**all with tests, s**", runs, _total("with tests")),
        _row("people a second, without tests", runs, _rate),
        *(_row(f"once: {step}, s", runs, _seconds_of(step)) for step in once),
        _row("our process at most, MiB", runs, _bytes("our_peak_bytes", _MIB, ",.0f")),
        _row("scored anew, all of the command, s", runs, _score),
        _row(
            "scored anew, MiB at most", runs, _bytes("score_peak_bytes", _MIB, ",.0f")
        ),
        _row("server at most, GiB", runs, _bytes("server_peak_bytes", _GIB, ".2f")),
        _row("database on disk, GiB", runs, _bytes("database_bytes", _GIB, ".2f")),
        _row("floor: copy the marts' bytes, s", runs, _floor_copy),
        _row("floor: score the matrix, s", runs, _floor_score),
        _row("all without tests, times the floor", runs, _times_floor),
        _row("row by row (extrapolated)", runs, _row_by_row),
        _row("row by row, times ours", runs, _times_row_by_row),
    ]
    return "\n".join(rows)


def _row(name: str, runs: list[Measured], cell: Any) -> str:
    return f"| {name} | " + " | ".join(cell(run) for run in runs) + " |"


def _seconds_of(step: str) -> Any:
    return lambda run: f"{run['seconds'][step]:,.1f}" if step in run["seconds"] else "-"


def _total(name: str) -> Any:
    return lambda run: f"**{totals(run)[name]:,.1f}**"


def _bytes(name: str, unit: int, form: str) -> Any:
    return lambda run: format(run[name] / unit, form) if run[name] else "-"


def _rate(run: Measured) -> str:
    return f"{run['all_patients'] / totals(run)['without tests']:,.0f}"


def _floor(run: Measured) -> float:
    return float(run["floor_copy_seconds"] + run["floor_score_seconds"])


def _floor_copy(run: Measured) -> str:
    size = run["floor_bytes"] / _MIB
    return f"{run['floor_copy_seconds']:,.2f} ({size:,.0f} MiB)"


def _floor_score(run: Measured) -> str:
    return f"{run['floor_score_seconds']:,.2f}"


def _score(run: Measured) -> str:
    return f"{run['score_seconds']:,.1f}"


def _times_floor(run: Measured) -> str:
    return f"{totals(run)['without tests'] / _floor(run):,.1f}"


def _row_by_row_seconds(run: Measured) -> float:
    return float(run["row_by_row_seconds_per_patient"] * run["all_patients"])


def _row_by_row(run: Measured) -> str:
    seconds = _row_by_row_seconds(run)
    if seconds < 120:
        return f"{seconds:,.0f} s"
    if seconds < _DAY:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / _DAY:,.1f} days"


def _times_row_by_row(run: Measured) -> str:
    return f"{_row_by_row_seconds(run) / totals(run)['without tests']:,.1f}"


def _warm(warm: list[float]) -> list[str]:
    if not warm:
        return []
    first, second = warm
    return [
        f"The whole of `riskmart build` on the baseline's 3,000, tests included: "
        f"{first:.1f} s in an empty folder, training included, and {second:.1f} s "
        "warm, without the unit tests, which these files have passed by then."
    ]


def _curve(runs: list[Measured]) -> list[str]:
    """Tell how the cost grows from the second size on; the first is dbt's own time."""
    if len(runs) < 3:
        return []
    smallest, *larger = sorted(runs, key=lambda run: int(run["patients"]))
    lines = []
    for total in ("without tests", "with tests"):
        plain = exponent(larger, total)
        net = exponent(larger, total, less=totals(smallest)[total])
        if plain is not None and net is not None:
            lines.append(
                f"Between {larger[0]['patients']:,} and {larger[-1]['patients']:,} "
                f"people the time {total} grows as n^{plain:.2f}; less the "
                f"{totals(smallest)[total]:.1f} s that {smallest['patients']:,} take, "
                f"nearly all of them dbt's own, as n^{net:.2f}."
            )
    return lines


def _notes(runs: list[Measured]) -> list[str]:
    measured = ", ".join(f"{run['row_by_row_measured']:,}" for run in runs)
    tests = max(run["tests"] for run in runs)
    return [
        f"Tests are all {tests} of dbt's, data and unit tests. Server memory is the "
        "private memory of its processes and the shared memory that the busiest has "
        "touched, sampled five times a second. The row-by-row way was measured on "
        f"{measured} people of each size and multiplied: insert the patient, fetch "
        "the features, `predict_proba` of one row three times, insert three "
        "predictions and projections, commit; no reasons, summaries or tests."
    ]
