"""The rules that readers first had a cohort by: it is measured by these for good."""

from python_scoring.warehouse import Connection

# The candidate's own: the next build replaces it, and makes this one no candidate any
# more before it does. A cohort's rules are kept whole or not at all.
_KEEP = """
insert into raw.cohort_rules (
    org_code, as_of_date, build_id, risk_tier, lower_bound, upper_bound, is_top,
    prediction_window, window_days, intervention_cost, success_rate, addressable_share,
    holdout_share, holdout_salt
)
select
    org_code, as_of_date, %s, risk_tier, lower_bound, upper_bound, is_top,
    prediction_window, window_days, intervention_cost, success_rate, addressable_share,
    holdout_share, holdout_salt
from intermediate.int_cohort_rules as shown
where not exists (
    select 1 from raw.cohort_rules as kept
    where kept.org_code = shown.org_code and kept.as_of_date = shown.as_of_date
)
-- two loads of one day, of which one is the seed's, go by the same
on conflict do nothing
"""


def keep(conn: Connection, build_id: int) -> None:
    """Keep the candidate's rules for the cohorts that readers never had before.

    Parameters
    ----------
    conn
        In the transaction that publishes the candidate: rules that readers never had
        are nobody's.
    build_id
        The candidate's.
    """
    conn.execute(_KEEP.encode(), (build_id,))
