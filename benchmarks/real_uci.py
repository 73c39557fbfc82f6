"""UCI Diabetes 130-US hospitals: readmission within 30 days of a discharge.

Strack et al., BioMed Research International 2014, 781670; data CC BY 4.0. One row
per inpatient encounter, what was known when it ended, and whether the patient was
readmitted.

Encounters have no dates. What an earlier row of the same patient says is therefore
not used: the order of encounter_id is not documented to be that of time, and a
wrong order would tell of the future. Which encounter counts as a patient's first,
by the lowest encounter_id, as published work has it, decides rows alone.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks import real_icd9
from benchmarks.real_sample import DATA, Sample, build
from python_scoring.metrics import Bools

FILE = DATA / "uci_diabetes_130" / "diabetic_data.csv.gz"

# Discharged dead or to a hospice: nobody of these can, or should, be readmitted.
ENDED = (11, 13, 14, 19, 20, 21)

_NUMBERS = (
    "time_in_hospital",
    "num_lab_procedures",
    "num_procedures",
    "num_medications",
    "number_outpatient",
    "number_emergency",
    "number_inpatient",
    "number_diagnoses",
)
_CODES = (
    "race",
    "gender",
    "admission_type_id",
    "admission_source_id",
    "discharge_disposition_id",
    "medical_specialty",
    "max_glu_serum",
    "A1Cresult",
    "insulin",
)
# Given to 0.3 % of encounters or more; all are in the counts of medication.
_DRUGS = (
    "metformin",
    "repaglinide",
    "nateglinide",
    "glimepiride",
    "glipizide",
    "glyburide",
    "pioglitazone",
    "rosiglitazone",
    "acarbose",
    "glyburide-metformin",
)
_FIRST_DRUG, _LAST_DRUG = "metformin", "metformin-pioglitazone"

# Not used: weight, which 97 % lack, and the payer, which 40 % lack and which speaks
# of the insurance, not of the patient.
# What fewer encounters than this have in common is not told apart: too few to learn
# from. Counted without a look at outcomes.
_FEWEST = 50

LEFT_OUT = ("encounter_id", "patient_nbr", "weight", "payer_code", "readmitted")


@dataclass(frozen=True)
class Encounters:
    """All encounters of the file; whoever judges chooses rows.

    Parameters
    ----------
    sample
        (n,) rows; the event is a readmission within 30 days.
    is_ended
        (n,) died in the hospital, or left it for a hospice.
    encounter
        (n,) encounter_id.
    """

    sample: Sample
    is_ended: Bools
    encounter: NDArray[np.int64]

    def alive(self) -> Sample:
        """Encounters after which a readmission could be."""
        return self.sample.take(~self.is_ended)

    def first(self) -> Sample:
        """Of each patient's encounters in ``alive``, the one with the lowest id."""
        rows = np.flatnonzero(~self.is_ended)
        rows = rows[np.argsort(self.encounter[rows])]
        _, at = np.unique(self.sample.person[rows], return_index=True)
        return self.sample.take(np.sort(rows[at]))


def read(path: Path = FILE) -> Encounters:
    """Read the file and make what was known at discharge."""
    table = pd.read_csv(path, keep_default_na=False, na_values=["?"], dtype=str)
    columns = {
        "flag": _flags(table),
        "code": _codes(table),
        "number": _numbers(table),
    }
    person = table["patient_nbr"].to_numpy(dtype=np.int64)
    event = (table["readmitted"] == "<30").to_numpy(dtype=np.bool_)
    disposition = table["discharge_disposition_id"].astype(int)
    return Encounters(
        build(columns, person, event),
        disposition.isin(ENDED).to_numpy(dtype=np.bool_),
        table["encounter_id"].to_numpy(dtype=np.int64),
    )


def _numbers(table: pd.DataFrame) -> dict[str, Any]:
    numbers: dict[str, Any] = {name: table[name].astype(float) for name in _NUMBERS}
    # Ages come in decades, [70-80).
    decade = table["age"].str.extract(r"\[([0-9]+)-", expand=False)
    names = list(table.columns)
    drugs = table[names[names.index(_FIRST_DRUG) : names.index(_LAST_DRUG) + 1]]
    return {
        **numbers,
        "age": decade.astype(float) + 5,
        "visits_in_year": sum(
            numbers[f"number_{kind}"]
            for kind in ("outpatient", "emergency", "inpatient")
        ),
        "diabetes_drugs": (drugs != "No").sum(axis=1),
        "diabetes_drugs_changed": drugs.isin(["Up", "Down"]).sum(axis=1),
    }


def _codes(table: pd.DataFrame) -> dict[str, Any]:
    codes: dict[str, Any] = {name: _frequent(table[name]) for name in _CODES}
    return {**codes, "main_diagnosis": _frequent(_groups(table, "diag_1"))}


def _frequent(values: Any) -> NDArray[np.int64]:
    """Give values numbers in their order, and the rare ones -1, all together."""
    number, _ = pd.factorize(pd.Series(values), sort=True, use_na_sentinel=False)
    is_rare = np.bincount(number) < _FEWEST
    return np.where(is_rare[number], -1, number)


def _flags(table: pd.DataFrame) -> dict[str, Any]:
    flags: dict[str, Any] = {
        "diabetes_medication": table["diabetesMed"] == "Yes",
        "medication_changed": table["change"] == "Ch",
        **{f"given {drug}": table[drug] != "No" for drug in _DRUGS},
    }
    others = [_groups(table, name) for name in ("diag_2", "diag_3")]
    for place, name in enumerate(real_icd9.GROUPS):
        flags[f"also {name}"] = (others[0] == place) | (others[1] == place)
    return {name: flag for name, flag in flags.items() if flag.sum() >= _FEWEST}


def _groups(table: pd.DataFrame, name: str) -> NDArray[np.int64]:
    return real_icd9.group(table[name].fillna("").to_numpy(dtype=object))
