"""What if the budget, the price or the success were another."""

import streamlit as st

from python_scoring.dashboard import lists, pictures, tables, what_if, words
from python_scoring.dashboard.page import Page, show
from python_scoring.dashboard.what_if import Outcome
from python_scoring.readmission.targeting import Assumptions

_SHOWN = 50


def show_what_if(page: Page) -> None:
    """Show the page."""
    with words.section("What would a budget buy?"):
        page.reader.require("financial_projections", "addressable_cost")
        budget, assumed = _ask(page)
        outcome = what_if.outcome(
            page.reader, page.organization, page.window, budget, assumed
        )
        if outcome.people.empty:
            _say_none(outcome, budget)
        else:
            _show_outcome(page, outcome)
        if outcome.worthwhile:
            show(pictures.frontier(outcome.curve, budget, page.window))
    if outcome.people.empty:
        return
    with words.section("Whom it would reach"):
        people = what_if.named(page.reader, outcome.people.head(_SHOWN))
        title = f"The first {len(people)}, best first"
        st.html(tables.html(people, _columns(page), title))


def _ask(page: Page) -> tuple[float, Assumptions]:
    scenarios = what_if.scenarios(page.reader).set_index("scenario")
    names = list(scenarios.index)
    chosen = st.radio("Scenario", names, index=names.index("base"), horizontal=True)
    scenario = scenarios.loc[chosen]
    st.caption(
        f"The {chosen} scenario: {100 * scenario['addressable_share']:.0f} % of the "
        f"cost of care could be prevented, success rates times "
        f"{scenario['success_multiplier']:g}, cost of care times "
        f"{scenario['cost_inflation']:g}. What is set below comes on top."
    )
    budget, cost, success = st.columns(3)
    dollars = budget.number_input("Budget, USD", min_value=0, value=50_000, step=5_000)
    return float(dollars), Assumptions(
        addressable_share=float(scenario["addressable_share"]),
        cost_inflation=float(scenario["cost_inflation"]),
        intervention_cost_multiplier=cost.slider(
            "Cost of interventions, times", 0.25, 4.0, 1.0, 0.05
        ),
        success_multiplier=float(scenario["success_multiplier"])
        * success.slider("Success rates, times", 0.0, 2.0, 1.0, 0.05),
    )


def _say_none(outcome: Outcome, budget: float) -> None:
    if not outcome.worthwhile:
        st.warning(
            "None: under these assumptions nobody whom this login sees has a positive "
            "projected return."
        )
    elif budget == 0:
        st.warning("None: there is no budget.")
    else:
        st.warning(
            "None: the budget is below the price of every intervention that pays."
        )


def _show_outcome(page: Page, outcome: Outcome) -> None:
    totals, more = outcome.choice.totals, outcome.choice.next_net_per_dollar
    cells = st.columns(5)
    cells[0].metric("People reached", f"{totals.patients:,.0f}")
    cells[1].metric("Spent", tables.short_dollars(totals.cost))
    cells[2].metric("Net benefit, projected", tables.short_dollars(totals.net))
    cells[3].metric("ROI, projected", f"{totals.roi_percent:,.0f} %")
    cells[4].metric(
        "ROI of the next dollar", "none" if more is None else f"{100 * more:,.0f} %"
    )
    days = pictures.window_name(page.window)
    st.caption(
        f"Of {outcome.worthwhile:,} people with a positive return at {days}, controls "
        "left alone, those who net the most for the budget. All of them would cost "
        f"{tables.dollars(outcome.full_cost)} for a net benefit of "
        f"{tables.dollars(outcome.full_net)}. {pictures.PROJECTED}"
    )
    st.caption(
        f"Chosen {outcome.choice.method}; no list for this window and budget nets more "
        f"than {tables.dollars(outcome.choice.most_net)}. It is the list of "
        "`./riskmart target --window`; without `--window` that looks over all windows."
    )


def _columns(page: Page) -> dict[str, tables.Column]:
    return {
        "rank": tables.count("rank"),
        "patient_uuid": lists.person(page),
        "department_name": tables.text("department"),
        "cost": tables.money("cost"),
        "savings": tables.money("savings, projected"),
        "net_benefit": tables.money("net benefit, projected"),
        "spent": tables.money("spent so far"),
    }
