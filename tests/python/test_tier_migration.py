"""Another reference cohort: who moved between tiers, in the marts and in words."""

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NoReturn

import golden
import pandas as pd
import pytest
from conftest import Run
from copies import Copy

from python_scoring import config, pipeline, report, warehouse
from python_scoring.cohorts import cohort, reference
from python_scoring.commands import common, load
from python_scoring.dbt import Project
from python_scoring.errors import BadInput, GateFailed
from python_scoring.intake import adding, documents
from python_scoring.readmission import score
from python_scoring.warehouse import Connection

LATER = date(2026, 6, 30)
COUNTS = ["prediction_window", "previous_tier", "risk_tier"]
SHOWN = (
    "select prediction_window, previous_tier, risk_tier, patient_count"
    f" from marts.tier_migration where organization_id = {golden.ORGANIZATION_ID}"
)


@dataclass(frozen=True)
class Refreshed:
    """A warehouse in which other people took the golden patients' place."""

    copy: Copy
    said: str


@pytest.fixture(scope="module")
def refreshed(
    built: Copy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Refreshed]:
    """Golden patients with scores at all ends of tiers, then a later cohort of them."""
    copy = built.clone(config.DATABASE)
    later = tmp_path_factory.mktemp("later") / "later.csv"
    _later_people().to_csv(later, index=False)
    with copy.in_force():
        golden.load()
        copy.run("run", "--select", "+int_patient_features", "+int_patient_outcomes")
        with warehouse.connect(autocommit=True) as conn:
            score.score(conn)
        golden.inject_scores()
        said = io.StringIO()
        with redirect_stdout(said):
            load.load_cohort(
                later,
                org=golden.ORG,
                as_of=datetime(LATER.year, LATER.month, LATER.day),
                replace_reference=True,
            )
    done = Refreshed(copy.rename("refreshed"), said.getvalue())
    yield done
    done.copy.drop()


@pytest.fixture
def there(refreshed: Refreshed) -> Iterator[Copy]:
    """That warehouse, in force."""
    with refreshed.copy.in_force():
        yield refreshed.copy


def _later_people() -> pd.DataFrame:
    """Without g01, with somebody new in the same place of costs, and all others.

    Whose features and place in costs stay is not scored again.
    """
    people = pd.read_csv(golden.FOLDER / "golden.csv", dtype=str)
    people.loc[people["external_id"] == "g01", "external_id"] = "n01"
    people.loc[people["external_id"] == "g02", "total_admissions"] = "9"
    return people


def _expected(copy: Copy) -> pd.DataFrame:
    """Count from the scores that were put in to the ledger's latest, by pandas."""
    before = golden.expected_projections()[
        ["external_id", "prediction_window", "risk_tier"]
    ].rename(columns={"risk_tier": "previous_tier"})
    ledger = copy.frame(
        "select external_id, window_days || '_day' as prediction_window, score,"
        " batch_id from raw.predictions"
        " inner join raw.patient_registry using (patient_id)"
        f" where org_code = '{golden.ORG}' and external_id <> 'g01'"
    )
    keys = ["external_id", "prediction_window"]
    now = ledger.sort_values("batch_id").groupby(keys).tail(1).copy()
    now["risk_tier"] = 1 + sum((now["score"] >= b) * 1 for b in (0.2, 0.4, 0.6, 0.8))
    both = now.merge(before, on=keys)
    return both.groupby(COUNTS).size().rename("patient_count").reset_index()


def _shown(copy: Copy) -> pd.DataFrame:
    rows = copy.frame(f"{SHOWN} and patient_count > 0").sort_values(COUNTS)
    return rows.reset_index(drop=True)


def test_everybody_is_counted_from_the_tier_before(there: Copy) -> None:
    expected = _expected(there)
    assert expected["patient_count"].sum() == 45
    assert (expected["previous_tier"] != expected["risk_tier"]).any()
    pd.testing.assert_frame_equal(_shown(there), expected, check_dtype=False)
    # Only g02 was scored again, and the person who came: all others stay.
    moved = _moved(there)
    assert moved["external_id"].unique().tolist() == ["g02"]


def _moved(copy: Copy) -> pd.DataFrame:
    return copy.frame(
        "select external_id, p.prediction_window from raw.patient_registry"
        " inner join intermediate.int_previous_tiers using (patient_id)"
        " inner join marts.predictions as p using (patient_id, prediction_window)"
        " where previous_tier <> risk_tier order by 1, 2"
    )


def test_zeros_are_rows_and_percentages_are_of_those_with_both(there: Copy) -> None:
    rows = there.rows(
        "select organization_id, count(*), sum(patient_count), sum(patient_percent)"
        " from marts.tier_migration group by 1 order by 1"
    )
    # Nobody of the baseline was scored before it came in.
    assert rows[0] == (1, 75, 0, 0)
    assert rows[1][:3] == (golden.ORGANIZATION_ID, 75, 45)
    assert rows[1][3] == pytest.approx(300)
    [count, percent] = there.rows(
        "select patient_count, patient_percent from marts.tier_migration"
        f" where organization_id = {golden.ORGANIZATION_ID}"
        " order by patient_count desc limit 1"
    )[0]
    assert percent == pytest.approx(100 * count / 15)


def test_the_command_says_who_moved(refreshed: Refreshed, there: Copy) -> None:
    said = refreshed.said
    assert "Loaded 16 people for SYNTH as of 2026-06-30" in said
    assert "`riskmart build` brings them" not in said
    assert "SYNTH: who moved between tiers" in said
    moved = len(_moved(there))
    lines = [line for line in said.splitlines() if "_day" in line]
    assert len(lines) == moved + 1 >= 2
    stayed = dict(
        there.rows(
            f"select prediction_window, sum(patient_count)::int from ({SHOWN}) as all_"
            " where previous_tier = risk_tier group by 1"
        )
    )
    shown = ", ".join(f"{window} {stayed[window]}" for window in sorted(stayed))
    assert f"Stayed in their tier: {shown}." in said
    assert "Readers see build 2" in said


_WRONG = {
    "a pair too many": "update {}.tier_migration set patient_count = patient_count + 1"
    " where previous_tier = 5 and risk_tier = 1 and prediction_window = '30_day'"
    " and organization_id = 1",
    "a pair too few": "update {}.tier_migration set patient_count = patient_count - 1"
    " where (organization_id, prediction_window, previous_tier, risk_tier) = ("
    " select organization_id, prediction_window, previous_tier, risk_tier"
    " from {}.tier_migration where patient_count > 0 limit 1)",
    "another percentage": "update {}.tier_migration"
    " set patient_percent = patient_percent * 1.01 where patient_count > 0",
    "a present tier": "update {}.predictions set risk_tier = risk_tier % 5 + 1"
    f" where organization_id = {golden.ORGANIZATION_ID} and batch_id = ("
    f"select min(batch_id) from {{}}.predictions where organization_id"
    f" = {golden.ORGANIZATION_ID})",
    "another's row": "delete from {}.tier_migration where previous_tier = 3"
    " and risk_tier = 4 and prediction_window = '60_day' and organization_id = 1",
}


@pytest.fixture(scope="module")
def checks(refreshed: Refreshed) -> list[tuple[str, str]]:
    """Data tests of the mart, compiled for the tables that are published."""
    project = Project()
    with refreshed.copy.in_force():
        project.parse()
        chosen = project.invoke(
            "compile", "--select", "tier_migration,test_type:data", "test_type:singular"
        )
    found = [
        (node.name, node.compiled_code.replace('"candidate".', '"build_2".'))
        for node in chosen.values()
        if "migration" in node.name
    ]
    assert len(found) == 4
    return found


def _failing(conn: Connection, checks: list[tuple[str, str]]) -> list[str]:
    return [name for name, query in checks if conn.execute(query.encode()).fetchone()]


@pytest.mark.parametrize("wrong", _WRONG)
def test_what_somebody_changed_is_seen(
    there: Copy, checks: list[tuple[str, str]], wrong: str
) -> None:
    with warehouse.connect() as conn:
        assert _failing(conn, checks) == []
        conn.execute("set local session_replication_role = replica")
        conn.execute(_WRONG[wrong].replace("{}", "build_2").encode())
        assert _failing(conn, checks)
        conn.rollback()


def test_who_is_handed_in_afterwards_moves_too(there: Copy) -> None:
    """Without a build. The last test that reads this warehouse, which it changes."""
    before = _shown(there)
    record = {
        **{"org_code": golden.ORG, "external_id": "g03", "source_system": "API"},
        **{"index_date": "2026-07-01", "gender": "female", "race": "White"},
        **{"age": 85, "conditions": ["chf", "ckd", "copd"], "has_esrd": True},
        **{"total_admissions": 8, "total_hospital_days": 60},
        **{"last_admission_date": "2026-06-25", "total_outpatient_visits": 20},
        **{"annual_cost": 90000, "inpatient_cost": 80000},
    }
    with adding.intake() as intake:
        answer = intake.add(list(documents.split(json.dumps(record).encode())))
    assert answer.count("accepted") == 1
    pd.testing.assert_frame_equal(_shown(there), _expected(there), check_dtype=False)
    assert not before.equals(_shown(there))


def test_nothing_before_is_said_in_words(base: Copy) -> None:
    said = io.StringIO()
    with redirect_stdout(said), warehouse.connect() as conn:
        report.show_tier_changes(common.out, conn, "BASELINE")
    assert said.getvalue() == (
        "Nobody of BASELINE was scored before this cohort: nobody moved.\n"
    )


def test_a_build_that_fails_leaves_the_load_and_says_so(
    clone: Copy, riskmart: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.published()
    golden.load()

    def fail(**_: Any) -> NoReturn:
        raise GateFailed("assert_something: Got 1 result")

    monkeypatch.setattr(pipeline, "build", fail)
    given = ("--org", golden.ORG, "--as-of", str(LATER), "--replace-reference")
    done = riskmart("load", "cohort", str(golden.FOLDER / "golden.csv"), *given)
    assert done.code == 1
    [load_id] = clone.rows(
        "select load_id from raw.loads where as_of_date = %s", str(LATER)
    )[0]
    assert "assert_something: Got 1 result" in done.err
    assert f"`riskmart load remove {load_id}` takes it out" in done.err
    assert "Readers see build 1" in done.err


def test_only_a_reference_cohort_is_replaced(conn: Connection) -> None:
    def refused(org: str, as_of: date, *, is_training: bool = False) -> str:
        with pytest.raises(BadInput) as error:
            reference.check(conn, org, as_of, is_training=is_training)
        return str(error.value)

    assert "SYNTH has no cohort yet" in refused("SYNTH", LATER)
    assert "unknown organization" in refused("NOBODY", LATER)
    file = golden.FOLDER / "golden.csv"
    cohort.load(conn, file, org="SYNTH", as_of=date(2026, 3, 31))
    reference.check(conn, "SYNTH", date(2026, 3, 31), is_training=False)
    reference.check(conn, "SYNTH", LATER, is_training=False)
    assert "of 2026-03-31" in refused("SYNTH", date(2026, 3, 30))
    assert "training" in refused("SYNTH", LATER, is_training=True)
    # The seed is the baseline's first.
    reference.check(conn, "BASELINE", date(2025, 12, 31), is_training=False)
    assert "of 2025-12-31" in refused("BASELINE", date(2025, 12, 30))


def test_what_is_refused_is_not_loaded(conn: Connection, riskmart: Run) -> None:
    conn.commit()
    given = ("--org", "SYNTH", "--as-of", str(LATER), "--replace-reference")
    done = riskmart("load", "cohort", str(golden.FOLDER / "golden.csv"), *given)
    assert done.code == 2
    assert "no cohort yet" in done.err
    assert conn.execute("select count(*) from raw.loads").fetchone() == (0,)
