"""New patients to hand in: made up, each within the bounds of a record."""

import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from python_scoring.intake.record import CONDITIONS
from python_scoring.warehouse import Connection

Record = dict[str, Any]

# The day after the cohorts' own, so that it counts as the later one.
_INDEX_DATE = date(2026, 1, 1)
_RACES = ("1", "2", "3", "5")
# Of ten handed in one after another, which is not somebody new.
_OF_REFERENCE, _CORRECTION = 4, 9

# In no order that tables are kept in: neighbours would share their pages.
_REFERENCE = """
select external_id from raw.patient_registry where org_code = %s
order by md5(external_id) limit %s
"""


class Supply:
    """People of one organization, each with an identifier of its own.

    Parameters
    ----------
    prefix
        What their identifiers begin with: another one for every supply.
    reference
        Identifiers of people of the organization's cohort.
    """

    def __init__(self, org_code: str, prefix: str, reference: list[str] | None = None):
        self.org_code = org_code
        self.prefix = prefix
        self.reference = list(reference or [])
        self.handed: list[str] = []
        self._random = random.Random(prefix)

    def new(self) -> Record:
        """Somebody who was never seen."""
        self.handed.append(f"{self.prefix}-{len(self.handed) + 1:06d}")
        return self._record(self.handed[-1])

    def mixed(self, count: int) -> Iterator[Record]:
        """Of ten eight newcomers, one of the cohort, and one corrected."""
        for number in range(count):
            if number % 10 == _OF_REFERENCE:
                yield self._record(self.reference.pop())
            elif number % 10 == _CORRECTION:
                yield self._record(self._random.choice(self.handed))
            else:
                yield self.new()

    def _record(self, external_id: str) -> Record:
        draw = self._random
        admissions = draw.choice((0, 0, 0, 1, 1, 2, 4))
        day = _INDEX_DATE - timedelta(days=draw.randint(1, 300))
        cost = round(draw.lognormvariate(9, 1), 2)
        return {
            "org_code": self.org_code,
            "external_id": external_id,
            "source_system": "API",
            "index_date": str(_INDEX_DATE),
            "age": draw.randint(25, 95),
            "gender": draw.choice(("female", "male")),
            "race": draw.choice(_RACES),
            "has_esrd": draw.random() < 0.05,
            "conditions": draw.sample(CONDITIONS, draw.randint(0, 5)),
            "total_admissions": admissions,
            "total_hospital_days": admissions * draw.randint(1, 9),
            "last_admission_date": str(day) if admissions else None,
            "total_outpatient_visits": draw.randint(0, 20),
            "annual_cost": cost,
            "inpatient_cost": round(cost * draw.random(), 2) if admissions else 0.0,
        }


def reference_ids(conn: Connection, org_code: str, count: int) -> list[str]:
    """Pick people of an organization's cohort, at random and always the same."""
    return [i for (i,) in conn.execute(_REFERENCE.encode(), (org_code, count))]


def content(records: list[Record]) -> bytes:
    """Write records as a program hands them in."""
    return json.dumps(records).encode()
