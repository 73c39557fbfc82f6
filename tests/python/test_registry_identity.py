"""Who somebody is: the same patient_id and patient_uuid whatever is done."""

import os
import subprocess
from pathlib import Path

import golden
import pandas as pd
import pytest
from copies import Copy

from python_scoring import config, warehouse
from python_scoring.cohorts import cohort
from python_scoring.embedded import binaries

_PEOPLE = (
    "select org_code, external_id, patient_id, patient_uuid"
    " from raw.patient_registry order by 1, 2"
)
# As far as the patients: where identity is made, and where it is shown.
_RUN = ("build", "--exclude-resource-type", "test", "unit_test")
_SELECTED = ("--select", "+patients")


def _people(copy: Copy) -> dict[tuple[str, str], tuple[int, str]]:
    return {(org, who): (number, uuid) for org, who, number, uuid in copy.rows(_PEOPLE)}


def _load(path: Path, org: str, *, replace: bool = False) -> None:
    with warehouse.connect(autocommit=True) as conn:
        cohort.load(conn, path, org=org, as_of=golden.AS_OF, replace=replace)


@pytest.fixture
def fewer(tmp_path: Path) -> Path:
    """The golden cohort without its first three people, and with a new one."""
    people = pd.read_csv(golden.FOLDER / "golden.csv", dtype=str)
    newcomer = people.iloc[[0]].assign(external_id="a-first-by-name")
    path = tmp_path / "golden.csv"
    pd.concat([people.iloc[3:], newcomer]).to_csv(path, index=False)
    return path


def test_numbers_begin_at_one_in_sorted_order(base: Copy) -> None:
    people = _people(base)
    numbers = [number for number, _ in people.values()]
    assert numbers == list(range(1, len(people) + 1))
    assert len({uuid for _, uuid in people.values()}) == len(people)
    assert len(people) == 23_000


def test_known_people_stay_who_they_are(
    clone: Copy, fewer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _people(clone)

    golden.load()
    clone.run(*_RUN, *_SELECTED)
    with_golden = _people(clone)
    assert first.items() <= with_golden.items()
    newest = [v[0] for key, v in with_golden.items() if key not in first]
    assert newest == list(range(len(first) + 1, len(first) + 17))

    # another cohort of the same day in its place, and an organization before all
    # others; the marts are lost, and everything is made anew
    _load(fewer, golden.ORG, replace=True)
    organizations = clone.rules("organizations").read_text()
    with clone.edited(organizations=f"{organizations}0,EARLY,Sorts before others\n"):
        _load(fewer, "EARLY")
        clone.execute("drop schema candidate cascade")
        clone.execute("drop schema intermediate cascade")
        clone.run(*_RUN, "--full-refresh", *_SELECTED)
    people = _people(clone)
    assert with_golden.items() <= people.items()
    newcomers = {key: people[key][0] for key in people if key not in with_golden}
    assert {org for org, _ in newcomers} == {"EARLY", golden.ORG}
    assert sorted(newcomers.values()) == list(
        range(len(with_golden) + 1, len(people) + 1)
    )
    shown = clone.rows("select patient_id, patient_uuid from candidate.patients")
    assert set(shown) < set(people.values())
    assert len(shown) == 3_000 + 14 + 14


def test_another_number_for_an_organization_makes_nobody_somebody_else(
    clone: Copy,
) -> None:
    golden.load()
    clone.run(*_RUN, *_SELECTED)
    people = _people(clone)
    text = clone.rules("organizations").read_text()
    swapped = text.replace("1,BASELINE", "3,BASELINE").replace("3,SYNTH", "1,SYNTH")
    with clone.edited(organizations=swapped):
        clone.run(*_RUN, *_SELECTED)
    assert _people(clone) == people
    assert (
        clone.value("select count(*) from candidate.patients where organization_id = 3")
        == 3_000
    )


# What raw's row policies ask is in access.
_ROOMS = ("--schema=raw", "--schema=access")


def test_a_dump_of_raw_carries_identity_over(
    clone: Copy, base_people: dict[tuple[str, str], tuple[int, str]], tmp_path: Path
) -> None:
    dump = tmp_path / "raw.dump"
    _client("pg_dump", *_ROOMS, "--format=custom", f"--file={dump}")
    clone.drop()
    clone.administer("create database {}", config.DATABASE)
    _client("pg_restore", "--exit-on-error", f"--dbname={config.DATABASE}", str(dump))
    clone.run(*_RUN, *_SELECTED)
    assert _people(clone) == base_people
    assert clone.value("select count(*) from candidate.patients") == 3_000
    # and the ledger came along
    assert clone.value("select count(*) from raw.predictions") == 9_000


@pytest.fixture
def base_people(built: Copy) -> dict[tuple[str, str], tuple[int, str]]:
    with built.in_force():
        return _people(built)


def _client(program: str, *arguments: str) -> None:
    environment = {**os.environ, **config.libpq_environment()}
    subprocess.run(
        [binaries.client(program), *arguments], env=environment, check=True, timeout=120
    )
