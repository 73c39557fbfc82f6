"""The files of CMS's DE-SynPUF: which columns are needed, and what may stand there.

Source: CMS, "Data Users Document" and codebooks of the CMS 2008-2010 Data
Entrepreneurs' Synthetic Public Use File. Full-width files have up to 81 columns;
only those below are read, under CMS's own names.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from python_scoring.cohorts.checks import CheckedBatch
from python_scoring.cohorts.intake import Target
from python_scoring.cohorts.values import Column, Mask, as_mask, either, is_blank

_OLDEST = 120
_LARGEST_AMOUNT = 100_000_000
_DATE = "expected a date that exists, written YYYYMMDD"
_CONDITIONS = (
    "SP_ALZHDMTA",
    "SP_CHF",
    "SP_CHRNKIDN",
    "SP_CNCR",
    "SP_COPD",
    "SP_DEPRESSN",
    "SP_DIABETES",
    "SP_ISCHMCHT",
    "SP_RA_OA",
    "SP_STRKETIA",
)
# Reimbursements can be negative: a correction of what was paid before.
_AMOUNTS = ("MEDREIMB_IP", "BENRES_IP", "MEDREIMB_OP", "MEDREIMB_CAR")

Faults = Iterator[tuple[str, str, Mask]]


def beneficiaries(as_of: date) -> Target:
    """Beneficiary summary of one year; ages are checked as of a day."""

    def rule(batch: CheckedBatch) -> Faults:
        yield _impossible_age(batch, as_of)
        yield _before(batch, "BENE_DEATH_DT", "BENE_BIRTH_DT")

    columns = (
        _IDENTIFIER,
        _date("BENE_BIRTH_DT"),
        _date("BENE_DEATH_DT", may_be_blank=True),
        _code("BENE_SEX_IDENT_CD", "1", "2"),
        _code("BENE_RACE_CD", "1", "2", "3", "5"),
        _ESRD,
        *(_code(name, "1", "2") for name in _CONDITIONS),
        *(_amount(name) for name in _AMOUNTS),
    )
    key = ("DESYNPUF_ID",)
    return Target("raw.cms_beneficiaries", columns, key, rule, is_strict=False)


def inpatient_claims() -> Target:
    """Inpatient claims, a row a segment."""

    def rule(batch: CheckedBatch) -> Faults:
        yield from _outpatient_rule(batch)
        yield _blank_in_first_segment(batch, "CLM_UTLZTN_DAY_CNT")
        yield _before(batch, "NCH_BENE_DSCHRG_DT", "CLM_ADMSN_DT")

    columns = (
        *_CLAIM,
        _date("CLM_ADMSN_DT"),
        _date("NCH_BENE_DSCHRG_DT", may_be_blank=True),
        _count("CLM_UTLZTN_DAY_CNT", 0, 3660, may_be_blank=True),
    )
    relation = "raw.cms_inpatient_claims"
    return Target(relation, columns, _CLAIM_KEY, rule, is_strict=False)


def outpatient_claims() -> Target:
    """Outpatient claims, a row a segment."""
    relation = "raw.cms_outpatient_claims"
    return Target(relation, _CLAIM, _CLAIM_KEY, _outpatient_rule, is_strict=False)


def _outpatient_rule(batch: CheckedBatch) -> Faults:
    yield _blank_in_first_segment(batch, "CLM_FROM_DT")
    yield _blank_in_first_segment(batch, "CLM_THRU_DT")
    yield _before(batch, "CLM_THRU_DT", "CLM_FROM_DT")


def _column(name: str, kind: Any, expected: str, **more: Any) -> Column:
    return Column(name, name.lower(), kind, expected, **more)


def _date(name: str, *, may_be_blank: bool = False) -> Column:
    expected = f"{_DATE}, or nothing" if may_be_blank else _DATE
    return _column(name, "date", expected, may_be_blank=may_be_blank)


def _code(name: str, *codes: str) -> Column:
    return _column(name, "integer", f"expected {either(codes)}", codes=codes)


def _amount(name: str) -> Column:
    return _column(
        name,
        "number",
        f"expected a number from {-_LARGEST_AMOUNT} to {_LARGEST_AMOUNT}",
        minimum=-_LARGEST_AMOUNT,
        maximum=_LARGEST_AMOUNT,
    )


def _count(name: str, lowest: int, highest: int, **more: Any) -> Column:
    expected = f"expected a whole number from {lowest} to {highest}"
    return _column(name, "integer", expected, minimum=lowest, maximum=highest, **more)


# Half of these exceed a signed 64-bit number: they stay text.
_IDENTIFIER = _column(
    "DESYNPUF_ID",
    "pattern",
    "expected 16 hexadecimal digits",
    pattern="[0-9A-Fa-f]{16}",
    identifies="person",
)
_NUMBER = _column(
    "CLM_ID",
    "pattern",
    "expected 1 to 20 digits",
    pattern="[0-9]{1,20}",
    identifies="claim",
)
_ESRD = _column("BENE_ESRD_IND", "word", "expected Y or 0", codes=("Y", "0"))
_CLAIM_KEY = ("CLM_ID", "SEGMENT")
_CLAIM = (
    _IDENTIFIER,
    _NUMBER,
    _count("SEGMENT", 1, 99),
    _date("CLM_FROM_DT", may_be_blank=True),
    _date("CLM_THRU_DT", may_be_blank=True),
    _amount("CLM_PMT_AMT"),
)


def _before(batch: CheckedBatch, later: str, earlier: str) -> tuple[str, str, Mask]:
    """Rows whose later day comes before the earlier one."""
    is_before = pc.less(batch.parsed[later], batch.parsed[earlier])
    return later, f"expected a day on or after {earlier}", as_mask(is_before)


def _blank_in_first_segment(batch: CheckedBatch, name: str) -> tuple[str, str, Mask]:
    """Rows of a first segment without a value that only further ones may lack."""
    is_first = as_mask(pc.equal(batch.parsed["SEGMENT"], 1))
    reason = "expected a value, which only segments after the first may lack"
    return name, reason, is_first & is_blank(batch.given[name])


def _impossible_age(batch: CheckedBatch, as_of: date) -> tuple[str, str, Mask]:
    """Rows of people who are not yet born, or over 120, as of the day."""
    birth = batch.parsed["BENE_BIRTH_DT"]
    written = pc.if_else(pc.is_valid(birth), batch.given["BENE_BIRTH_DT"], None)
    # YYYYMMDD less YYYYMMDD: the ten-thousands are the whole years of age.
    days = pc.subtract(int(f"{as_of:%Y%m%d}"), written.cast(pa.int64()))
    span = pc.fill_null(days, 0).to_numpy(zero_copy_only=False)
    is_bad = np.asarray((span < 0) | (span // 10_000 > _OLDEST))
    reason = f"expected an age from 0 to {_OLDEST} as of {as_of}"
    return "BENE_BIRTH_DT", reason, is_bad
