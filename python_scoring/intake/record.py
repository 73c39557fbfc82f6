"""What a new patient's record may say: one typed schema, for us and for front ends.

Bounds and codes are those of ``features.csv`` and ``races.csv``. A field that hangs
on others stands after them, so that one pass finds every fault.
"""

import difflib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from python_scoring.cohorts import layout
from python_scoring.cohorts.values import shown
from python_scoring.readmission.features import FEATURES

SourceSystem = Literal["FRONTEND_FORM", "API", "IMPORTED"]
SOURCE_SYSTEMS: tuple[str, ...] = get_args(SourceSystem)
CONDITIONS = tuple(
    feature.name.removeprefix("has_")
    for feature in FEATURES
    if feature.group == "conditions"
)

_FEATURES = {feature.name: feature for feature in FEATURES}
_RACES = layout.races()
_RACE_CODES = {
    word: int(code) for code, name in _RACES.items() for word in (name.lower(), code)
}
_GENDERS = {"female": 1, "f": 1, "male": 0, "m": 0}
_NUMBERS = (
    *("age", "total_admissions", "total_hospital_days"),
    *("total_outpatient_visits", "annual_cost", "inpatient_cost"),
)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_LONGEST_ID = 200
_FIRST_YEAR = 1900
# Control and format characters, half characters and line ends: nobody can see them.
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _identifier(value: Any) -> Any:
    """Take what looks the same for the same: no blanks around, composed letters."""
    if isinstance(value, str):
        value = unicodedata.normalize("NFC", value.strip())
    is_visible = (
        isinstance(value, str)
        and value
        and len(value) <= _LONGEST_ID
        and not any(unicodedata.category(c) in _UNSEEN for c in value)
    )
    if not is_visible:
        raise ValueError
    return value


def _day(value: Any) -> Any:
    """Take days in words alone: a bare number could be anything."""
    if not isinstance(value, str) or not _DAY.fullmatch(value.strip()):
        raise ValueError
    return date.fromisoformat(value.strip())


def _number(value: Any) -> Any:
    """Take neither true nor false for a number."""
    if isinstance(value, bool):
        raise ValueError
    return value


def _gender(value: Any) -> Any:
    word = str(value).strip().lower()
    if word not in _GENDERS:
        raise ValueError
    return _GENDERS[word]


def _race(value: Any) -> Any:
    word = str(value).strip().lower()
    if word not in _RACE_CODES:
        raise ValueError
    return _RACE_CODES[word]


def _words(value: Any) -> Any:
    """Split the cell of a table: chf;diabetes."""
    return [v.strip() for v in value.split(";")] if isinstance(value, str) else value


def _described(name: str) -> str:
    feature = _FEATURES[name]
    noun = "a number" if feature.data_type == "number" else "a whole number"
    return f"{noun} from {feature.minimum:,.0f} to {feature.maximum:,.0f}"


Identifier = Annotated[str, BeforeValidator(_identifier)]
Day = Annotated[date, BeforeValidator(_day)]
Gender = Annotated[
    int,
    BeforeValidator(_gender),
    WithJsonSchema({"type": "string", "enum": ["female", "male"]}),
]
Race = Annotated[
    int,
    BeforeValidator(_race),
    WithJsonSchema({"type": "string", "enum": list(_RACES.values())}),
]
Count = Annotated[int, BeforeValidator(_number)]
Amount = Annotated[float, BeforeValidator(_number)]

EXPECTED = {
    "org_code": "the code of an organization",
    "external_id": f"an identifier of 1 to {_LONGEST_ID} printable characters",
    "source_system": f"one of {', '.join(SOURCE_SYSTEMS)}",
    "gender": "female or male",
    "race": f"one of {', '.join(_RACES.values())}, or its code",
    "conditions": f"a list of some of {', '.join(CONDITIONS)}",
    "has_esrd": "true or false",
    **{f"has_{name}": "true or false" for name in CONDITIONS},
    **{name: _described(name) for name in _NUMBERS},
    **dict.fromkeys(
        ("index_date", "birth_date", "last_admission_date"), "a day, YYYY-MM-DD"
    ),
}


def _describe(schema: dict[str, Any]) -> None:
    """Say in the JSON Schema what is expected, and the bounds of numbers."""
    for name, described in schema["properties"].items():
        described["description"] = EXPECTED[name]
        if name in _NUMBERS:
            described["minimum"] = _FEATURES[name].minimum
            described["maximum"] = _FEATURES[name].maximum
    for name in ("org_code", "external_id"):
        schema["properties"][name] |= {"minLength": 1, "maxLength": _LONGEST_ID}
    for kind in schema["properties"]["conditions"]["anyOf"]:
        if kind.get("type") == "array":
            kind["items"] = {"type": "string", "enum": list(CONDITIONS)}
    schema["anyOf"] = [{"required": ["birth_date"]}, {"required": ["age"]}]


class PatientRecord(BaseModel):
    """One patient as a form, a program or a file hands them in.

    Either ``birth_date`` or ``age`` (years, at the index date); conditions as a list,
    as flags, or both. Admissions, days, visits and costs (USD) are those of the year
    up to the index date.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
        json_schema_extra=_describe,
    )

    org_code: Identifier
    external_id: Identifier
    source_system: SourceSystem
    index_date: Day
    gender: Gender
    race: Race
    birth_date: Day | None = None
    age: Count | None = None
    has_alzheimers: bool | None = None
    has_chf: bool | None = None
    has_ckd: bool | None = None
    has_cancer: bool | None = None
    has_copd: bool | None = None
    has_depression: bool | None = None
    has_diabetes: bool | None = None
    has_ischemic_heart: bool | None = None
    has_ra_oa: bool | None = None
    has_stroke: bool | None = None
    conditions: Annotated[list[str] | None, BeforeValidator(_words)] = None
    has_esrd: bool
    total_admissions: Count
    total_hospital_days: Count
    last_admission_date: Day | None = None
    total_outpatient_visits: Count
    annual_cost: Amount
    inpatient_cost: Amount

    @field_validator(*_NUMBERS)
    @classmethod
    def _is_within(cls, value: float | None, info: ValidationInfo) -> Any:
        feature = _FEATURES[str(info.field_name)]
        low, high = feature.minimum or 0, feature.maximum or 0
        if value is not None and not low <= value <= high:
            raise ValueError
        return value

    @field_validator("index_date")
    @classmethod
    def _is_of_our_time(cls, value: date) -> date:
        _expect(value.year >= _FIRST_YEAR, f"a day from {_FIRST_YEAR} on")
        return value

    @field_validator("birth_date")
    @classmethod
    def _is_born(cls, value: date | None, info: ValidationInfo) -> Any:
        index_date = info.data.get("index_date")
        oldest = int(_FEATURES["age"].maximum or 0)
        if value and index_date:
            _expect(value <= index_date, "a day up to index_date")
            years = index_date.year - value.year
            _expect(years <= oldest, f"a day at most {oldest} years before index_date")
        return value

    @field_validator("age")
    @classmethod
    def _is_one_of_two(cls, value: int | None, info: ValidationInfo) -> Any:
        if "birth_date" in info.data:
            is_one = (value is None) != (info.data["birth_date"] is None)
            _expect(is_one, "either age or birth_date, and not both")
        return value

    @field_validator("conditions")
    @classmethod
    def _are_known(cls, value: list[str] | None, info: ValidationInfo) -> Any:
        for name in value or ():
            _expect(name in CONDITIONS, EXPECTED["conditions"])
            is_denied = info.data.get(f"has_{name}") is False
            _expect(not is_denied, "none that its own field denies")
        return value

    @field_validator("total_hospital_days")
    @classmethod
    def _was_admitted(cls, value: int, info: ValidationInfo) -> Any:
        if info.data.get("total_admissions") == 0:
            _expect(value == 0, "0, as there was no admission")
        return value

    @field_validator("last_admission_date")
    @classmethod
    def _agrees_with_admissions(cls, value: date | None, info: ValidationInfo) -> Any:
        index_date = info.data.get("index_date")
        admissions = info.data.get("total_admissions")
        if index_date is None:
            return value
        if value is not None:
            born = info.data.get("birth_date")
            _expect(value <= index_date, "a day up to index_date")
            _expect(born is None or value >= born, "a day from birth_date on")
            most = int(_FEATURES["days_since_last_admission"].maximum or 0)
            is_near = (index_date - value).days <= most
            _expect(is_near, f"a day at most {most:,} days before index_date")
        is_in_year = value is not None and value > _a_year_before(index_date)
        if admissions == 0:
            _expect(not is_in_year, "a day more than a year ago, or none")
        elif admissions:
            _expect(is_in_year, "a day in the year up to index_date")
        return value

    @field_validator("inpatient_cost")
    @classmethod
    def _is_part(cls, value: float, info: ValidationInfo) -> Any:
        annual = info.data.get("annual_cost")
        _expect(annual is None or value <= annual, "at most annual_cost")
        return value

    def has(self, condition: str) -> bool:
        """Whether a condition is flagged or listed."""
        flag: bool | None = getattr(self, f"has_{condition}")
        return bool(flag) or condition in (self.conditions or ())


def _expect(is_so: bool, words: str) -> None:
    if not is_so:
        raise PydanticCustomError("rule", "{words}", {"words": words})


def _a_year_before(day: date) -> date:
    """Take a year off as PostgreSQL does: 29 February becomes the 28th."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


@dataclass(frozen=True)
class Fault:
    """What is wrong with one field of a record; no field where all of it is."""

    field: str | None
    value: str | None
    expected: str


def read(fields: Mapping[str, Any]) -> tuple[PatientRecord | None, list[Fault]]:
    """Check a record.

    Parameters
    ----------
    fields
        As parsed from JSON; or words, as in the cells of a table.

    Returns
    -------
    The record and no fault, or no record and every fault.
    """
    try:
        return PatientRecord.model_validate(fields), []
    except ValidationError as error:
        # Of a list each element may be one: the first is told.
        told = {_field_of(found): found for found in reversed(error.errors())}
        faults = [_fault(fields, field, found) for field, found in told.items()]
        return None, faults[::-1]


def _field_of(found: ErrorDetails) -> str | None:
    """Name the field; None where not even its name can be read."""
    return str(found["loc"][0]) if found["loc"] else None


def _fault(fields: Mapping[str, Any], field: str | None, found: ErrorDetails) -> Fault:
    if field is None:
        return Fault(None, None, "names of fields that are Unicode text")
    if found["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, PatientRecord.model_fields, 1)
        words = f"no such field; did you mean {near[0]}?" if near else "no such field"
        return Fault(shown(field), shown(fields[field]), words)
    expected = found["msg"] if found["type"] == "rule" else EXPECTED[field]
    return Fault(field, shown(fields.get(field)), expected)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a record, for forms and programs."""
    return PatientRecord.model_json_schema()
