"""Charts, and nothing but charts: a data frame in, an Altair chart out.

Colours are Okabe and Ito's, which people tell apart whatever their colour vision;
tiers, which are ordered, go from light to dark in one hue, each with a dark edge.
Nothing is told by colour alone: what a colour says stands in words or numbers beside.
"""

from typing import Any

import altair as alt
import pandas as pd

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, GREY, INK = "#56B4E9", "#CC79A7", "#767676", "#1b1b1b"
TIERS = ["#E3EEF7", "#A6CBE5", "#5B9FCC", "#1F6BA8", "#0B3A66"]
WINDOWS = {"30_day": SKY, "60_day": BLUE, "90_day": "#1B3A57"}

WIDTH = 640

_DAYS = "replace(datum.label, '_day', ' days')"

_CONFIG: dict[str, Any] = {
    "background": "white",
    # Whoever prints may have wider letters than the drawing was measured with.
    "padding": {"left": 18, "right": 8, "top": 5, "bottom": 5},
    "font": "sans-serif",
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 13,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "gridColor": "#e3e6ea",
        "labelLimit": 260,
    },
    "legend": {
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 13,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "orient": "bottom",
        "labelLimit": 400,
    },
    "view": {"stroke": "transparent"},
    "text": {"fontSize": 12, "color": INK},
}


def finished(chart: Any, description: str, height: int) -> Any:
    """Give a chart what all have: size, description, and how it looks."""
    return chart.properties(
        width=WIDTH, height=height, description=description
    ).configure(**_CONFIG)


def dollar_axis() -> Any:
    """Money along an axis, as `$20k`."""
    return alt.Axis(format="$.2~s", tickCount=6)


def line_at(channel: str, value: float, **mark: Any) -> Any:
    """Draw a line across at a value of `x` or `y`."""
    rule = alt.Chart(pd.DataFrame({"at": [value]})).mark_rule(**{"color": GREY, **mark})
    return rule.encode(**{channel: "at:Q"})


def dots(base: Any, **encodings: Any) -> Any:
    """Draw a figure as a dot that is seen on top of its interval."""
    return base.mark_circle(size=90, color=BLUE, stroke=INK, opacity=1).encode(
        **encodings
    )


def tier_distribution(tiers: pd.DataFrame) -> Any:
    """Share of people by tier, a bar for each window.

    Parameters
    ----------
    tiers
        prediction_window, risk_tier, tier_name, patient_percent (0-100).
    """
    names = _tier_names(tiers)
    base = alt.Chart(tiers).encode(
        x=alt.X("tier_name:N", sort=names, title=None, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("prediction_window:N", sort=list(WINDOWS)),
        y=alt.Y("patient_percent:Q", title="people, %"),
    )
    bars = base.mark_bar(stroke=INK, strokeWidth=0.6).encode(
        color=alt.Color(
            "prediction_window:N",
            scale=alt.Scale(domain=list(WINDOWS), range=list(WINDOWS.values())),
            title="window, left to right",
            legend=alt.Legend(labelExpr=_DAYS),
        ),
        tooltip=[
            alt.Tooltip("prediction_window:N", title="window"),
            alt.Tooltip("tier_name:N", title="tier"),
            alt.Tooltip("patient_count:Q", title="people", format=","),
            alt.Tooltip("patient_percent:Q", title="%", format=".1f"),
        ],
    )
    numbers = base.mark_text(dy=-7).encode(
        text=alt.Text("patient_percent:Q", format=".0f")
    )
    return finished(bars + numbers, "Share of people by risk tier and window", 300)


def waterfall(steps: pd.DataFrame) -> Any:
    """Draw that savings, less intervention cost, are net benefit.

    Parameters
    ----------
    steps
        step, start, end, label; in order, USD.
    """
    order = list(steps["step"])
    base = alt.Chart(steps).encode(
        x=alt.X("step:N", sort=order, title=None, axis=alt.Axis(labelAngle=0))
    )
    bars = base.mark_bar(size=90, stroke=INK, strokeWidth=0.6).encode(
        y=alt.Y(
            "start:Q",
            title="USD, projected",
            axis=dollar_axis(),
        ),
        y2="end:Q",
        color=alt.Color(
            "step:N",
            sort=order,
            scale=alt.Scale(domain=order, range=[BLUE, ORANGE, GREEN]),
            legend=None,
        ),
        tooltip=[
            alt.Tooltip("step:N", title="step"),
            alt.Tooltip("label:N", title="USD"),
        ],
    )
    numbers = base.mark_text(dy=-8, fontWeight="bold").encode(
        y=alt.Y("top:Q"), text="label:N"
    )
    return finished(
        bars + numbers,
        "Projected savings, less cost, are the net benefit",
        300,
    )


def builds(trend: pd.DataFrame) -> Any:
    """People, and people worth calling, over the builds.

    Parameters
    ----------
    trend
        build_id, what, count.
    """
    kinds = list(dict.fromkeys(trend["what"]))
    lines = (
        alt.Chart(trend)
        .mark_line(point=alt.OverlayMarkDef(size=70))
        .encode(
            x=alt.X("build_id:O", title="build", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("count:Q", title="rows", axis=alt.Axis(format="~s")),
            color=alt.Color(
                "what:N",
                sort=kinds,
                scale=alt.Scale(domain=kinds, range=[BLUE, VERMILION]),
                title=None,
            ),
            strokeDash=alt.StrokeDash("what:N", scale=_only(kinds), title=None),
            shape=alt.Shape("what:N", scale=_only(kinds), title=None),
            tooltip=["build_id:O", "what:N", alt.Tooltip("count:Q", format=",")],
        )
    )
    return finished(lines, "People and target list over the builds", 240)


def heat_map(cells: pd.DataFrame) -> Any:
    """People by department and tier: how dark says which share of the department.

    Parameters
    ----------
    cells
        department_name, tier_name, risk_tier, patient_count, department_percent.
    """
    names = _tier_names(cells)
    base = alt.Chart(cells).encode(
        x=alt.X(
            "tier_name:N",
            sort=names,
            title=None,
            axis=alt.Axis(labelAngle=0, orient="top"),
        ),
        y=alt.Y(
            "department_name:N",
            sort=list(dict.fromkeys(cells["department_name"])),
            title=None,
        ),
    )
    squares = base.mark_rect(stroke="#ffffff").encode(
        color=alt.Color(
            "department_percent:Q",
            scale=alt.Scale(range=[TIERS[0], TIERS[4]], domain=[0, 100]),
            title="% of the department",
        ),
        tooltip=[
            alt.Tooltip("department_name:N", title="department"),
            alt.Tooltip("tier_name:N", title="tier"),
            alt.Tooltip("patient_count:Q", title="people", format=","),
            alt.Tooltip("department_percent:Q", title="% of department", format=".1f"),
        ],
    )
    numbers = base.mark_text().encode(
        text=alt.Text("patient_count:Q", format=","),
        color=alt.condition(
            "datum.department_percent > 45", alt.value("#ffffff"), alt.value(INK)
        ),
    )
    return finished(squares + numbers, "People by department and risk tier", 340)


def net_by_department(returns: pd.DataFrame) -> Any:
    """Projected net benefit of each department; left of zero it costs more.

    Parameters
    ----------
    returns
        department_name, total_net_benefit (USD).
    """
    base = alt.Chart(returns).encode(
        y=alt.Y("department_name:N", sort="-x", title=None),
        x=alt.X(
            "total_net_benefit:Q",
            title="net benefit, USD, projected, if everybody is offered it",
            axis=dollar_axis(),
        ),
    )
    bars = base.mark_bar(stroke=INK, strokeWidth=0.6).encode(
        color=alt.condition(
            "datum.total_net_benefit >= 0", alt.value(GREEN), alt.value(VERMILION)
        ),
        tooltip=[
            alt.Tooltip("department_name:N", title="department"),
            alt.Tooltip("total_net_benefit:Q", title="net benefit", format="$,.0f"),
        ],
    )
    return finished(bars, "Projected net benefit by department", 300)


def contributions(reasons: pd.DataFrame) -> Any:
    """Draw what moved one score most: to the right raises it, to the left lowers.

    Parameters
    ----------
    reasons
        reason_text, contribution (log-odds).
    """
    bars = (
        alt.Chart(reasons)
        .mark_bar(stroke=INK, strokeWidth=0.6)
        .encode(
            y=alt.Y(
                "reason_text:N",
                sort=list(reasons["reason_text"]),
                title=None,
                axis=alt.Axis(labelLimit=360),
            ),
            x=alt.X(
                "contribution:Q", title="contribution to the log-odds of the score"
            ),
            color=alt.condition(
                "datum.contribution >= 0", alt.value(VERMILION), alt.value(BLUE)
            ),
            tooltip=["reason_text:N", alt.Tooltip("contribution:Q", format="+.3f")],
        )
    )
    return finished(bars, "Reasons of the score and how far each moves it", 150)


def score_history(scores: pd.DataFrame) -> Any:
    """Every score of one person, window by window.

    Parameters
    ----------
    scores
        prediction_window, risk_score (0-1), time (text, in order).
    """
    lines = (
        alt.Chart(scores)
        .mark_line(point=alt.OverlayMarkDef(size=90))
        .encode(
            x=alt.X(
                "time:O",
                title="scored at (UTC)",
                sort=list(dict.fromkeys(scores["time"])),
                axis=alt.Axis(labelAngle=0),
            ),
            y=alt.Y("risk_score:Q", title="risk score", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color(
                "prediction_window:N",
                scale=alt.Scale(domain=list(WINDOWS), range=list(WINDOWS.values())),
                title="window",
                legend=alt.Legend(labelExpr=_DAYS),
            ),
            shape=alt.Shape(
                "prediction_window:N",
                scale=_only(list(WINDOWS)),
                title="window",
                legend=alt.Legend(labelExpr=_DAYS),
            ),
            tooltip=[
                alt.Tooltip("prediction_window:N", title="window"),
                alt.Tooltip("risk_score:Q", format=".3f"),
                alt.Tooltip("time:O", title="scored at"),
            ],
        )
    )
    return finished(lines, "History of the scores", 240)


def against_reference(features: pd.DataFrame) -> Any:
    """Features of one person, in standard deviations from the cohort's mean.

    Parameters
    ----------
    features
        label, distance (standard deviations).
    """
    points = (
        alt.Chart(features)
        .mark_circle(size=110, color=BLUE, stroke=INK)
        .encode(
            y=alt.Y("label:N", sort=list(features["label"]), title=None),
            x=alt.X("distance:Q", title="standard deviations from the cohort's mean"),
            tooltip=["label:N", alt.Tooltip("distance:Q", format="+.2f")],
        )
    )
    height = max(120, 20 * len(features))
    return finished(
        line_at("x", 0.0) + points, "Features against the reference cohort", height
    )


def calibration(bins: pd.DataFrame) -> Any:
    """Draw what was predicted against what came about, by tenths of risk.

    Parameters
    ----------
    bins
        expected_rate, observed_rate, lower, upper (all 0-1), patient_count.
    """
    top = min(1.0, float(bins[["expected_rate", "upper"]].max().max()) * 1.05)
    scale = alt.Scale(domain=[0, top])
    base = alt.Chart(bins).encode(
        x=alt.X("expected_rate:Q", title="predicted, share", scale=scale),
    )
    intervals = base.mark_rule(color=GREY, strokeWidth=2).encode(
        y=alt.Y("lower:Q", title="observed, share, with 95 % interval", scale=scale),
        y2="upper:Q",
    )
    points = dots(
        base,
        y="observed_rate:Q",
        tooltip=[
            alt.Tooltip("bin:O", title="tenth"),
            alt.Tooltip("patient_count:Q", title="people", format=","),
            alt.Tooltip("expected_rate:Q", title="predicted", format=".3f"),
            alt.Tooltip("observed_rate:Q", title="observed", format=".3f"),
        ],
    )
    ideal = alt.Chart(pd.DataFrame({"x": [0.0, top]})).mark_line(
        color=GREY, strokeDash=[5, 4]
    )
    line = ideal.encode(x="x:Q", y="x:Q")
    return finished(
        line + intervals + points,
        "Calibration: on the dashed line, what was predicted came about",
        340,
    )


def observed_expected(groups: pd.DataFrame) -> Any:
    """Observed over expected events, with intervals; 1 is as predicted.

    Parameters
    ----------
    groups
        group, value, lower, upper.
    """
    base = alt.Chart(groups).encode(
        y=alt.Y("group:N", sort=list(groups["group"]), title=None)
    )
    points = dots(
        base,
        x=alt.X(
            "value:Q",
            title="observed / expected",
            scale=alt.Scale(zero=False),
            axis=alt.Axis(tickCount=6),
        ),
        tooltip=["group:N", alt.Tooltip("value:Q", format=".2f")],
    )
    spans = base.mark_rule(color=GREY, strokeWidth=2).encode(x="lower:Q", x2="upper:Q")
    one = line_at("x", 1.0, color=INK, strokeDash=[5, 4])
    height = max(120, 24 * len(groups))
    return finished(one + spans + points, "Observed over expected", height)


def drift(features: pd.DataFrame) -> Any:
    """How far the cohort is from training, feature by feature.

    Parameters
    ----------
    features
        label, psi, chance_psi.
    """
    base = alt.Chart(features).encode(
        y=alt.Y("label:N", sort=list(features["label"]), title=None)
    )
    bars = base.mark_bar(color=SKY, stroke=INK, strokeWidth=0.6).encode(
        x=alt.X(
            "psi:Q",
            title="population stability index",
            axis=alt.Axis(tickCount=6),
        ),
        tooltip=["label:N", alt.Tooltip("psi:Q", format=".3f"), "drift_level:N"],
    )
    chance = base.mark_tick(color=VERMILION, thickness=3, size=14).encode(
        x="chance_psi:Q"
    )
    height = max(120, 20 * len(features))
    return finished(
        bars + chance,
        "Population stability index; a tick for what chance gives",
        height,
    )


def frontier(curve: pd.DataFrame, budget: float) -> Any:
    """Net benefit that a budget buys, best people first; the rule is this budget.

    Parameters
    ----------
    curve
        spent, net (USD), cumulative over people by net benefit per dollar.
    """
    lines = (
        alt.Chart(curve)
        .mark_line(color=BLUE, strokeWidth=3)
        .encode(
            x=alt.X(
                "spent:Q",
                title="spent, USD",
                axis=dollar_axis(),
            ),
            y=alt.Y(
                "net:Q",
                title="net benefit, USD, projected",
                axis=dollar_axis(),
            ),
            tooltip=[
                alt.Tooltip("spent:Q", format="$,.0f"),
                alt.Tooltip("net:Q", format="$,.0f"),
                alt.Tooltip("people:Q", format=","),
            ],
        )
    )
    rule = line_at("x", budget, color=VERMILION, strokeWidth=2, strokeDash=[6, 4])
    return finished(lines + rule, "Projected net benefit by budget", 300)


def _only(values: list[str]) -> alt.Scale:
    """Give legends of one field one domain, so that they become one legend."""
    return alt.Scale(domain=values)


def _tier_names(frame: pd.DataFrame) -> list[str]:
    ordered = frame.sort_values("risk_tier")
    return list(dict.fromkeys(ordered["tier_name"]))
