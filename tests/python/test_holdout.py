"""Who is left alone: drawn once, evenly, the same in SQL and in Python."""

import uuid

import numpy as np
from copies import Copy
from scipy import stats

from python_scoring import holdout

ARMS = """
select registry.patient_uuid::text, arms.holdout_draw, arms.is_control
from intermediate.int_holdout_arms as arms
inner join raw.patient_registry as registry using (patient_id)
"""


def test_sql_draws_what_python_draws(base: Copy) -> None:
    rows = base.rows(ARMS)
    assert len(rows) > 3000  # people of the training history are known as well
    salt, share = holdout.salt(), holdout.share()
    for patient_uuid, drawn, is_control in rows:
        assert drawn == holdout.draw(salt, patient_uuid)
        assert is_control == (drawn < share)


def test_draws_are_spread_evenly_and_by_the_salt() -> None:
    rng = np.random.default_rng(11)
    people = [str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(50_000)]
    one, other = (
        np.array([holdout.draw(salt, person) for person in people])
        for salt in ("holdout-1", "holdout-2")
    )
    assert one.min() >= 0
    assert one.max() < 1
    assert stats.kstest(one, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(len(people))


def test_larger_share_keeps_every_control() -> None:
    draws = [holdout.draw("holdout-1", str(uuid.UUID(int=n))) for n in range(5_000)]
    tenth, fifth = ({n for n, d in enumerate(draws) if d < s} for s in (0.1, 0.2))
    assert tenth < fifth


def test_eligible_are_on_the_target_list_and_each_row_tells_the_arm(base: Copy) -> None:
    differing = base.rows(
        "select patient_id from marts.programme_holdout as holdout"
        " full join (select patient_id, bool_and(is_control) as all_say,"
        " bool_or(is_control) as one_says from marts.positive_roi_patients"
        " group by patient_id) as listed using (patient_id)"
        " where (is_control = all_say and is_control = one_says) is not true"
    )
    assert differing == []
    assert base.value("select count(*) from marts.programme_holdout") > 2000


def test_balance_adds_up_and_its_bound_holds(base: Copy) -> None:
    cells = base.rows(
        "select eligible_count, control_count, chance_bound"
        " from marts.programme_holdout_balance"
    )
    assert len(cells) == 50
    totals = base.rows(
        "select count(*), count(*) filter (where is_control)"
        " from marts.programme_holdout"
    )
    assert totals == [(sum(c[0] for c in cells), sum(c[1] for c in cells))]
    for people, controls, bound in cells:
        drawn = stats.binom(people, holdout.share())
        tail = min(drawn.cdf(controls), drawn.sf(controls - 1))
        assert bound >= min(1, 2 * tail) - 1e-12


def test_arms_stay_through_another_tier_department_and_build(clone: Copy) -> None:
    before = dict(
        clone.rows("select patient_id, is_control from candidate.programme_holdout")
    )
    clone.execute("update raw.predictions set score = 1 - score")
    clone.run("run", "--select", "int_tiered_predictions+")
    after = dict(
        clone.rows("select patient_id, is_control from candidate.programme_holdout")
    )
    moved = set(before) ^ set(after)
    assert moved
    assert all(after[one] == before[one] for one in set(before) & set(after))
