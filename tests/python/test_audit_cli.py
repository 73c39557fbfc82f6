"""`riskmart audit`: what it prints, and its exit codes; entries of every deed."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from copies import Copy
from test_add import PERSON
from test_publication import DROPPED, next_candidate
from trails import actions, add_months, tamper

from python_scoring import warehouse
from python_scoring.access import members
from python_scoring.audit import heads, store
from python_scoring.commands import load as load_commands
from python_scoring.intake import adding, serving
from python_scoring.intake.documents import split
from python_scoring.publication import builds, publish
from python_scoring.warehouse import Connection


@pytest.fixture
def heads_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file for heads of one test: clones of one warehouse have one name."""
    file = tmp_path / "heads.jsonl"
    monkeypatch.setenv("RISKMART_AUDIT_HEADS", str(file))
    forget_what_was_recorded()
    return file


def forget_what_was_recorded() -> None:
    """Let no command note the head of what this process has done before it."""
    store.has_recorded()


def entries(copy: Copy, action: str) -> list[tuple[Any, ...]]:
    return copy.rows(
        "select object, row_count, build_id, detail from audit.audit_log"
        " where action = %s order by entry_id",
        action,
    )


def test_every_step_of_a_build_is_there(clone: Copy) -> None:
    with warehouse.connect() as conn:
        done = actions(conn)
    assert done == [
        *("load", "registration", "promotion", "training", "score", "evaluation"),
        "build",
    ]
    [(load, rows, _, detail)] = entries(clone, "load")
    assert (load, rows, detail["purpose"]) == ("load 1", 20_000, "training")
    assert entries(clone, "score")[0][:2] == ("batch 1", 3_000)
    assert entries(clone, "build")[0][2:] == (1, {"status": "candidate"})


def test_what_is_written_out_is_there_and_not_whom_it_asks_for(
    clone: Copy, heads_file: Path, riskmart: Run
) -> None:
    query = "select 'K-1007' as who union all select 'K-1008'"
    assert riskmart("sql", query).code == 0
    assert not entries(clone, "export")
    assert riskmart("sql", query, "--csv").code == 0
    [(what, rows, _, detail)] = entries(clone, "export")
    assert (what, rows, set(detail)) == ("sql --csv", 2, {"query_sha256"})


def test_a_membership_is_there(clone: Copy) -> None:
    clone.published()
    clone.execute("create role try_trail login")
    try:
        with warehouse.connect(autocommit=True) as conn:
            members.grant(conn, "try_trail", "BASELINE", role="analyst")
            members.revoke(conn, "try_trail")
    finally:
        clone.execute("drop role try_trail")
    [given, taken] = entries(clone, "role_change")
    assert given[:2] == ("try_trail", 1)
    assert given[3]["granted"] == "analyst"
    assert taken[3] == {"revoked": "all"}


def test_publication_and_way_back_are_there(clone: Copy) -> None:
    clone.published()
    next_candidate(clone)
    clone.published()
    with warehouse.connect(autocommit=True) as conn:
        publish.go_back(conn)
        publish.carry_grants(conn)
    counted = clone.value(
        "select sum(v::int) from raw.builds, jsonb_each_text"
        "(row_counts) as c (k, v) where build_id = 1"
    )
    [first, second] = entries(clone, "publish")
    assert first == ("marts", counted, 1, {"instead_of": None, "caught_up": 0})
    assert second[2:] == (2, {"instead_of": 1, "caught_up": 0})
    [back] = entries(clone, "rollback")
    assert back == ("marts", counted, 1, {"instead_of": 2, "caught_up": 0})
    assert entries(clone, "carry_grants")[0][2] == 1


def test_a_refused_publication_leaves_no_entry(clone: Copy, riskmart: Run) -> None:
    clone.published()
    next_candidate(clone, DROPPED)
    with warehouse.connect(autocommit=True) as conn:
        candidate = builds.candidate(conn)
        assert candidate
        with pytest.raises(Exception, match="would change"):
            publish.publish(conn, candidate)
    assert len(entries(clone, "publish")) == 1


def test_a_load_and_its_removal(
    clone: Copy, riskmart: Run, tmp_path: Path, heads_file: Path
) -> None:
    assert riskmart("synth", "--patients", "50", "--to", str(tmp_path)).code == 0
    file = tmp_path / "synth_50_1.parquet"
    load = ("load", "cohort", str(file), "--org", "SYNTH", "--as-of", "2026-01-01")
    assert riskmart(*load).code == 0
    # The same again is no deed.
    assert riskmart(*load).code == 0
    assert riskmart("load", "remove", "2").code == 0
    [_, loaded] = entries(clone, "load")
    assert loaded[:2] == ("load 2", 50)
    assert loaded[3]["org_code"] == "SYNTH"
    assert entries(clone, "load_removal")[0][:2] == ("load 2", 50)
    # Each command noted the head that it left.
    assert len(heads_file.read_text().splitlines()) == 2
    done = riskmart("audit", "verify")
    assert done.code == 0
    assert "9 entries, 1 to 9" in done.out
    assert "the 2 noted outside are among them" in done.out


def test_a_replaced_load_and_a_replaced_reference(
    clone: Copy, riskmart: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_commands, "_build_on", lambda result: None)
    for seed in ("1", "2"):
        done = riskmart(
            "synth", "--patients", "50", "--seed", seed, "--to", str(tmp_path)
        )
        assert done.code == 0
    common = ("--org", "SYNTH", "--as-of", "2026-01-01")
    first, second = (str(tmp_path / f"synth_50_{seed}.parquet") for seed in "12")
    assert riskmart("load", "cohort", first, *common).code == 0
    more = ("--replace", "--replace-reference")
    assert riskmart("load", "cohort", second, *common, *more).code == 0
    with warehouse.connect() as conn:
        assert actions(conn)[-4:] == [
            *("load", "load_removal", "load", "reference_replacement")
        ]
    [(load, rows, _, detail)] = entries(clone, "reference_replacement")
    assert (load, rows, detail["instead_of"]) == ("load 3", 50, "2026-01-01")


def test_a_failed_load_leaves_no_entry(
    clone: Copy, riskmart: Run, tmp_path: Path, heads_file: Path
) -> None:
    before = len(entries(clone, "load"))
    file = tmp_path / "bad.csv"
    file.write_text("external_id\nx\n")
    done = riskmart(
        "load", "cohort", str(file), "--org", "SYNTH", "--as-of", "2026-01-01"
    )
    assert done.code == 2
    assert len(entries(clone, "load")) == before
    assert not heads_file.exists()


def test_a_submission_is_one_entry_and_a_dry_run_none(
    clone: Copy, riskmart: Run, tmp_path: Path, heads_file: Path
) -> None:
    clone.published()
    forget_what_was_recorded()
    people = [PERSON, PERSON | {"external_id": "NEW-2"}, PERSON | {"gender": "?"}]
    file = tmp_path / "people.json"
    file.write_text(json.dumps(people))
    riskmart("add", str(file), "--dry-run")
    assert entries(clone, "intake") == []
    assert not heads_file.exists()
    riskmart("add", str(file))
    [(name, rows, build_id, detail)] = entries(clone, "intake")
    assert (name, rows, build_id) == ("raw.new_patients", 3, 1)
    assert (detail["accepted"], detail["rejected"]) == (2, 1)
    # Never who they are.
    everything = clone.value("select string_agg(t::text, '') from audit.audit_log as t")
    assert "NEW-" not in everything
    assert len(heads_file.read_text().splitlines()) == 1


def test_what_waited_for_the_service_is_an_entry(clone: Copy) -> None:
    clone.published()
    [document] = split(json.dumps(PERSON).encode())
    clone.execute(
        "insert into raw.new_patient_raw_input (content) values (%s)", document.content
    )
    told: list[Any] = []
    with adding.intake() as intake:
        serving.serve(intake, told.append, told.append, lambda: bool(told))
    [(_, rows, _, detail)] = entries(clone, "intake")
    assert (rows, detail["accepted"]) == (1, 1)


def test_verify_says_where_and_exits_with_1(trail: Connection, riskmart: Run) -> None:
    for number in range(3):
        store.record(trail, "load", f"load {number}")
    heads.note(trail)
    assert riskmart("audit", "verify").code == 0
    tamper(trail, "update audit.audit_log set row_count = 1 where entry_id = 2")
    done = riskmart("audit", "verify")
    assert done.code == 1
    assert "the trail was tampered with" in done.err
    assert "entry 2 of " in done.err


def test_show(trail: Connection, riskmart: Run) -> None:
    add_months(trail, {"2020-01": 2})
    for number in range(30):
        store.record(trail, "load", f"load {number}", number)
    store.record(trail, "publish", "marts", 5, 7, {"instead_of": 6})
    done = riskmart("audit", "show")
    assert done.code == 0
    assert "load 29" in done.out
    assert "load 10" not in done.out
    assert '{"instead_of": 6}' in riskmart("audit", "show", "--action", "publish").out
    done = riskmart("audit", "show", "--last", "99", "--since", "2021-01-01")
    assert "2020-01" not in done.out
    assert "load 0" in done.out


def test_archive_and_verify_the_file(
    trail: Connection, riskmart: Run, tmp_path: Path
) -> None:
    add_months(trail, {"2015-11": 3, "2016-02": 1})
    done = riskmart("audit", "archive", "--before", "2016-01", "--to", str(tmp_path))
    assert done.code == 0
    assert "2015-11: 3 entries" in done.out
    file = str(tmp_path / "audit_2015-11.jsonl.gz")
    done = riskmart("audit", "verify", "--archive", file)
    assert done.code == 0
    assert "3 entries, 1 to 3" in done.out
    assert riskmart("audit", "verify").code == 0
    assert riskmart("audit", "archive", "--before", "2099-01").code == 2
    assert "No month" in riskmart("audit", "archive", "--before", "2016-01").out
