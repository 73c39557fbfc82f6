-- A table: publication keeps it for the cohorts that readers never had before.
{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

cohorts as (

    select
        load_id,
        org_code,
        as_of_date

    from {{ ref('int_cohort_loads') }}

    where purpose = 'cohort' and load_id >= 0

),

todays as (

    select * from {{ ref('int_projection_rules') }}

),

kept as (

    select * from {{ ref('stg_builds__cohort_rules') }}

),

shown as (

    select
        org_code,
        as_of_date

    from kept

    group by org_code, as_of_date

),

of_then as (

    select
        cohorts.load_id,
        cohorts.org_code,
        cohorts.as_of_date,
        kept.risk_tier,
        kept.lower_bound,
        kept.upper_bound,
        kept.is_top,
        kept.prediction_window,
        kept.window_days,
        kept.intervention_cost,
        kept.success_rate,
        kept.addressable_share,
        kept.holdout_share,
        kept.holdout_salt

    from cohorts

    inner join kept
        on
            cohorts.org_code = kept.org_code
            and cohorts.as_of_date = kept.as_of_date

),

of_today as (

    select
        cohorts.load_id,
        cohorts.org_code,
        cohorts.as_of_date,
        todays.risk_tier,
        todays.lower_bound,
        todays.upper_bound,
        todays.is_top,
        todays.prediction_window,
        todays.window_days,
        todays.intervention_cost,
        todays.success_rate,
        todays.addressable_share,
        todays.holdout_share,
        todays.holdout_salt

    from cohorts

    cross join todays

    left join shown
        on
            cohorts.org_code = shown.org_code
            and cohorts.as_of_date = shown.as_of_date

    where shown.org_code is null

),

final as (

    select * from of_then

    union all

    select * from of_today

)

select * from final
