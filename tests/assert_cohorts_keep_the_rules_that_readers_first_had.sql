-- The rules of a cohort that readers had are those that were kept for it, all of them and
-- no other; of a cohort that they never had, today's.

{% set columns = [
    'risk_tier', 'prediction_window', 'lower_bound', 'upper_bound', 'is_top',
    'window_days', 'intervention_cost', 'success_rate', 'addressable_share',
    'holdout_share', 'holdout_salt'
] %}

with

cohorts as (

    select
        loads.load_id,
        loads.org_code,
        loads.as_of_date,
        exists (
            select 1
            from {{ ref('stg_builds__cohort_rules') }} as kept
            where
                kept.org_code = loads.org_code and kept.as_of_date = loads.as_of_date
        ) as is_kept

    from {{ ref('int_cohort_loads') }} as loads

    where loads.purpose = 'cohort' and loads.data_source <> 'NEW_PATIENT'

),

expected as (

    select
        cohorts.load_id,
        {% for column in columns %}
        case
            when cohorts.is_kept then kept.{{ column }} else todays.{{ column }}
        end as {{ column }}{{ "," if not loop.last }}
        {% endfor %}

    from cohorts

    left join {{ ref('stg_builds__cohort_rules') }} as kept
        on
            cohorts.org_code = kept.org_code and cohorts.as_of_date = kept.as_of_date

    left join {{ ref('int_projection_rules') }} as todays on not cohorts.is_kept

)

select
    cohort_rules.load_id,
    cohort_rules.risk_tier,
    cohort_rules.prediction_window,
    expected.load_id as expected_load_id,
    expected.risk_tier as expected_risk_tier,
    expected.prediction_window as expected_prediction_window

from {{ ref('int_cohort_rules') }} as cohort_rules

full outer join expected
    on
        cohort_rules.load_id = expected.load_id
        {% for column in columns %}
        and cohort_rules.{{ column }} = expected.{{ column }}
        {% endfor %}

where cohort_rules.load_id is null or expected.load_id is null
