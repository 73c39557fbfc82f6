"""The real claims beside the checkout, and what pandas makes of the raw files."""

from datetime import date
from pathlib import Path

import pandas as pd
from copies import REPOSITORY

from python_scoring import warehouse
from python_scoring.cohorts import cms

ORG = "CMS500"
ORGANIZATION_ID = 2
EARLIER = date(2008, 12, 31)
LATER = date(2009, 12, 31)
FOLDER = REPOSITORY.parent / "shared/data/cms_synpuf/sample2_complete_500"


def are_there() -> bool:
    return FOLDER.is_dir()


def load() -> None:
    """Load both as-of dates, the later one first: order must not matter."""
    if not are_there():
        return
    with warehouse.connect(autocommit=True) as conn:
        for as_of in (LATER, EARLIER):
            cms.load(conn, FOLDER, org=ORG, as_of=as_of)


def read(part: str) -> pd.DataFrame:
    [path] = FOLDER.glob(f"DE1_0_*{part}*")
    return pd.read_csv(Path(path), dtype=str)


def panel(as_of: date) -> pd.DataFrame:
    """Work the base fields out of the raw files, without the warehouse.

    Indexed by DESYNPUF_ID; named as in the cohort layout.
    """
    end = pd.Timestamp(as_of)
    people = read(f"{as_of.year}_Beneficiary").set_index("DESYNPUF_ID")
    died = pd.to_datetime(people["BENE_DEATH_DT"], format="%Y%m%d")
    people = people[died.isna() | (died > end)]
    money = people.filter(regex="^(MEDREIMB|BENRES)_").astype(float)
    inpatient_cost = money["MEDREIMB_IP"] + money["BENRES_IP"]
    annual_cost = inpatient_cost + money["MEDREIMB_OP"] + money["MEDREIMB_CAR"]
    result = pd.DataFrame(
        {
            "age": _ages(people["BENE_BIRTH_DT"], as_of),
            "is_female": (people["BENE_SEX_IDENT_CD"] == "2").astype(int),
            "has_esrd": (people["BENE_ESRD_IND"] == "Y").astype(int),
            "has_diabetes": (people["SP_DIABETES"] == "1").astype(int),
            "has_ra_oa": (people["SP_RA_OA"] == "1").astype(int),
            "annual_cost": annual_cost.clip(lower=0),
            "inpatient_cost": inpatient_cost.clip(lower=0),
        }
    )
    use = [_inpatient_use(end), _outpatient_use(end)]
    return result.join(use).fillna(
        dict.fromkeys(
            ("total_admissions", "total_hospital_days", "total_outpatient_visits"), 0
        )
    )


def _ages(birth: pd.Series, as_of: date) -> pd.Series:
    born = pd.to_datetime(birth, format="%Y%m%d")
    had_birthday = (born.dt.month < as_of.month) | (
        (born.dt.month == as_of.month) & (born.dt.day <= as_of.day)
    )
    return as_of.year - born.dt.year - (~had_birthday).astype(int)


def _inpatient_use(end: pd.Timestamp) -> pd.DataFrame:
    claims = read("Inpatient")
    claims["day"] = pd.to_datetime(claims["CLM_ADMSN_DT"], format="%Y%m%d")
    claims["days"] = pd.to_numeric(claims["CLM_UTLZTN_DAY_CNT"])
    stays = claims.groupby("CLM_ID").agg(
        person=("DESYNPUF_ID", "first"), day=("day", "min"), days=("days", "max")
    )
    trailing = stays[_is_trailing(stays["day"], end)].groupby("person")
    before = stays[stays["day"] <= end].groupby("person")["day"].max()
    after = stays[stays["day"] > end].groupby("person")["day"].min()
    return pd.DataFrame(
        {
            "total_admissions": trailing.size(),
            "total_hospital_days": trailing["days"].sum(),
            "days_since_last_admission": (end - before).dt.days,
            "days_to_next_admission": (after - end).dt.days,
        }
    )


def _outpatient_use(end: pd.Timestamp) -> pd.DataFrame:
    claims = read("Outpatient")
    day = pd.to_datetime(claims["CLM_FROM_DT"], format="%Y%m%d")
    visits = claims[_is_trailing(day, end)].groupby("DESYNPUF_ID")["CLM_ID"].nunique()
    return visits.rename("total_outpatient_visits").to_frame()


def _is_trailing(day: pd.Series, end: pd.Timestamp) -> pd.Series:
    return (day > end - pd.DateOffset(years=1)) & (day <= end)
