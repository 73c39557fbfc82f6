"""The same pictures as one HTML file: needs no server, fetches nothing, prints.

It holds sums and rates alone. Lists of people stay where they can be taken away from
somebody again.
"""

import re
from collections.abc import Callable, Iterator
from html import escape

import pandas as pd
import vl_convert

from python_scoring.dashboard import (
    cautions,
    pays,
    pays_pictures,
    pictures,
    queries,
    tables,
)
from python_scoring.dashboard.pictures import Picture
from python_scoring.dashboard.reader import NotForThisLogin, NothingPublished, Reader
from python_scoring.errors import BadInput

WINDOWS = ("30_day", "60_day", "90_day")

_STYLE = """
body { font: 16px/1.45 sans-serif; color: #1b1b1b; background: #fff; margin: 2rem auto;
    max-width: 52rem; padding: 0 1rem; }
figure { margin: 0.5rem 0; } figure svg { max-width: 100%; height: auto; }
figcaption, .rm-note { color: #444; font-size: 0.9rem; }
.rm-caution { border-left: 5px solid #0072B2; padding: 0.4rem 0.8rem; }
@page { size: A4; margin: 16mm; }
@media print {
    body { margin: 0; max-width: none; padding: 0; font-size: 10pt; }
    section.rm-organization { break-before: page; }
    section.rm-organization:first-of-type { break-before: auto; }
    figure, tr, .rm-picture h4 { break-inside: avoid; }
    h2, h3, h4, caption { break-after: avoid; }
    thead { display: table-header-group; }
    .rm-table { overflow: visible; }
    .rm-table table { font-size: 8pt; }
    .rm-table th, .rm-table td { padding: 0.15rem 0.3rem; }
}
"""

Section = Callable[[Reader, int, str], Iterator[Picture]]


def report(reader: Reader, org: str | None = None) -> str:
    """Write the report of one organization, or of each that the login sees.

    Raises
    ------
    BadInput
        No organization of that code is visible to the login.
    """
    found = queries.organizations(reader)
    if org is not None:
        known = ", ".join(found["org_code"]) or "none"
        found = found[found["org_code"] == org]
        if found.empty:
            raise BadInput(f"--org {org}: {reader.named} sees {known}")
    if found.empty:
        raise BadInput(f"{reader.named} belongs to no organization")
    body = "".join(_organization(reader, row) for _, row in found.iterrows())
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>riskmart report</title><style>{tables.STYLE}{_STYLE}</style></head>"
        f"<body><main><h1>riskmart report</h1>{body}</main></body></html>\n"
    )


def _organization(reader: Reader, row: "pd.Series[str]") -> str:
    number, name = int(row["organization_id"]), str(row["organization_name"])
    caution = cautions.caution(str(row["data_source"]), name)
    parts = "".join(
        _section(title, section, reader, number) for title, section in _SECTIONS.items()
    )
    return (
        f'<section class="rm-organization"><h2>{escape(name)}</h2>'
        f"<p>As of {row['as_of_date']}. Read as {escape(reader.named)}.</p>"
        f'<p class="rm-caution">{escape(caution)}</p>{parts}</section>'
    )


def _section(title: str, section: Section, reader: Reader, organization: int) -> str:
    """Write a section; what the login may not read is said in its place."""
    shown: dict[str, Picture] = {}
    said = ""
    try:
        for window in WINDOWS:
            for picture in section(reader, organization, window):
                # What is of all windows comes once.
                shown.setdefault(picture.title, picture)
    except (NotForThisLogin, NothingPublished) as error:
        said = f'<p class="rm-note">{escape(str(error))}</p>'
    if not shown and not said:
        said = '<p class="rm-note">Nothing to show.</p>'
    place = f"{organization}-{list(_SECTIONS).index(title)}"
    drawn = "".join(
        _picture(picture, f"{place}-{number}")
        for number, picture in enumerate(shown.values())
    )
    return f"<h3>{escape(title)}</h3>{said}{drawn}"


def _own_ids(svg: str, prefix: str) -> str:
    """Name what a drawing refers to apart from that of the others in the file."""
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}", svg)


def _picture(picture: Picture, number: str) -> str:
    note = f'<p class="rm-note">{escape(picture.note)}</p>' if picture.note else ""
    drawn = ""
    if picture.chart is not None:
        svg = _own_ids(
            vl_convert.vegalite_to_svg(picture.chart.to_dict()), f"picture{number}-"
        )
        label = f'role="img" aria-label="{escape(picture.title)}"'
        drawn = f"<figure {label}>{svg}</figure>"
    return (
        f'<div class="rm-picture"><h4>{escape(picture.title)}</h4>'
        f"{drawn}{note}{picture.html}</div>"
    )


def _overview(reader: Reader, organization: int, window: str) -> Iterator[Picture]:
    tiers = queries.tiers(reader, organization)
    if len(tiers):
        is_suppressed = queries.is_suppressed(reader, "org_tier_summary")
        yield pictures.tier_distribution(tiers, is_suppressed=is_suppressed)


def _returns(reader: Reader, organization: int, window: str) -> Iterator[Picture]:
    returns = queries.returns(reader, organization)
    if len(returns):
        yield pictures.returns(returns)
        yield pictures.waterfall(returns, window)


def _builds(reader: Reader, organization: int, window: str) -> Iterator[Picture]:
    builds = queries.builds(reader)
    if len(builds):
        yield pictures.builds(builds)


def _departments(reader: Reader, organization: int, window: str) -> Iterator[Picture]:
    cells = queries.department_tiers(reader, organization, window)
    if len(cells):
        is_suppressed = queries.is_suppressed(reader, "dept_risk_distribution")
        yield pictures.heat_map(cells, window, is_suppressed=is_suppressed)


def _department_returns(
    reader: Reader, organization: int, window: str
) -> Iterator[Picture]:
    returns = queries.department_returns(reader, organization, window)
    if len(returns):
        yield pictures.department_returns(returns, window)


def _trust(reader: Reader, organization: int, window: str) -> Iterator[Picture]:
    found = queries.evaluations(reader, organization)
    yield pictures.evaluations(found)
    judged = found[found["status"] == "evaluated"]
    for evaluation in judged["evaluation_id"].unique():
        number = int(evaluation)
        tenths = queries.calibration(reader, number, window, "decile")
        yield pictures.calibration(tenths, window)
        tiers = queries.calibration(reader, number, window, "tier")
        yield pictures.tiers_observed(tiers, window)
        yield pictures.groups(queries.groups(reader, number, window), window)


def _drift(reader: Reader, organization: int, window: str) -> Iterator[Picture]:
    drift = queries.drift(reader, organization)
    if len(drift):
        yield pictures.drift(drift, queries.labels(reader))


def _scenarios(reader: Reader, organization: int, window: str) -> Iterator[Picture]:
    found = pays.scenarios(reader, organization)
    if len(found):
        yield pays_pictures.scenarios(found)


def _certainty(reader: Reader, organization: int, window: str) -> Iterator[Picture]:
    found = pays.certainty(reader, organization)
    if len(found):
        yield pays_pictures.certainty(found)


def _frontier(reader: Reader, organization: int, window: str) -> Iterator[Picture]:
    found = pays.frontier(reader, organization)
    if len(found):
        yield pays_pictures.frontier(found)


def _effects(reader: Reader, organization: int, window: str) -> Iterator[Picture]:
    found = pays.results(reader, organization, window)
    if len(found):
        yield pays_pictures.effects(found, window)


def _backtests(reader: Reader, organization: int, window: str) -> Iterator[Picture]:
    found = pays.backtests(reader, organization, window)
    if len(found):
        yield pays_pictures.backtests(found, window)


def _evidence(reader: Reader, organization: int, window: str) -> Iterator[Picture]:
    yield pays_pictures.evidence(pays.evidence(reader))


_SECTIONS: dict[str, Section] = {
    "Who is at risk": _overview,
    "What it would come to": _returns,
    "Departments and tiers": _departments,
    "What it would come to, by department": _department_returns,
    "Does it pay in every scenario?": _scenarios,
    "How sure is that?": _certainty,
    "Which budget, and whom first?": _frontier,
    "What has a programme measurably done?": _effects,
    "Were there as many readmissions to avoid?": _backtests,
    "What do others report?": _evidence,
    "Did what was predicted come about?": _trust,
    "Is the cohort like the one that was learnt from?": _drift,
    "How it changed": _builds,
}
