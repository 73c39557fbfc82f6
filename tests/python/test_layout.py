"""The cohort layout: names, hints, bounds and the printed template."""

import math
from datetime import date

import pytest

from python_scoring.cohorts import layout
from python_scoring.errors import BadInput
from python_scoring.readmission.features import FEATURES

AS_OF = date(2024, 12, 31)
BASE = [f.name for f in FEATURES if f.is_base_field]


def columns():
    return layout.cohort_columns("SYNTH", AS_OF)


def test_base_fields_are_required_and_derived_ones_are_not():
    required = [c.name for c in columns() if c.is_required]
    assert required == ["external_id", *BASE]
    optional = {c.name: c.target for c in columns() if not c.is_required}
    derived = [f.name for f in FEATURES if not f.is_base_field]
    reported = {name: f"reported_{name}" for name in derived}
    assert optional == reported | {"org_code": "", "index_date": ""}


def test_every_number_has_bounds_or_codes():
    for column in columns():
        if column.kind in ("integer", "number"):
            is_bounded = math.isfinite(column.minimum) and math.isfinite(column.maximum)
            assert is_bounded or column.codes, column.name
            assert column.expected.startswith("expected ")


def test_columns_are_found_in_any_order():
    header = [*reversed(BASE), "external_id"]
    matched = layout.match_columns("f.csv", header, columns())
    assert {name for name, _ in matched} == set(header)
    assert all(name == column.name for name, column in matched)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda h: [c for c in h if c != "age"], "missing: age"),
        (lambda h: [*h, "age"], "column 'age' is there more than once"),
        (lambda h: [*h, "weight"], "unknown column 'weight'"),
        (lambda h: [*h, ""], "a column without a name"),
        (
            lambda h: ["Age" if c == "age" else c for c in h],
            "unknown column 'Age', did you mean age?",
        ),
        (
            lambda h: ["anual_cost" if c == "annual_cost" else c for c in h],
            "unknown column 'anual_cost', did you mean annual_cost?",
        ),
        (
            lambda h: [" age" if c == "age" else c for c in h],
            "unknown column ' age', did you mean age?",
        ),
    ],
)
def test_wrong_header_is_refused_with_what_was_expected(change, said):
    header = change(["external_id", *BASE])
    with pytest.raises(BadInput) as refused:
        layout.match_columns("f.csv", header, columns())
    message = str(refused.value)
    assert said in message
    assert message.startswith("f.csv, header: ")
    assert "the columns external_id, age," in message


def test_lenient_match_ignores_case_and_other_columns():
    header = ["Extra", " External_ID", "DAYS_TO_READMISSION", "Extra"]
    wanted = [
        layout.Column(c.name.upper(), c.target, c.kind, c.expected)
        for c in layout.outcome_columns("SYNTH", AS_OF)[:2]
    ]
    matched = layout.match_columns("f.csv", header, wanted, is_strict=False)
    assert [name for name, _ in matched] == [" External_ID", "DAYS_TO_READMISSION"]


def test_lenient_match_refuses_a_needed_column_twice():
    wanted = [layout.Column("CLM_ID", "clm_id", "pattern", "expected digits")]
    with pytest.raises(BadInput, match="'CLM_ID' is there more than once"):
        layout.match_columns("f", ["clm_id", "CLM_ID"], wanted, is_strict=False)


def test_template_describes_every_feature():
    text = layout.template()
    for feature in FEATURES:
        assert feature.label in text, feature.name
    for code, race in layout.races().items():
        assert f"{code} {race}" in text


def test_template_fits_a_terminal():
    *described, header, example = layout.template().splitlines()
    assert max(map(len, described)) <= 130
    assert header.split(",") == ["external_id", *BASE]
    assert len(example.split(",")) == len(header.split(","))
