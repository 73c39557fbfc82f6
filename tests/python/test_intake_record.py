"""A new patient's record: what it may say, and every fault at once."""

import json
from typing import Any

import jsonschema
import pytest

from python_scoring.intake.record import CONDITIONS, EXPECTED, json_schema, read
from python_scoring.readmission.features import FEATURES

GOOD: dict[str, Any] = {
    "org_code": "SYNTH",
    "external_id": "A-1",
    "source_system": "API",
    "index_date": "2026-06-30",
    "gender": "female",
    "race": "White",
    "birth_date": "1950-06-30",
    "conditions": ["chf", "diabetes"],
    "has_esrd": False,
    "total_admissions": 2,
    "total_hospital_days": 9,
    "last_admission_date": "2026-05-20",
    "total_outpatient_visits": 12,
    "annual_cost": 24310.5,
    "inpatient_cost": 16800,
}


def faults(**changes: Any) -> dict[str | None, str]:
    """Read the good record with changes (None takes a field away): what is wrong."""
    fields = {k: v for k, v in {**GOOD, **changes}.items() if v is not None}
    record, found = read(fields)
    assert (record is None) == bool(found)
    assert len({fault.field for fault in found}) == len(found)
    return {fault.field: fault.expected for fault in found}


def test_a_good_record_is_read() -> None:
    record, found = read(GOOD)
    assert found == []
    assert record is not None
    assert (record.gender, record.race) == (1, 1)
    assert [name for name in CONDITIONS if record.has(name)] == ["chf", "diabetes"]


@pytest.mark.parametrize(
    "changes",
    [
        {"birth_date": None, "age": 76},
        {"gender": "M", "race": 5},
        {"race": "hispanic", "has_chf": True},
        {"conditions": None, "has_stroke": 1},
        {"total_admissions": 0, "total_hospital_days": 0, "last_admission_date": None},
        {
            "total_admissions": 0,
            "total_hospital_days": 0,
            "last_admission_date": "2025-06-30",
        },
        {"last_admission_date": "2026-06-30", "birth_date": "2026-06-30"},
        {"index_date": "2028-02-29", "last_admission_date": "2027-03-01"},
        {"inpatient_cost": 24310.5},
    ],
)
def test_what_is_allowed(changes: dict[str, Any]) -> None:
    assert faults(**changes) == {}


def test_the_cells_of_a_table_are_read_alike() -> None:
    cells = {name: str(value) for name, value in GOOD.items()}
    cells |= {"conditions": "chf; diabetes", "has_esrd": "0"}
    assert read(cells) == read(GOOD)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("external_id", ""),
        ("external_id", "a\u202eb"),
        ("external_id", "a\x00b"),
        ("external_id", "\ud800"),
        ("external_id", "x" * 201),
        ("external_id", 12),
        ("source_system", "FAX"),
        ("index_date", "2026-02-30"),
        ("index_date", 20260630),
        ("index_date", "2026-06-30T00:00:00"),
        ("gender", "unknown"),
        ("gender", 1),
        ("race", "Blue"),
        ("race", 4),
        ("race", True),
        ("has_esrd", "perhaps"),
        ("has_chf", 2),
        ("conditions", ["gout"]),
        ("conditions", {"chf": True}),
        ("conditions", [1]),
        ("total_admissions", 2.5),
        ("total_admissions", True),
        ("total_admissions", 367),
        ("total_admissions", [2]),
        ("total_outpatient_visits", -1),
        ("annual_cost", float("nan")),
        ("annual_cost", "inf"),
        ("annual_cost", 1e9),
    ],
)
def test_what_is_not(field: str, value: Any) -> None:
    found = faults(**{field: value})
    assert found[field] == EXPECTED[field]
    # Only what hangs on it may be wrong beside it.
    assert len(found) <= 2


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"age": 76}, "age", "either age or birth_date, and not both"),
        ({"birth_date": None}, "age", "either age or birth_date, and not both"),
        ({"birth_date": "2026-07-01"}, "birth_date", "up to index_date"),
        ({"birth_date": "1900-01-01"}, "birth_date", "at most 120 years before"),
        ({"has_chf": False}, "conditions", "none that its own field denies"),
        ({"last_admission_date": None}, "last_admission_date", "in the year up to"),
        (
            {"last_admission_date": "2025-06-30"},
            "last_admission_date",
            "in the year up to",
        ),
        ({"last_admission_date": "2026-07-01"}, "last_admission_date", "up to index"),
        ({"inpatient_cost": 24310.51}, "inpatient_cost", "at most annual_cost"),
    ],
)
def test_what_does_not_go_together(
    changes: dict[str, Any], field: str, words: str
) -> None:
    found = faults(**changes)
    assert list(found) == [field]
    assert words in found[field]


def test_an_admission_of_nobody_admitted() -> None:
    found = faults(total_admissions=0)
    assert found == {
        "total_hospital_days": "0, as there was no admission",
        "last_admission_date": "a day more than a year ago, or none",
    }


def test_every_fault_is_told_at_once() -> None:
    record, found = read({"gendr": "F", "race": "Blue", "age": -1, "nested": [[1]]})
    assert record is None
    told = {fault.field: fault for fault in found}
    missing = set(GOOD) - {"race", "conditions", "birth_date", "last_admission_date"}
    assert set(told) == missing | {"gendr", "race", "age", "nested"}
    assert told["gendr"].expected == "no such field; did you mean gender?"
    assert told["nested"].expected == "no such field"
    assert (told["age"].value, told["gender"].value) == ("-1", None)


def test_values_are_shown_short_and_visible() -> None:
    _, [fault] = read({**GOOD, "external_id": "\x1b" * 10_000_000})
    assert fault.value is not None
    assert len(fault.value) <= 200
    assert fault.value.isprintable()


def test_the_schema_says_the_same() -> None:
    schema = json.loads(json.dumps(json_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    assert check.is_valid(GOOD)
    for wrong in (
        {"gender": "unknown"},
        {"race": "Blue"},
        {"age": 121},
        {"total_admissions": -1},
        {"conditions": ["gout"]},
        {"other": 1},
    ):
        assert not check.is_valid({**GOOD, **wrong}), wrong
        assert read({**GOOD, **wrong})[0] is None
    assert set(schema["properties"]) == set(EXPECTED)


def test_the_fields_are_those_of_the_features() -> None:
    base = {feature.name for feature in FEATURES if feature.is_base_field}
    # Said otherwise by people: gender, race, the day of the last admission.
    told_otherwise = {"is_female", "race_code", "days_since_last_admission"}
    assert base - told_otherwise <= set(EXPECTED)
