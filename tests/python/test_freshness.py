"""`dbt source freshness`: a new warehouse passes, a forgotten one does not."""

import json

import pytest
from copies import Copy

from python_scoring.dbt import passthrough

PASSING = {
    "builds": "pass",
    "loads": "pass",
    "new_patient_raw_input": "pass",
    "prediction_batches": "pass",
}


def ask(copy: Copy) -> tuple[int, dict[str, str]]:
    """Exit code, and what became of each source that has a limit."""
    code = passthrough(["--quiet", "source", "freshness", "--target", "candidate"])
    text = (copy.project / "target" / "sources.json").read_text()
    results = json.loads(text)["results"]
    return code, {r["unique_id"].split(".")[-1]: r["status"] for r in results}


def age(copy: Copy, days: int) -> None:
    """Let everything that a build notes have happened some days earlier."""
    earlier = f"- interval '{days} days'"
    copy.execute(f"update raw.builds set started_at = started_at {earlier}")
    copy.execute(f"update raw.prediction_batches set scored_at = scored_at {earlier}")


def test_a_new_warehouse_is_fresh_although_nothing_was_loaded(clone: Copy) -> None:
    assert clone.value("select count(*) from raw.loads where purpose = 'cohort'") == 0
    assert ask(clone) == (0, PASSING)


@pytest.mark.parametrize(
    ("days", "code", "loads", "builds"),
    [(20, 0, "pass", "warn"), (50, 1, "warn", "error"), (101, 1, "error", "error")],
)
def test_a_forgotten_one_is_not(
    clone: Copy, days: int, code: int, loads: str, builds: str
) -> None:
    age(clone, days)
    found = {"builds": builds, "loads": loads, "prediction_batches": loads}
    assert ask(clone) == (code, PASSING | found)


def test_whoever_hands_people_in_is_told_when_that_stops(clone: Copy) -> None:
    clone.execute(
        "insert into raw.new_patient_raw_input (content, received_at)"
        " values ('{}', now() - interval '8 days')"
    )
    assert ask(clone) == (0, PASSING | {"new_patient_raw_input": "warn"})
