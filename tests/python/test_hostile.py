"""Hostile rows and identifiers: each loaded unchanged or refused with a reason."""

from pathlib import Path

from copies import Copy

from benchmarks import hostile
from python_scoring import warehouse
from python_scoring.intake import adding

_CATALOGUE = """
select oid::regclass::text, relacl::text from pg_class
where relnamespace::regnamespace::text !~ '^pg_'
union all
select rolname, rolsuper::text from pg_roles
order by 1
"""


def test_hostile_records_are_taken_in_as_they_are_or_refused(clone: Copy) -> None:
    clone.published()
    before = clone.rows(_CATALOGUE)
    with adding.intake() as intake:
        done = hostile.hand_in(intake, 250)
    assert done.given >= 200
    assert min(done.unchanged, done.refused) > 30
    assert not done.wrong
    assert clone.rows(_CATALOGUE) == before
    # Who came is in the marts, whatever they are called.
    came = "select count(distinct external_id) from raw.new_patients"
    new = "select count(*) from marts.patients where data_source = 'NEW_PATIENT'"
    assert clone.value(new) == clone.value(came) > 30


def test_hostile_files_are_loaded_as_they_are_or_refused(
    clone: Copy, tmp_path: Path
) -> None:
    before = clone.rows(_CATALOGUE)
    with warehouse.connect(autocommit=True) as conn:
        done = hostile.load_files(conn, tmp_path, 250)
    assert done.given >= 200
    assert min(done.unchanged, done.refused) > 30
    assert not done.wrong
    assert clone.rows(_CATALOGUE) == before
