"""The feature list and the matrix made from it."""

from pathlib import Path

import numpy as np
import pytest

from python_scoring.errors import BadInput
from python_scoring.readmission import features

HEADER = (
    "feature_id,feature_name,feature_group,is_base_field,"
    "data_type,minimum,maximum,unit,label\n"
)


def _columns(rows: int = 4) -> dict[str, np.ndarray]:
    return {
        name: np.arange(rows, dtype=np.float64) + position
        for position, name in enumerate(features.FEATURE_NAMES)
    }


def test_the_contract_has_27_features_in_order_of_their_ids() -> None:
    assert len(features.FEATURES) == 27
    assert features.FEATURE_NAMES[0] == "age"
    assert features.FEATURE_NAMES[26] == "complexity_index"
    assert [f.name for f in features.FEATURES if f.is_nullable] == [
        "days_since_last_admission"
    ]


def test_a_matrix_holds_columns_in_contract_order_however_they_are_given() -> None:
    columns = _columns()
    backwards = dict(reversed(columns.items()))
    x = features.matrix(backwards)
    assert x.shape == (4, 27)
    np.testing.assert_array_equal(x[1], np.arange(27) + 1.0)
    assert x.flags.f_contiguous


def test_a_matrix_reads_copied_rows_beside_other_fields() -> None:
    rows = np.zeros(3, dtype=[("patient_id", "i8"), *features.copy_fields()])
    rows["age"] = [70, 80, 90]
    rows["days_since_last_admission"] = [np.nan, 5, 6]
    x = features.matrix(rows, features.FEATURE_NAMES)
    assert x[:, 0].tolist() == [70.0, 80.0, 90.0]
    assert np.isnan(x[0, features.FEATURE_NAMES.index("days_since_last_admission")])


@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_other_columns_than_the_contracts_are_refused_by_name(change: str) -> None:
    columns = _columns()
    if change == "missing":
        del columns["has_chf"]
    else:
        columns["shoe_size"] = columns["age"]
    with pytest.raises(BadInput, match="has_chf" if change == "missing" else "shoe"):
        features.matrix(columns)


@pytest.mark.parametrize(
    ("name", "value", "is_refused"),
    [
        ("annual_cost", np.nan, True),
        ("annual_cost", -np.inf, True),
        ("days_since_last_admission", np.inf, True),
        ("days_since_last_admission", np.nan, False),
    ],
)
def test_only_the_nullable_feature_may_be_missing(
    name: str, value: float, is_refused: bool
) -> None:
    columns = _columns()
    columns[name][2] = value
    if not is_refused:
        features.matrix(columns)
        return
    with pytest.raises(BadInput, match=f"{name}, row 3"):
        features.matrix(columns)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("1,age,d,true,integer,0,1,y,l\n3,sex,d,true,flag,0,1,y,l\n", "feature_id"),
        ("1,age,d,true,integer,0,1,y,l\n1,sex,d,true,flag,0,1,y,l\n", "feature_id"),
        ("1,age,d,true,number of years,0,1,y,l\n", "feature age, data_type"),
    ],
)
def test_a_broken_feature_list_is_refused(
    tmp_path: Path, lines: str, told: str
) -> None:
    path = tmp_path / "features.csv"
    path.write_text(HEADER + lines)
    with pytest.raises(BadInput, match=told):
        features.read_features(path)


def test_the_list_is_read_in_order_of_ids(tmp_path: Path) -> None:
    path = tmp_path / "features.csv"
    path.write_text(
        f"{HEADER}2,sex,d,true,flag,0,1,0/1,sex\n1,age,d,true,integer,0,,years,age\n"
    )
    age, sex = features.read_features(path)
    assert (age.name, age.maximum, age.is_continuous) == ("age", None, True)
    assert (sex.name, sex.maximum, sex.is_continuous) == ("sex", 1.0, False)
