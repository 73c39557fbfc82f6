"""A cohort in the place of an organization's reference cohort."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from python_scoring import config
from python_scoring.audit import store as trail
from python_scoring.cohorts.loads import LoadResult, Request
from python_scoring.errors import BadInput, RiskmartError
from python_scoring.warehouse import Connection

_LATEST = """
select max(as_of_date) from raw.loads where org_code = %s and purpose = 'cohort'
"""


def check(conn: Connection, org: str, as_of: date, *, is_training: bool) -> date:
    """Check that there is a reference cohort, and that this one would take its place.

    Returns
    -------
    date
        The day that the present one is of.

    Raises
    ------
    BadInput
        The organization is unknown or has no cohort, its cohort is of a later day, or
        the people are a training history, which is nobody's reference.
    """
    if is_training:
        raise BadInput(
            "--replace-reference with --training: a training history enters no mart; "
            "expected one of the two"
        )
    Request("cohort", org, as_of).check()
    current = current_as_of(conn, org)
    if current is None:
        raise BadInput(
            f"--replace-reference: {org} has no cohort yet; expected the first one "
            "without it, and then `riskmart build`"
        )
    if as_of < current:
        raise BadInput(
            f"--as-of {as_of}: {org}'s reference cohort is of {current} and outranks "
            f"it; expected {current} or a later day"
        )
    return current


def record(conn: Connection, load: LoadResult, instead_of: date) -> None:
    """Note in the trail whose reference cohort a load is now, and instead of which."""
    detail = {
        "org_code": load.org,
        "as_of_date": load.as_of.isoformat(),
        "instead_of": instead_of.isoformat(),
    }
    name = f"load {load.load_id}"
    trail.record(conn, "reference_replacement", name, load.rows, detail=detail)


def current_as_of(conn: Connection, org: str) -> date | None:
    """Day of an organization's latest cohort, loaded or seed; None without one."""
    row = conn.execute(_LATEST.encode(), (org,)).fetchone()
    days = [row[0] if row else None, _of_the_seed(org)]
    return max((day for day in days if day), default=None)


def _of_the_seed(org: str) -> date | None:
    seed = config.PROJECT_DIR / "seeds" / "baseline" / "baseline_patients.csv"
    with seed.open(newline="", encoding="utf-8") as lines:
        people = csv.DictReader(lines)
        days = [row["index_date"] for row in people if row["org_code"] == org]
    return date.fromisoformat(max(days)) if days else None


@contextmanager
def told_that_it_stays(load: LoadResult) -> Iterator[None]:
    """Add to whatever fails after a load that the load is there, and the way back."""
    try:
        yield
    except RiskmartError as error:
        raise type(error)(
            f"{error}\nLoad {load.load_id} is in all the same, and the next build goes "
            f"by it; `riskmart load remove {load.load_id}` takes it out."
        ) from None
