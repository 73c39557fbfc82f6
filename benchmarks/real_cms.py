"""CMS DE-SynPUF: whether Medicare pays for a hospital stay in the next year.

The beneficiary summaries of the same 10,000 people in three years, as CMS publishes
them. What a year's summary says is set against the payments of the next one's, of
whoever is in both.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.real_sample import DATA, Sample, build

FOLDER = DATA / "cms_synpuf" / "sample1_beneficiaries_10k"
YEARS = (2008, 2009, 2010)

CONDITIONS = (
    "SP_ALZHDMTA",
    "SP_CHF",
    "SP_CHRNKIDN",
    "SP_CNCR",
    "SP_COPD",
    "SP_DEPRESSN",
    "SP_DIABETES",
    "SP_ISCHMCHT",
    "SP_OSTEOPRS",
    "SP_RA_OA",
    "SP_STRKETIA",
)
PAYMENTS = (
    "MEDREIMB_IP",
    "BENRES_IP",
    "MEDREIMB_OP",
    "BENRES_OP",
    "MEDREIMB_CAR",
    "BENRES_CAR",
)
# What the year cost: the definition of annual cost elsewhere in the project.
_COSTS = ("MEDREIMB_IP", "MEDREIMB_OP", "MEDREIMB_CAR", "BENRES_IP")
COST, COUNT = "annual_cost", "condition_count"


@dataclass(frozen=True)
class Panel:
    """Two pairs of years: to learn from, and the same people a year later."""

    before: Sample
    after: Sample


def read(folder: Path = FOLDER) -> Panel:
    """Read the three summaries; people are numbered in the order of their ids."""
    years = [_summary(folder, year) for year in YEARS]
    ids = np.unique(np.concatenate([table.index.to_numpy() for table in years]))
    return Panel(
        _pair(years[0], years[1], YEARS[0], ids),
        _pair(years[1], years[2], YEARS[1], ids),
    )


def _summary(folder: Path, year: int) -> pd.DataFrame:
    name = f"DE1_0_{year}_Beneficiary_Summary_File_Sample_1.csv.gz"
    texts = {"DESYNPUF_ID": str, "BENE_ESRD_IND": str}
    table = pd.read_csv(folder / name, dtype=texts)
    table = table.set_index("DESYNPUF_ID").sort_index()
    if not table.index.is_unique:
        raise ValueError(f"{name}: a person twice; expected a row a person")
    return table


def _pair(year: pd.DataFrame, after: pd.DataFrame, number: int, ids: Any) -> Sample:
    """Set one year against the next, for whoever is in both."""
    columns = _columns(year, number)
    is_there = year.index.isin(after.index)
    known = {
        kind: {name: np.asarray(values)[is_there] for name, values in named.items()}
        for kind, named in columns.items()
    }
    people = year.index[is_there]
    event = (after.loc[people, "MEDREIMB_IP"] > 0).to_numpy(dtype=np.bool_)
    return build(known, np.searchsorted(ids, people.to_numpy()), event)


def _columns(table: pd.DataFrame, year: int) -> dict[str, dict[str, Any]]:
    flags: dict[str, Any] = {name: table[name] == 1 for name in CONDITIONS}
    cost = table[list(_COSTS)].sum(axis=1)
    born = table["BENE_BIRTH_DT"]
    return {
        "flag": {
            **flags,
            "BENE_ESRD_IND": table["BENE_ESRD_IND"] == "Y",
            "is_female": table["BENE_SEX_IDENT_CD"] == 2,
            "was_inpatient": table["MEDREIMB_IP"] > 0,
        },
        "code": {"BENE_RACE_CD": table["BENE_RACE_CD"]},
        "number": {
            # YYYYMMDD less YYYYMMDD: the ten-thousands are whole years.
            "age": (year * 10_000 + 1231 - born) // 10_000,
            COUNT: sum(flags.values()),
            COST: cost,
            # Among everybody of the year, whether or not in the next.
            "cost_percentile": cost.rank(pct=True),
            **{name: table[name] for name in PAYMENTS},
        },
    }
