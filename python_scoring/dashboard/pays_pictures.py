"""Pictures of the page that asks whether it pays; pure functions, as in `pictures`."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from python_scoring.dashboard import pays_charts, tables
from python_scoring.dashboard.pictures import (
    PROJECTED,
    Picture,
    window_name,
    with_windows,
)

_STRATEGIES = {
    "best": "best",
    "risk_blind": "risk-blind",
    "highest_tier_first": "highest tier first",
    "random": "random",
}
_POPULATIONS = {"everybody": "everybody", "target_list": "target list"}

STATUSES = {
    "no_enrolments": "Nobody is enrolled in a programme",
    "nobody_eligible": "Nobody was on a target list since the programme began",
    "no_outcomes_yet": "No cohort since the programme began has known outcomes",
    "one_arm_only": "There are no controls, or nobody else",
}
FINDINGS = {
    "fewer_readmissions": "Fewer readmissions",
    "more_readmissions": "More readmissions",
    "no_effect_shown": "No effect shown, which is not the same as no effect",
}


def scenarios(found: pd.DataFrame) -> Picture:
    """Draw the net benefit of each scenario, from `pays.scenarios`."""
    frame = with_windows(found).assign(label=found["total_net_benefit"].map(_rounded))
    columns = {
        "window": tables.text("window"),
        "scenario": tables.text("scenario"),
        "patient_count": tables.count("people"),
        "total_intervention_cost": tables.money("cost"),
        "total_expected_savings": tables.money("savings"),
        "total_net_benefit": tables.money("net benefit"),
        "roi_percent": tables.percent("ROI"),
        "verdict": tables.text("verdict"),
    }
    return Picture(
        "Net benefit by scenario, everybody offered it",
        pays_charts.scenarios(frame),
        frame,
        columns,
        PROJECTED
        + " The scenarios are assumptions too: seeds/rules/roi_scenarios.csv.",
    )


def _rounded(dollars: float) -> str:
    """Write dollars to three figures at most, to stand above a narrow bar."""
    return tables.short_dollars(float(f"{dollars:.3g}")).replace(".0", "")


def verdicts(found: pd.DataFrame) -> list[str]:
    """Say for each window whether it pays."""
    said = []
    for _, row in found[found["scenario"] == "conservative"].iterrows():
        net = tables.dollars(row["total_net_benefit"])
        worst = f"; {net} net if conservative" if row["patient_count"] else ""
        said.append(f"{window_name(row['prediction_window'])}: {row['verdict']}{worst}")
    return said


def certainty(found: pd.DataFrame) -> Picture:
    """Draw how far the net benefit may lie from its median, from `pays.certainty`."""
    counts = ("likely_count", "sure_count", "surest_count")
    shares = {
        name.replace("_count", "_share"): found[name] / found["patient_count"]
        for name in counts
    }
    frame = with_windows(found).assign(**shares)
    columns = {
        "window": tables.text("window"),
        "patient_count": tables.count("people"),
        "likely_share": tables.share("above 50 % likely to pay"),
        "sure_share": tables.share("above 80 %"),
        "surest_share": tables.share("above 95 %"),
        "net_benefit_p05": tables.money("net benefit, 5th percentile"),
        "net_benefit_p50": tables.money("median"),
        "net_benefit_p95": tables.money("95th percentile"),
    }
    return Picture(
        "How sure the return is, everybody offered it",
        pays_charts.certainty(frame),
        frame,
        columns,
        "From the 5th to the 95th percentile, with the median. Of the assumptions that "
        "the scenarios allow, so many in 100 let a person pay. They are the same for "
        "everybody: calling more people does not average the doubt away. That the "
        "programme works at all is taken for granted.",
    )


def frontier(found: pd.DataFrame) -> Picture:
    """Draw what budgets bring, from `pays.frontier`."""
    nobody = no_frontier(found)
    frame = found.assign(
        strategy=found["targeting_strategy"].map(_STRATEGIES),
        total_net_benefit=found["total_net_benefit"].astype(float),
    )
    wide = frame.pivot(index="budget_step", columns="strategy").sort_index()
    table = pd.DataFrame(
        {
            "budget": wide["budget"]["best"],
            "people": wide["patient_count"]["best"],
            **{name: wide["total_net_benefit"][name] for name in _STRATEGIES.values()},
        }
    )
    columns = {
        "budget": tables.money("budget"),
        **{name: tables.money(f"net, {name}") for name in _STRATEGIES.values()},
        "people": tables.count("people called, best"),
    }
    title = "Net benefit by budget and by who is called first"
    if nobody:
        return Picture(title, None, table.head(1), columns, nobody)
    return Picture(
        title,
        pays_charts.frontier(frame),
        table,
        columns,
        PROJECTED + " Best: one window a patient, the most net benefit per dollar. "
        "Risk-blind: the highest cost of care first. The others call in one window. "
        "Controls are left alone by all.",
    )


def no_frontier(found: pd.DataFrame) -> str | None:
    """Say that nobody pays, in the mart's words; None where somebody does."""
    said = str(found["verdict"].iloc[0])
    return f"N{said[1:]}: no budget pays." if said.startswith("none") else None


def effects(found: pd.DataFrame, window: str) -> Picture:
    """Draw measured effects beside what misleads, from `pays.results`."""
    measured = found[found["status"] == "measured"]
    rows = [one for _, row in measured.iterrows() for one in _effects_of(row)]
    if len(measured) == 1:
        # Short labels leave a small screen room for what they label.
        rows = [(label.partition(": ")[2], *rest) for label, *rest in rows]
    drawn = pd.DataFrame(rows, columns=["label", *_EFFECT])
    # Of a programme without an enrolment among known outcomes, some are unknown.
    drawn = drawn.dropna(subset=["value"])
    table = found.assign(
        said=[_said(row) for _, row in found.iterrows()],
        interval=[_interval(row) for _, row in found.iterrows()],
        treatment=[_rate(row, "treatment") for _, row in found.iterrows()],
        control=[_rate(row, "control") for _, row in found.iterrows()],
        **{name: 100 * found[name].astype(float) for name in _CHANGES},
    )
    columns = {
        "programme_code": tables.text("programme"),
        "said": tables.text("finding"),
        "interval": tables.text("measured effect, points (95 % interval)"),
        "treatment": tables.text("readmitted of people to call"),
        "control": tables.text("of controls"),
        "before_after_change": _points("before/after, enrolled"),
        "control_change": _points("before/after, controls"),
        "projected_roi_percent": tables.percent("ROI, projected", 0),
        "measured_roi_percent": tables.percent("ROI, measured", 0),
    }
    return Picture(
        f"Measured effect on readmissions, {window_name(window)}",
        pays_charts.effects(drawn) if len(drawn) else None,
        table,
        columns,
        _caution(measured),
    )


_EFFECT = ("value", "lower", "upper", "is_measured")
_CHANGES = ("before_after_change", "control_change")


def _effects_of(row: "pd.Series[Any]") -> list[tuple[Any, ...]]:
    """Three figures of one programme, the measured one first; percentage points."""
    code = row["programme_code"]
    nothing = float("nan")
    shown = [
        ("measured effect", "effect", "effect_lower", "effect_upper"),
        ("before/after, enrolled", "before_after_change", None, None),
        ("before/after, controls", "control_change", None, None),
    ]
    return [
        (
            f"{code}: {label}",
            *(
                100 * float(row[name])
                if name and not tables.is_nothing(row[name])
                else nothing
                for name in names
            ),
            names[0] == "effect",
        )
        for label, *names in shown
    ]


def _rate(row: "pd.Series[Any]", arm: str) -> str:
    if tables.is_nothing(row[f"{arm}_rate"]):
        return tables.NOTHING
    return f"{100 * float(row[f'{arm}_rate']):.1f} % of {int(row[f'{arm}_count']):,}"


def _interval(row: "pd.Series[Any]") -> str:
    return _with_interval(row, "effect", lambda share: f"{100 * share:+.1f}")


def _with_interval(
    row: "pd.Series[Any]", name: str, write: Callable[[float], str]
) -> str:
    """Write a figure and the interval beside it."""
    if tables.is_nothing(row[name]):
        return tables.NOTHING
    value, lower, upper = (
        write(float(row[f"{name}{end}"])) for end in ("", "_lower", "_upper")
    )
    return f"{value} ({lower} to {upper})"


def _said(row: "pd.Series[Any]") -> str:
    if row["status"] == "measured":
        return FINDINGS[str(row["finding"])]
    return STATUSES[str(row["status"])]


def _caution(measured: pd.DataFrame) -> str:
    if measured.empty:
        return ""
    return (
        "Measured: everybody who was to be called against everybody who was left alone "
        "by chance, whoever was enrolled, with a 95 % interval; left of zero is fewer "
        "readmissions. Before and after misleads: people are enrolled after a bad "
        "spell and get better without any programme (regression to the mean). What the "
        "controls show came about with no programme at all."
    )


def _points(label: str) -> tables.Column:
    return tables.Column(f"{label}, points", lambda value: f"{value:+.1f}")


def findings(found: pd.DataFrame) -> list[str]:
    """Say of each programme what was found, or why nothing was measured."""
    return [_finding(row) for _, row in found.iterrows()]


def _finding(row: "pd.Series[Any]") -> str:
    named = "" if row["status"] == "no_enrolments" else f"{row['programme_code']}: "
    if row["status"] != "measured":
        return f"{named}{_said(row)}, so no effect is measured."
    strayed = int(row["control_enrolled_count"])
    spoilt = (
        f" {strayed:,} of {int(row['control_count']):,} controls were enrolled all the "
        "same, which makes the effect look smaller."
        if strayed
        else ""
    )
    return f"{named}{_said(row)}.{spoilt}"


def backtests(found: pd.DataFrame, window: str) -> Picture:
    """Draw expected and observed readmissions, from `pays.backtests`."""
    frame = found.assign(
        people=found["population"].map(_POPULATIONS),
        said=found["status"].str.replace("_", " "),
        ratio=[_ratio(row) for _, row in found.iterrows()],
    )
    measured = frame[frame["status"] == "measured"].assign(
        label=lambda one: one["as_of_date"].astype(str) + ", " + one["people"]
    )
    # Two cohorts of one day, as when one was loaded anew: told apart by their load.
    is_twice = measured.duplicated("label", keep=False)
    measured.loc[is_twice, "label"] += ", load " + measured["load_id"].astype(str)
    expected = measured["expected_readmissions"].astype(float)
    drawn = measured.assign(
        expected=expected,
        observed=measured["observed_readmissions"].astype(float),
        lower=measured["observed_ratio_lower"] * expected,
        upper=measured["observed_ratio_upper"] * expected,
    )[["label", "expected", "observed", "lower", "upper"]]
    columns = {
        "as_of_date": tables.day("cohort of"),
        "people": tables.text("people"),
        "said": tables.text("status"),
        "patient_count": tables.count("with known outcome"),
        "expected_readmissions": tables.figure("expected", 1),
        "observed_readmissions": tables.count("observed"),
        "ratio": tables.text("observed / expected (95 % interval)"),
        "projected_savings": tables.money("savings, projected"),
        "supported_savings": tables.money("x observed / expected"),
    }
    return Picture(
        f"Readmissions expected and observed, {window_name(window)}",
        pays_charts.backtests(drawn) if len(drawn) else None,
        frame,
        columns,
        "Expected is by each person's first score; observed is shown with its 95 % "
        "interval. It tells whether there was as much to avoid as projected, not "
        "whether a programme avoids any.",
    )


def _ratio(row: "pd.Series[Any]") -> str:
    return _with_interval(row, "observed_ratio", "{:.2f}".format)


def evidence(found: pd.DataFrame) -> Picture:
    """Tell what others have published; a table alone."""
    columns = {
        "programme": tables.text("programme"),
        "measure": tables.text("measure"),
        "verdict": tables.text("verdict"),
        "figures": tables.text("figures"),
        "participant_count": tables.count("people"),
        "design": tables.text("design"),
        "citation": tables.text("source"),
        "note": tables.text("note"),
    }
    frame = found.assign(figures=[_figures(row) for _, row in found.iterrows()])
    return Picture("Published evidence", None, frame, columns)


def _figures(row: "pd.Series[Any]") -> str:
    """Say a study's figures in words, as far as it has them."""
    given = {k: v for k, v in row.items() if not tables.is_nothing(v)}
    unit = str(given.get("unit", ""))
    if unit[:1].isdigit():
        unit = f"in {unit}"
    said = []
    if "effect" in given:
        interval = (
            f" ({given['effect_low']:g} to {given['effect_high']:g})"
            if {"effect_low", "effect_high"} <= given.keys()
            else ""
        )
        said.append(f"effect {given['effect']:g}{interval} {unit}")
    if {"treated_value", "comparison_value"} <= given.keys():
        said.append(f"{given['treated_value']:g} against {given['comparison_value']:g}")
    elif "comparison_value" in given:
        said.append(f"{given['comparison_value']:g} {unit}")
    said += [
        f"{name.removesuffix('_usd')} {given[name]:,.0f} {unit}"
        for name in ("cost_usd", "savings_usd")
        if name in given
    ]
    return "; ".join(said)
