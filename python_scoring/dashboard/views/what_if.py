"""What if the budget, the price or the success were another."""

import streamlit as st

from python_scoring.dashboard import lists, pictures, tables, what_if, words
from python_scoring.dashboard.page import Page, show
from python_scoring.dashboard.what_if import Assumptions, Outcome

_SHOWN = 50


def show_what_if(page: Page) -> None:
    """Show the page."""
    with words.section("What would a budget buy?"):
        page.reader.require("financial_projections", "addressable_cost")
        assumed = _ask(page)
        outcome = what_if.outcome(page.reader, page.organization, page.window, assumed)
        if not outcome.people:
            _say_none(outcome, assumed)
        else:
            _show_outcome(page, outcome)
        if outcome.worthwhile:
            show(pictures.frontier(outcome.curve, assumed.budget, page.window))
    if not outcome.people:
        return
    with words.section("Whom it would reach"):
        people = what_if.chosen(
            page.reader, page.organization, page.window, assumed, _SHOWN
        )
        title = f"The first {len(people)}, best first"
        st.html(tables.html(people, _columns(page), title))


def _ask(page: Page) -> Assumptions:
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
    return Assumptions(
        budget=float(
            budget.number_input("Budget, USD", min_value=0, value=50_000, step=5_000)
        ),
        cost_multiplier=cost.slider(
            "Cost of interventions, times", 0.25, 4.0, 1.0, 0.05
        ),
        success_multiplier=float(scenario["success_multiplier"])
        * success.slider("Success rates, times", 0.0, 2.0, 1.0, 0.05),
        care_multiplier=float(scenario["care_multiplier"]),
    )


def _say_none(outcome: Outcome, assumed: Assumptions) -> None:
    if not outcome.worthwhile:
        st.warning(
            "None: under these assumptions nobody whom this login sees has a positive "
            "projected return."
        )
    elif assumed.budget == 0:
        st.warning("None: there is no budget.")
    else:
        st.warning("None: the budget is below the price of the best intervention.")


def _show_outcome(page: Page, outcome: Outcome) -> None:
    cells = st.columns(4)
    cells[0].metric("People reached", f"{outcome.people:,}")
    cells[1].metric("Spent", tables.short_dollars(outcome.cost))
    cells[2].metric("Net benefit, projected", tables.short_dollars(outcome.net))
    cells[3].metric("ROI, projected", f"{outcome.roi_percent:,.0f} %")
    days = pictures.window_name(page.window)
    st.caption(
        f"Of {outcome.worthwhile:,} people with a positive return at {days}, best "
        f"first by net benefit per dollar. All of them would cost "
        f"{tables.dollars(outcome.full_cost)} for a net benefit of "
        f"{tables.dollars(outcome.full_net)}. {pictures.PROJECTED}"
    )
    st.caption(
        f"This list is best first, up to whom the budget no longer reaches; no other "
        f"list for this window and budget nets more than "
        f"{tables.dollars(outcome.most_net)}. `./riskmart target --window` looks "
        "for that one, and without `--window` over all windows. Controls, who are left "
        "alone on purpose, are counted in."
    )


def _columns(page: Page) -> dict[str, tables.Column]:
    return {
        "rank": tables.count("rank"),
        "patient_uuid": lists.person(page),
        "department_name": tables.text("department"),
        "arm": tables.text("call, or a control to leave alone"),
        "cost": tables.money("cost"),
        "savings": tables.money("savings, projected"),
        "net_benefit": tables.money("net benefit, projected"),
        "spent": tables.money("spent so far"),
    }
