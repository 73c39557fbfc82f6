"""Lists of people: how their columns are headed, on pages and in files."""

from dataclasses import replace

import pandas as pd

from python_scoring.dashboard import tables
from python_scoring.dashboard.page import Page
from python_scoring.dashboard.tables import Column


def columns(page: Page) -> dict[str, Column]:
    """Head a list of people; the person leads to a page of their own."""
    return {
        "patient_uuid": person(page),
        "department_name": tables.text("department"),
        "arm": tables.text("call, or a control to leave alone"),
        "age": tables.count("age, years"),
        "gender": tables.text("gender"),
        "risk_tier": tables.count("tier"),
        "risk_score": tables.figure("risk score", 3),
        "net_benefit": tables.money("net benefit, projected"),
        "roi_percent": tables.percent("ROI, projected", 0),
        "intervention_cost": tables.money("cost"),
        "reasons": replace(tables.text("reasons"), is_long=True),
    }


def person(page: Page) -> Column:
    """Head a column of people: as much of their UUID as is told apart by eye."""
    short = replace(tables.text("person"), write=lambda value: str(value)[:8])
    return replace(short, link=page.link_to_patient)


def with_reasons(people: pd.DataFrame) -> pd.DataFrame:
    """Put the three reasons into one column, the first first."""
    three = people[["reason_1", "reason_2", "reason_3"]].fillna("")
    return people.assign(reasons=three.agg("; ".join, axis=1) if len(three) else "")


FILE_COLUMNS = (
    "patient_uuid",
    "department_name",
    "arm",
    "risk_tier",
    "risk_score",
    "expected_savings",
    "intervention_cost",
    "net_benefit",
    "roi_percent",
    "roi_category",
    "reason_1",
    "reason_2",
    "reason_3",
)
