"""The seeded generator of a synthetic care-management panel.

An honest stand-in for an organization's cohort: figures on it test software,
not medicine. Published readmission models reach an AUROC of 0.6-0.72; the
strong signal here is what the design's example tiers need (FACTS.md).
The shape of the model, with every constant beside it in ``synthetic``:

1. Normal age, severity and use underlie everything (``population``).
2. Conditions, admissions, visits and cost are quantile transforms of mixtures
   of these (a Gaussian copula): exact marginals, weak correlations, so that the
   first-match departments land where the design has them.
3. 63 % have an admission in the year, 27 % one in the last 30 days (the panel
   is enriched with recent discharges); annual cost is log-normal, 6,450 USD
   at the median, and about half of it is inpatient.
4. A few (2.4 %) are frail, over 75, free of recorded conditions and back from a
   long stay: those whom Geriatrics is left with.
5. A discrete hazard over days 1-30, 31-60 and 61-90 (``hazard``), additive on
   the logit in the observable features, spread about 1.4 at first, plus a
   little that nobody observes (0.25), gives the day of the first readmission.

People are drawn in blocks with a random stream each, so that memory does not
grow with the panel and a smaller panel is the beginning of a larger one.
"""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from python_scoring.cohorts.synthetic.derived import reported_derived_columns
from python_scoring.cohorts.synthetic.hazard import draw_outcomes
from python_scoring.cohorts.synthetic.population import Fields, Floats, draw_people
from python_scoring.errors import BadInput
from python_scoring.readmission.features import FEATURES

BASE_FIELDS = tuple(feature.name for feature in FEATURES if feature.is_base_field)

TRAINING_PATIENTS = 20_000
TRAINING_SEED = 2024
TRAINING_INDEX_DATE = "2024-12-31"

BASELINE_PATIENTS = 3_000
BASELINE_SEED = 28
BASELINE_INDEX_DATE = "2025-12-31"
BASELINE_ORG_CODE = "BASELINE"

# Part of what a seed means: another block size makes other people.
BLOCK_ROWS = 8_192
CHUNK_ROWS = 16 * BLOCK_ROWS
ID_DIGITS = 7
MAX_PATIENTS = 10**ID_DIGITS - 1


@dataclass(frozen=True)
class Cohort:
    """Synthetic people, what is known of them and what happens to them.

    Attributes
    ----------
    external_id : array of str, shape (n,)
        Ascending; the seed is part of it (``S7-0000001``).
    base : dict of arrays of shape (n,)
        The 20 base fields in the order of the feature list;
        ``days_since_last_admission`` is NaN where none is on record.
    days_to_readmission : array of shape (n,)
        Whole days 1-90; NaN where no readmission comes within 90 days.
    true_risk : array of shape (n, 3)
        The probability of one by day 30, 60 and 90 that it was drawn with.
    """

    external_id: NDArray[np.str_]
    base: Fields
    days_to_readmission: Floats
    true_risk: Floats

    def __len__(self) -> int:
        """Return the number of people."""
        return self.external_id.size

    def head(self, count: int) -> "Cohort":
        """Return the first ``count`` people."""
        return Cohort(
            self.external_id[:count],
            {name: values[:count] for name, values in self.base.items()},
            self.days_to_readmission[:count],
            self.true_risk[:count],
        )


def generate(patients: int, seed: int) -> Cohort:
    """Generate a panel; the same arguments always give the same one.

    Parameters
    ----------
    patients : int
        Number of people, 1 to 9,999,999.
    seed : int
        Not negative. Two seeds share nobody; a smaller panel of a seed is
        the beginning of a larger one.

    Raises
    ------
    BadInput
        If either is out of range.
    """
    return _concatenated(list(iter_blocks(patients, seed)))


def iter_blocks(patients: int, seed: int) -> Iterator[Cohort]:
    """Yield the panel in pieces of at most ``BLOCK_ROWS`` people.

    Parameters and errors are those of ``generate``.
    """
    if not 1 <= patients <= MAX_PATIENTS:
        expected = f"expected a whole number from 1 to {MAX_PATIENTS}"
        raise BadInput(f"patients: {patients}: {expected}")
    if seed < 0:
        raise BadInput(f"seed: {seed}: expected a whole number from 0")
    for first in range(0, patients, BLOCK_ROWS):
        yield _block(seed, first // BLOCK_ROWS).head(patients - first)


def write_parquet(
    cohort_path: Path,
    outcomes_path: Path,
    patients: int,
    seed: int,
    *,
    chunk_rows: int = CHUNK_ROWS,
) -> None:
    """Write a panel in the cohort layout, and its outcomes beside it.

    Parameters
    ----------
    cohort_path, outcomes_path : Path
        Parquet files to write: external_id and the 20 base fields;
        external_id and days_to_readmission (null: none within 90 days).
    patients, seed : int
        As in ``generate``.
    chunk_rows : int
        People to a row group, rounded down to whole blocks: bounds the memory.

    Raises
    ------
    BadInput
        As in ``generate``.
    """
    nobody = next(iter_blocks(patients, seed)).head(0)
    with (
        pq.ParquetWriter(cohort_path, _cohort_table(nobody).schema) as people,
        pq.ParquetWriter(outcomes_path, _outcomes_table(nobody).schema) as outcomes,
    ):
        for cohort in iter_chunks(patients, seed, chunk_rows):
            people.write_table(_cohort_table(cohort))
            outcomes.write_table(_outcomes_table(cohort))


def write_baseline(directory: Path, seed: int = BASELINE_SEED) -> None:
    """Write the baseline seeds: all 27 features, and the outcomes.

    Parameters
    ----------
    directory : Path
        Gets ``baseline_patients.csv`` (external_id, org_code, index_date and
        the 27 features) and ``baseline_outcomes.csv`` (external_id,
        days_to_readmission, empty when none), both in order of external_id.
    seed : int
        The committed files are those of ``BASELINE_SEED``.
    """
    cohort = generate(BASELINE_PATIENTS, seed)
    numbers = range(1, BASELINE_PATIENTS + 1)
    ids = {"external_id": [f"BL-{number:04d}" for number in numbers]}
    origin = {
        "org_code": [BASELINE_ORG_CODE] * BASELINE_PATIENTS,
        "index_date": [BASELINE_INDEX_DATE] * BASELINE_PATIENTS,
    }
    values = cohort.base | reported_derived_columns(cohort.base)
    features = {
        feature.name: _as_text(values[feature.name], feature.unit)
        for feature in FEATURES
    }
    days = {"days_to_readmission": _as_text(cohort.days_to_readmission, "days")}
    _write_csv(directory / "baseline_patients.csv", ids | origin | features)
    _write_csv(directory / "baseline_outcomes.csv", ids | days)


def _as_text(values: NDArray[np.generic], unit: str) -> list[str]:
    """Whole numbers as such, money to the cent, scores to six decimals."""
    decimals = {"USD": 2, "share": 6, "0-1": 6, "0-10": 6}.get(unit, 0)
    numbers = values.astype(np.float64).tolist()
    return ["" if math.isnan(x) else f"{x:.{decimals}f}" for x in numbers]


def _write_csv(path: Path, columns: dict[str, list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _block(seed: int, block: int) -> Cohort:
    """Draw a whole block: people must not depend on how many are wanted."""
    rng = np.random.Generator(
        np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(block,)))
    )
    fields, cost_share = draw_people(rng, BLOCK_ROWS)
    days_to_readmission, true_risk = draw_outcomes(rng, fields, cost_share)
    return Cohort(
        external_id=_external_ids(seed, block * BLOCK_ROWS + 1),
        base={name: fields[name] for name in BASE_FIELDS},
        days_to_readmission=days_to_readmission,
        true_risk=true_risk,
    )


def _external_ids(seed: int, first: int) -> NDArray[np.str_]:
    """Return a block's identifiers: code points set in place, no loop over rows."""
    prefix = np.frombuffer(f"S{seed}-".encode("utf-32-le"), dtype=np.uint32)
    codes = np.empty((BLOCK_ROWS, prefix.size + ID_DIGITS), dtype=np.uint32)
    codes[:, : prefix.size] = prefix
    numbers = np.arange(first, first + BLOCK_ROWS)
    powers = 10 ** np.arange(ID_DIGITS)[::-1]
    codes[:, prefix.size :] = ord("0") + numbers[:, np.newaxis] // powers % 10
    return codes.view(f"<U{codes.shape[1]}")[:, 0]


def _concatenated(cohorts: list[Cohort]) -> Cohort:
    return Cohort(
        np.concatenate([cohort.external_id for cohort in cohorts]),
        {
            name: np.concatenate([cohort.base[name] for cohort in cohorts])
            for name in cohorts[0].base
        },
        np.concatenate([cohort.days_to_readmission for cohort in cohorts]),
        np.concatenate([cohort.true_risk for cohort in cohorts]),
    )


def iter_chunks(patients: int, seed: int, chunk_rows: int) -> Iterator[Cohort]:
    """Yield the panel in pieces of at most ``chunk_rows``, in whole blocks.

    Parameters and errors are those of ``generate``; a piece is never smaller
    than a block, except for the last.
    """
    blocks = iter_blocks(patients, seed)
    blocks_a_chunk = max(1, chunk_rows // BLOCK_ROWS)
    while chunk := list(islice(blocks, blocks_a_chunk)):
        yield _concatenated(chunk)


def _cohort_table(cohort: Cohort) -> pa.Table:
    columns = {"external_id": pa.array(cohort.external_id)}
    for name, values in cohort.base.items():
        columns[name] = pa.array(values)
    columns["days_since_last_admission"] = _whole_numbers(
        cohort.base["days_since_last_admission"]
    )
    return pa.table(columns)


def _outcomes_table(cohort: Cohort) -> pa.Table:
    days = _whole_numbers(cohort.days_to_readmission)
    return pa.table({"external_id": cohort.external_id, "days_to_readmission": days})


def _whole_numbers(values: NDArray[np.generic]) -> pa.Array:
    """Integers, null where there is none."""
    missing = np.isnan(values.astype(np.float64))
    return pa.array(np.where(missing, 0, values).astype(np.int32), mask=missing)
