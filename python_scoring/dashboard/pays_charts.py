"""Charts of the page that asks whether it pays: as in `charts`, a data frame in.

Lines and points differ in dash and shape besides their colour.
"""

from typing import Any

import altair as alt
import pandas as pd

from python_scoring.dashboard.charts import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    SKY,
    VERMILION,
    dollar_axis,
    dots,
    finished,
    line_at,
)

_SCENARIOS = {"conservative": ORANGE, "base": SKY, "optimistic": BLUE}
# Colour, dash and shape of each strategy.
STRATEGIES = {
    "best": (BLUE, [1, 0], "circle"),
    "risk-blind": (VERMILION, [8, 3], "square"),
    "highest tier first": (GREEN, [2, 2], "triangle-up"),
    "random": (INK, [8, 3, 2, 3], "diamond"),
}


def scenarios(totals: pd.DataFrame) -> Any:
    """Net benefit by window, a bar for each scenario.

    Parameters
    ----------
    totals
        window, scenario, total_net_benefit (USD), label.
    """
    # Room for the numbers beyond the bars, below as above.
    net = totals["total_net_benefit"]
    least, most = min(0.0, float(net.min())), max(0.0, float(net.max()))
    room = 0.1 * (most - least) or 1.0
    base = alt.Chart(totals).encode(
        x=alt.X("window:N", title=None, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("scenario:N", sort=list(_SCENARIOS)),
        y=alt.Y(
            "total_net_benefit:Q",
            title="net benefit, USD, projected",
            scale=alt.Scale(domain=[least - room, most + room], nice=False),
            axis=dollar_axis(),
        ),
    )
    bars = base.mark_bar(stroke=INK, strokeWidth=0.6).encode(
        color=alt.Color(
            "scenario:N",
            scale=alt.Scale(domain=list(_SCENARIOS), range=list(_SCENARIOS.values())),
            title="scenario, left to right",
        ),
        tooltip=[
            "window:N",
            "scenario:N",
            alt.Tooltip("total_net_benefit:Q", title="net benefit", format="$,.0f"),
        ],
    )
    # Beyond the end of its bar, whichever side of zero that is.
    above = base.transform_filter("datum.total_net_benefit >= 0")
    below = base.transform_filter("datum.total_net_benefit < 0")
    numbers = above.mark_text(dy=-8).encode(text="label:N")
    losses = below.mark_text(dy=10).encode(text="label:N")
    zero = line_at("y", 0.0)
    return finished(
        bars + zero + numbers + losses,
        "Projected net benefit by window and scenario",
        300,
    )


def certainty(sums: pd.DataFrame) -> Any:
    """Range of the organization's net benefit: 5th percentile, median and 95th.

    Parameters
    ----------
    sums
        window, net_benefit_p05, net_benefit_p50, net_benefit_p95 (USD).
    """
    base = alt.Chart(sums).encode(y=alt.Y("window:N", title=None))
    spans = base.mark_rule(color=BLUE, strokeWidth=3).encode(
        x=alt.X(
            "net_benefit_p05:Q",
            title="net benefit, USD, projected",
            axis=dollar_axis(),
        ),
        x2="net_benefit_p95:Q",
    )
    ends = [
        base.mark_tick(color=BLUE, thickness=3, size=18, opacity=1).encode(
            x=f"{name}:Q"
        )
        for name in ("net_benefit_p05", "net_benefit_p95")
    ]
    medians = dots(
        base,
        x="net_benefit_p50:Q",
        tooltip=[
            "window:N",
            *(
                alt.Tooltip(f"net_benefit_{name}:Q", title=name, format="$,.0f")
                for name in ("p05", "p50", "p95")
            ),
        ],
    )
    return finished(
        alt.layer(line_at("x", 0.0), spans, *ends, medians),
        "How far the projected net benefit may lie from its median",
        150,
    )


def frontier(curves: pd.DataFrame) -> Any:
    """Net benefit by budget, a line for each way of choosing whom to call.

    Parameters
    ----------
    curves
        strategy (a key of STRATEGIES), budget, total_net_benefit (USD).
    """
    names = list(STRATEGIES)
    colours, dashes, shapes = (
        [STRATEGIES[name][place] for name in names] for place in range(3)
    )
    title = "whom to call first"
    base = alt.Chart(curves).encode(
        x=alt.X(
            "budget:Q",
            title="budget, USD",
            axis=dollar_axis(),
        ),
        y=alt.Y(
            "total_net_benefit:Q",
            title="net benefit, USD, projected",
            axis=dollar_axis(),
        ),
        color=alt.Color(
            "strategy:N",
            scale=alt.Scale(domain=names, range=colours),
            title=title,
            legend=alt.Legend(columns=2, columnPadding=32),
        ),
    )
    lines = base.mark_line(strokeWidth=2.5).encode(
        strokeDash=alt.StrokeDash(
            "strategy:N", scale=alt.Scale(domain=names, range=dashes), title=title
        )
    )
    # Every fourth budget: with all of them a dash is no longer seen.
    points = (
        base.transform_filter("datum.budget_step % 4 == 1")
        .mark_point(size=70, filled=True, opacity=1)
        .encode(
            shape=alt.Shape(
                "strategy:N", scale=alt.Scale(domain=names, range=shapes), title=title
            ),
            tooltip=[
                "strategy:N",
                alt.Tooltip("budget:Q", format="$,.0f"),
                alt.Tooltip("total_net_benefit:Q", title="net benefit", format="$,.0f"),
            ],
        )
    )
    return finished(
        lines + points + line_at("y", 0.0),
        "Projected net benefit by budget and by who is called first",
        340,
    )


def effects(found: pd.DataFrame) -> Any:
    """Change of readmissions as measured, and as it only seems; left is fewer.

    Parameters
    ----------
    found
        label, value, lower, upper (percentage points; of what has no interval, null),
        is_measured.
    """
    base = alt.Chart(found).encode(
        y=alt.Y(
            "label:N",
            sort=list(found["label"]),
            title=None,
            axis=alt.Axis(labelLimit=330),
        )
    )
    x = alt.X(
        "value:Q",
        title="change, percentage points",
        axis=alt.Axis(tickCount=6),
    )
    whiskers = (
        base.transform_filter("isValid(datum.lower)")
        .mark_rule(color=INK, strokeWidth=2)
        .encode(x="lower:Q", x2="upper:Q")
    )
    dots = base.mark_point(size=130, filled=True, opacity=1, stroke=INK).encode(
        x=x,
        color=alt.condition("datum.is_measured", alt.value(BLUE), alt.value(ORANGE)),
        shape=alt.condition(
            "datum.is_measured", alt.value("circle"), alt.value("diamond")
        ),
        tooltip=["label:N", alt.Tooltip("value:Q", format="+.1f")],
    )
    return finished(
        alt.layer(line_at("x", 0.0), whiskers, dots),
        "Measured effect with its 95 % interval, beside figures that mislead",
        max(150, 34 * len(found)),
    )


def backtests(found: pd.DataFrame) -> Any:
    """Readmissions that were expected of each cohort, and those that came.

    Parameters
    ----------
    found
        label, expected, observed, lower, upper (people).
    """
    base = alt.Chart(found).encode(
        y=alt.Y("label:N", sort=list(found["label"]), title=None)
    )
    # Two layers with a legend of their own making: what is drawn how.
    kinds = alt.Scale(domain=["expected", "observed"], range=[ORANGE, BLUE])
    shapes = alt.Scale(domain=["expected", "observed"], range=["diamond", "circle"])
    spans = base.mark_rule(color=INK, strokeWidth=2).encode(x="lower:Q", x2="upper:Q")
    points = (
        base.transform_fold(["expected", "observed"], ["kind", "people"])
        .mark_point(size=130, filled=True, opacity=1, stroke=INK)
        .encode(
            x=alt.X(
                "people:Q",
                title="people readmitted",
                axis=alt.Axis(tickCount=6),
                scale=alt.Scale(zero=False),
            ),
            color=alt.Color("kind:N", scale=kinds, title=None),
            shape=alt.Shape("kind:N", scale=shapes, title=None),
            tooltip=["label:N", "kind:N", alt.Tooltip("people:Q", format=",.1f")],
        )
    )
    height = max(150, 30 * len(found))
    return finished(spans + points, "Readmissions expected and observed", height)
