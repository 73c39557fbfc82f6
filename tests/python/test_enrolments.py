"""Who is in a programme: taken in, corrected, refused in words, renamed, forgotten."""

import gzip
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from conftest import Run
from copies import Copy
from test_add import PERSON

from python_scoring import holdout, warehouse
from python_scoring.cohorts import enrolments
from python_scoring.errors import BadInput
from python_scoring.identities import forgetting, keys, rotation, scan
from python_scoring.identities.scan import Person
from python_scoring.intake import adding
from python_scoring.intake.documents import split

KEPT = """
select external_id, enrolled_on::text, left_on::text from raw.programme_enrolments
where programme_code = 'CALLS' order by 1, 2
"""
HEADER = "external_id,enrolled_on,left_on"


def people(copy: Copy, *, controls: bool) -> list[str]:
    """Name people of one arm, as they are called outside."""
    rows = copy.rows(
        "select external_id, patient_uuid::text from raw.patient_registry order by 1"
    )
    salt, share = holdout.salt(), holdout.share()
    return [one for one, uid in rows if (holdout.draw(salt, uid) < share) == controls]


def written(folder: Path, *lines: str, header: str = HEADER) -> Path:
    file = folder / "enrolled.csv"
    file.write_text("\n".join([header, *lines]) + "\n")
    return file


def take(file: Path, **options: object) -> enrolments.EnrolmentResult:
    given = {"org": "BASELINE", "programme": "CALLS"} | options
    with warehouse.connect(autocommit=True) as conn:
        return enrolments.load(conn, file, **given)  # type: ignore[arg-type]


def counts(result: enrolments.EnrolmentResult) -> Sequence[int]:
    return result.rows, result.added, result.changed, result.removed


def test_same_file_changes_nothing_and_another_last_day_is_a_correction(
    clone: Copy, tmp_path: Path
) -> None:
    one, other = people(clone, controls=False)[:2]
    file = written(tmp_path, f"{one},2026-01-05,", f"{other},2026-01-06,2026-02-01")
    assert counts(take(file)) == (2, 2, 0, 0)
    again = take(file)
    assert (counts(again), again.load_id) == ((2, 0, 0, 0), None)
    assert clone.value("select count(*) from raw.enrolment_loads") == 1
    corrected = written(tmp_path, f"{one},2026-01-05,2026-03-01")
    assert counts(take(corrected)) == (1, 0, 1, 0)
    assert clone.rows(KEPT) == [
        (one, "2026-01-05", "2026-03-01"),
        (other, "2026-01-06", "2026-02-01"),
    ]
    assert counts(take(corrected, replace=True)) == (1, 0, 0, 1)
    assert [row[0] for row in clone.rows(KEPT)] == [one]
    assert counts(take(corrected, programme="OTHER")) == (1, 1, 0, 0)


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_every_kind_of_file_says_the_same(
    clone: Copy, tmp_path: Path, kind: str
) -> None:
    one = people(clone, controls=False)[0]
    file = tmp_path / f"enrolled.{kind}"
    if kind == "parquet":
        frame = pd.DataFrame(
            {
                "external_id": [one, one],
                "enrolled_on": [date(2026, 1, 5), date(2026, 2, 5)],
                "left_on": [date(2026, 1, 9), None],
            }
        )
        frame.to_parquet(file)
    else:
        text = f"{HEADER}\n{one},2026-01-05,2026-01-09\n{one},2026-02-05,\n".encode()
        file.write_bytes(gzip.compress(text) if kind == "csv.gz" else text)
    take(file)
    assert clone.rows(KEPT) == [
        (one, "2026-01-05", "2026-01-09"),
        (one, "2026-02-05", None),
    ]


def test_template_loads_as_it_stands_once_its_people_are_known(
    clone: Copy, tmp_path: Path, riskmart: Run
) -> None:
    said = riskmart("load", "enrolments", "--template")
    lines = said.out.split("Example:\n")[1].strip().splitlines()
    one, other = people(clone, controls=False)[:2]
    named = [x.replace("A-0001", one).replace("A-0002", other) for x in lines[1:]]
    file = written(tmp_path, *named, header=lines[0])
    done = riskmart(
        "load", "enrolments", str(file), "--org", "BASELINE", "--programme", "CALLS"
    )
    assert (done.code, "2 new" in done.out) == (0, True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "NOBODY,2026-01-05,",
            "line 2, column external_id: 'NOBODY'; expected a person",
        ),
        (
            "{},2026-01-05,2026-01-04",
            "column left_on: '2026-01-04'; expected a day on or",
        ),
        ("{},20260105,", "column enrolled_on: '20260105'; expected a day, YYYY-MM-DD"),
        ("{},2026-02-30,", "column enrolled_on: '2026-02-30'"),
        ("{},,", "column enrolled_on: nothing"),
        (
            "{},2026-01-05,soon",
            "column left_on: 'soon'; expected a day, YYYY-MM-DD, or",
        ),
    ],
)
def test_bad_row_is_told_and_nothing_is_half_done(
    clone: Copy, tmp_path: Path, line: str, said: str
) -> None:
    one, other = people(clone, controls=False)[:2]
    file = written(tmp_path, line.format(one), f"{other},2026-01-05,")
    with pytest.raises(BadInput) as refused:
        take(file)
    assert said in str(refused.value)
    assert clone.rows(KEPT) == []
    assert clone.value("select count(*) from raw.enrolment_loads") == 0
    result = take(file, max_reject_share=0.5)
    assert (result.rejected, result.added) == (1, 1)
    assert said in str(result.rejects[0])


def test_same_person_and_day_twice_is_a_fault(clone: Copy, tmp_path: Path) -> None:
    one = people(clone, controls=False)[0]
    file = written(tmp_path, f"{one},2026-01-05,", f"{one},2026-01-05,2026-02-01")
    with pytest.raises(
        BadInput, match="expected each external_id and enrolled_on once"
    ):
        take(file)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"programme": "calls"}, "--programme calls: expected a capital letter"),
        ({"org": "NOWHERE"}, "--org NOWHERE: unknown; expected one of BASELINE"),
        ({"org": "SYNTH"}, "SYNTH: nobody is known there yet"),
        ({"org": None}, "whose people? Expected --org or a column org_code"),
    ],
)
def test_what_was_asked_is_refused_in_words(
    clone: Copy, tmp_path: Path, options: dict[str, object], said: str
) -> None:
    file = written(tmp_path, "BL-0001,2026-01-05,")
    with pytest.raises(BadInput) as refused:
        take(file, **options)
    assert said in str(refused.value)


def test_file_may_say_whose_people_they_are(clone: Copy, tmp_path: Path) -> None:
    one = people(clone, controls=False)[0]
    header = f"{HEADER},org_code,programme_code"
    row = f"{one},2026-01-05,,BASELINE,CALLS"
    assert take(written(tmp_path, row, header=header), org=None).added == 1
    two = written(tmp_path, row, f"{one},2026-01-06,,SYNTH,CALLS", header=header)
    with pytest.raises(BadInput, match="BASELINE, SYNTH; expected one organization"):
        take(two, org=None)
    with pytest.raises(BadInput, match="expected OTHER, as --programme says"):
        take(written(tmp_path, row, header=header), programme="OTHER")


def test_enrolled_controls_are_told(clone: Copy, tmp_path: Path, riskmart: Run) -> None:
    control, called = (people(clone, controls=arm)[0] for arm in (True, False))
    file = written(tmp_path, f"{called},2026-01-05,", f"{control},2026-01-05,")
    done = riskmart(
        "load", "enrolments", str(file), "--org", "BASELINE", "--programme", "CALLS"
    )
    said = " ".join(done.out.split())
    assert "1 of these people are controls" in said
    assert "first in line 3." in said
    assert take(written(tmp_path, f"{called},2026-01-05,")).controls == 0


def test_enrolments_follow_a_person_to_another_name_and_are_forgotten(
    clone: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.published()
    with adding.intake() as intake:
        intake.add(list(split(json.dumps(PERSON).encode())))
    one = PERSON["external_id"]
    file = written(tmp_path, f"{one},2026-01-05,")
    take(file)
    [(uuid, number, arm)] = clone.rows(
        "select patient_uuid::text, patient_id, is_control from raw.patient_registry"
        " inner join intermediate.int_holdout_arms using (patient_id)"
        " where external_id = %s",
        one,
    )
    key_file = tmp_path / "identity.key"
    keys.write(key_file, keys.generate())
    monkeypatch.setenv(keys.FILE_VARIABLE, str(key_file))
    with warehouse.connect(autocommit=True) as conn:
        rotation.rotate(conn)
    [(called, *_)] = clone.rows(KEPT)
    assert called != one
    assert take(file).load_id is None
    assert clone.rows(
        "select is_control from intermediate.int_holdout_arms where patient_id = %s",
        number,
    ) == [(arm,)]
    with warehouse.connect(autocommit=True) as conn:
        person = forgetting.find(conn, uuid, "", "")
        deleted = forgetting.delete(conn, person, "asked to")
        left = scan.look(conn, Person([one, called], uuid, number))
    assert deleted.tables["raw.programme_enrolments"] == 1
    assert clone.rows(KEPT) == []
    assert "raw.programme_enrolments" not in {t.relation for t in left.traces}
