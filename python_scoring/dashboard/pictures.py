"""Pictures: a chart with its table and what has to be said of it.

Pure functions of data frames. The pages and the printed report show the same ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from python_scoring.dashboard import charts, tables
from python_scoring.dashboard.tables import Column

PROJECTED = "A projection from the rules of seeds/rules, not a result."


@dataclass(frozen=True)
class Picture:
    """A chart, and the same figures as a table; `chart` is None for tables alone."""

    title: str
    chart: Any
    table: pd.DataFrame
    columns: Mapping[str, Column]
    note: str = ""

    @property
    def html(self) -> str:
        """The table twin, as HTML."""
        return tables.html(self.table, self.columns, self.title)


def window_name(window: str) -> str:
    """Name a window as people do: `30 days` for `30_day`."""
    return f"{window.removesuffix('_day')} days"


def with_windows(frame: pd.DataFrame) -> pd.DataFrame:
    """Name the window of each row."""
    return frame.assign(window=frame["prediction_window"].map(window_name))


def tier_distribution(tiers: pd.DataFrame, *, is_suppressed: bool) -> Picture:
    """Draw the tiers of every window, from `queries.tiers`."""
    columns = {
        "window": tables.text("window"),
        "tier_name": tables.text("tier"),
        "patient_count": tables.count("people"),
        "patient_percent": tables.percent("of all"),
    }
    note = "Counts under 11 are withheld, others rounded." if is_suppressed else ""
    shown = tiers.astype({"patient_percent": float, "patient_count": float})
    return Picture(
        "Risk tiers by window",
        charts.tier_distribution(shown),
        with_windows(tiers),
        columns,
        note,
    )


def waterfall(returns: pd.DataFrame, window: str) -> Picture:
    """Draw savings, less cost, is net benefit; from `queries.returns`."""
    row = returns[returns["prediction_window"] == window].iloc[0]
    savings = float(row["total_expected_savings"])
    cost = float(row["total_intervention_cost"])
    net = float(row["total_net_benefit"])
    steps = pd.DataFrame(
        {
            "step": ["Expected savings", "Intervention cost", "Net benefit"],
            "start": [0.0, savings, 0.0],
            "end": [savings, savings - cost, net],
            "amount": [savings, -cost, net],
        }
    )
    steps["top"] = steps[["start", "end"]].max(axis=1)
    steps["label"] = steps["amount"].map(tables.short_dollars)
    columns = {"step": tables.text("step"), "amount": tables.money("USD, projected")}
    return Picture(
        f"From savings to net benefit, {window_name(window)}, everybody offered it",
        charts.waterfall(steps),
        steps,
        columns,
        PROJECTED,
    )


_RETURNS = {
    "patient_count": tables.count("people"),
    "positive_roi_count": tables.count("with a positive return"),
    "total_expected_savings": tables.money("savings"),
    "total_intervention_cost": tables.money("cost"),
    "total_net_benefit": tables.money("net benefit"),
    "roi": tables.percent("ROI"),
}


def _with_roi(found: pd.DataFrame) -> pd.DataFrame:
    cost = found["total_intervention_cost"].replace(0.0, float("nan"))
    return found.assign(roi=100 * found["total_net_benefit"] / cost)


def returns(found: pd.DataFrame) -> Picture:
    """Tell the projected return of every window."""
    columns = {"window": tables.text("window"), **_RETURNS}
    frame = _with_roi(with_windows(found))
    title = "Projected return by window, everybody offered it"
    return Picture(title, None, frame, columns, PROJECTED)


def builds(found: pd.DataFrame) -> Picture:
    """Draw the trend over builds, from `queries.builds`."""
    names = {
        "patient_count": "people",
        "positive_count": "positive returns (people x windows)",
    }
    long = found.melt("build_id", list(names), "what", "count")
    long["what"] = long["what"].map(names)
    columns = {
        "build_id": tables.count("build"),
        "started_at": tables.day("began (UTC)"),
        "status": tables.text("status"),
        "model_version": tables.text("model"),
        "patient_count": tables.count("people"),
        "positive_count": tables.count("positive returns"),
        "duration_seconds": tables.figure("seconds", 0),
    }
    return Picture("Trend over builds", charts.builds(long), found, columns)


def heat_map(cells: pd.DataFrame, window: str, *, is_suppressed: bool) -> Picture:
    """Draw departments and tiers, from `queries.department_tiers`."""
    wide = cells.pivot_table(
        index=["department_id", "department_name"],
        columns="risk_tier",
        values="patient_count",
        aggfunc="sum",
        min_count=1,
    )
    named = dict(zip(cells["risk_tier"], cells["tier_name"], strict=True))
    wide = wide.reset_index().rename(columns={k: f"tier_{k}" for k in named})
    columns = {
        "department_name": tables.text("department"),
        **{f"tier_{k}": tables.count(named[k]) for k in sorted(named)},
    }
    shown = cells.astype({"department_percent": float, "patient_count": float})
    note = "Counts under 11 are withheld, others rounded." if is_suppressed else ""
    return Picture(
        f"People by department and risk tier, {window_name(window)}",
        charts.heat_map(shown),
        wide,
        columns,
        note,
    )


def department_returns(found: pd.DataFrame, window: str) -> Picture:
    """Draw the projected net benefit of departments."""
    frame = _with_roi(found)
    columns = {"department_name": tables.text("department"), **_RETURNS}
    return Picture(
        f"Net benefit by department, {window_name(window)}, everybody offered it",
        charts.net_by_department(found),
        frame.sort_values("total_net_benefit", ascending=False),
        columns,
        PROJECTED,
    )


def contributions(found: pd.DataFrame, window: str) -> Picture:
    """Draw the reasons of one score."""
    columns = {
        "reason_rank": tables.count("rank"),
        "reason_text": tables.text("reason"),
        "contribution": tables.figure("contribution (log-odds)", 3),
    }
    return Picture(
        f"Why this score, {window_name(window)}",
        charts.contributions(found),
        found,
        columns,
        "The three features that move the score most, against the reference patient.",
    )


def score_history(found: pd.DataFrame) -> Picture:
    """Draw every score that one person ever had."""
    columns = {
        "window": tables.text("window"),
        "scored_at": tables.day("scored at (UTC)"),
        "risk_score": tables.figure("risk score", 3),
        "risk_tier": tables.count("tier"),
        "model_version": tables.text("model"),
        "now": tables.text("is the current one"),
    }
    frame = with_windows(found).assign(
        now=found["is_active"].map({True: "yes", False: "no"}),
        time=[at.strftime("%Y-%m-%d %H:%M") for at in found["scored_at"]],
    )
    chart = charts.score_history(frame.sort_values("scored_at"))
    return Picture("History of scores", chart, frame, columns)


def features(found: pd.DataFrame, reference: pd.DataFrame | None) -> Picture:
    """Hold one person's features against the cohort's distribution.

    Parameters
    ----------
    reference
        From `queries.reference`; None where the login may not read it.
    """
    columns = {
        "label": tables.text("feature"),
        "value": tables.figure("this person"),
        "median": tables.figure("cohort's median"),
        "first_quartile": tables.figure("quartile 1"),
        "third_quartile": tables.figure("quartile 3"),
        "mean": tables.figure("cohort's mean"),
        "distance": tables.figure("standard deviations from the mean"),
        "unit": tables.text("unit"),
    }
    title = "Features against the reference cohort"
    if reference is None or reference.empty:
        return Picture("Features", None, found, columns)
    frame = found.merge(reference, on="feature_name", how="left")
    spread = frame["standard_deviation"].astype(float).replace(0.0, float("nan"))
    frame["distance"] = (frame["value"].astype(float) - frame["mean"]) / spread
    # What cannot be ordered has no distance.
    frame.loc[frame["unit"] == "code", "distance"] = float("nan")
    drawn = frame.dropna(subset=["distance"])
    drawn = drawn.reindex(drawn["distance"].abs().sort_values(ascending=False).index)
    chart = charts.against_reference(drawn) if len(drawn) else None
    return Picture(title, chart, frame, columns)


def evaluations(found: pd.DataFrame) -> Picture:
    """Tell how the model did, window by window."""
    columns = {
        "window": tables.text("window"),
        "status": tables.text("status"),
        "patient_count": tables.count("people"),
        "event_count": tables.count("readmitted"),
        "auroc": tables.figure("AUROC", 3),
        "scaled_brier": tables.figure("scaled Brier", 3),
        "calibration_slope": tables.figure("calibration slope"),
        "observed_expected": tables.figure("observed / expected"),
    }
    title = "The model in force, on the current cohort"
    return Picture(title, None, with_windows(found), columns)


def calibration(bins: pd.DataFrame, window: str) -> Picture:
    """Draw the calibration by tenths of risk."""
    drawn = bins.dropna(subset=["expected_rate", "observed_rate"])
    return Picture(
        f"Calibration by tenths of risk, {window_name(window)}",
        charts.calibration(drawn) if len(drawn) else None,
        bins,
        _rates("tenth"),
        "On the dashed line, what was predicted came about.",
    )


def tiers_observed(bins: pd.DataFrame, window: str) -> Picture:
    """Draw observed over expected, tier by tier."""
    frame = bins.assign(
        group=bins["bin"].map(lambda tier: f"tier {tier}"),
        value=bins["observed_rate"] / bins["expected_rate"],
        low=bins["lower"] / bins["expected_rate"],
        high=bins["upper"] / bins["expected_rate"],
    )
    drawn = frame.dropna(subset=["value"]).drop(columns=["lower", "upper"])
    drawn = drawn.rename(columns={"low": "lower", "high": "upper"})
    columns = {**_rates("tier"), "value": tables.figure("observed / expected")}
    return Picture(
        f"Observed over expected readmissions by tier, {window_name(window)}",
        charts.observed_expected(drawn) if len(drawn) else None,
        frame,
        columns,
    )


def _rates(what: str) -> dict[str, Column]:
    return {
        "bin": tables.count(what),
        "patient_count": tables.count("people"),
        "event_count": tables.count("readmitted"),
        "expected_rate": tables.share("expected"),
        "observed_rate": tables.share("observed"),
        "lower": tables.share("at least"),
        "upper": tables.share("at most"),
    }


def groups(found: pd.DataFrame, window: str) -> Picture:
    """Draw observed over expected by sex, age band, race and department."""
    wide = found.pivot_table(
        index=["group_name", "group_value", "patient_count", "event_count", "is_small"],
        columns="metric",
        values="value",
        aggfunc="first",
        dropna=False,
        observed=True,
    ).reset_index()
    wide = wide.dropna(how="all", subset=[c for c in _GROUP_FIGURES if c in wide])
    ratio = found[(found["metric"] == "observed_expected") & found["value"].notna()]
    drawn = ratio.assign(
        group=ratio["group_name"].str.replace("_", " ") + ": " + ratio["group_value"]
    )
    small = {True: "few people", False: ""}
    columns = {
        "group_value": tables.text("group"),
        "group_name": tables.text("by"),
        "patient_count": tables.count("people"),
        "event_count": tables.count("readmitted"),
        "auroc": tables.figure("AUROC", 3),
        "observed_expected": tables.figure("observed / expected"),
        "calibration_slope": tables.figure("calibration slope"),
        "small": tables.text("note"),
    }
    return Picture(
        f"Observed over expected by group, {window_name(window)}",
        charts.observed_expected(drawn) if len(drawn) else None,
        wide.assign(small=wide["is_small"].map(small)),
        columns,
    )


_GROUP_FIGURES = ("auroc", "observed_expected", "calibration_slope")


def drift(found: pd.DataFrame, words: Mapping[str, str]) -> Picture:
    """Draw how far the cohort is from training."""
    frame = found.assign(
        label=[_drift_label(name, words) for name in found["feature_name"]],
        beyond=found["is_beyond_chance"].map({True: "yes", False: "no"}),
    )
    columns = {
        "label": tables.text("feature or score"),
        "psi": tables.figure("stability index", 3),
        "chance_psi": tables.figure("by chance, up to", 3),
        "drift_level": tables.text("level"),
        "beyond": tables.text("beyond chance"),
    }
    return Picture(
        "Drift: the cohort against the model's training",
        charts.drift(frame) if len(frame) else None,
        frame,
        columns,
        "From 0.2 on, and beyond what chance gives (the tick), look into it.",
    )


def _drift_label(name: str, words: Mapping[str, str]) -> str:
    is_score = name.startswith("score_")
    return f"score, {name[6:]} days" if is_score else words.get(name, name)


def frontier(curve: pd.DataFrame, budget: float, window: str) -> Picture:
    """Draw what budgets buy, from `what_if.outcome`."""
    columns = {
        "spent": tables.money("spent"),
        "people": tables.count("people"),
        "saved": tables.money("savings"),
        "net": tables.money("net benefit"),
    }
    return Picture(
        f"Net benefit by budget, {window_name(window)}",
        charts.frontier(curve, min(budget, float(curve["spent"].max()))),
        curve,
        columns,
        PROJECTED + " The dashed line is the budget, where it is not beyond the end.",
    )
