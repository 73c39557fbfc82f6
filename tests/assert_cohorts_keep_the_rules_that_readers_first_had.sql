-- The rules of a cohort that readers had are those that were kept for it, all of them
-- and no other; of a cohort that they never had, today's.

{% set columns = [
    'risk_tier', 'prediction_window', 'lower_bound', 'upper_bound', 'is_top',
    'window_days', 'intervention_cost', 'success_rate', 'addressable_share',
    'holdout_share', 'holdout_salt'
] %}

with

kept_cohorts as (

    select
        org_code,
        as_of_date

    from {{ ref('stg_builds__cohort_rules') }}

    group by org_code, as_of_date

),

cohorts as (

    select
        loads.load_id,
        loads.org_code,
        loads.as_of_date,
        kept_cohorts.org_code is not null as is_kept

    from {{ ref('int_cohort_loads') }} as loads

    left join kept_cohorts
        on
            loads.org_code = kept_cohorts.org_code
            and loads.as_of_date = kept_cohorts.as_of_date

    where loads.purpose = 'cohort' and loads.data_source <> 'NEW_PATIENT'

),

expected as (

    select
        {% for column in columns %}
        coalesce(kept.{{ column }}, todays.{{ column }}) as {{ column }},
        {% endfor %}
        cohorts.load_id

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
