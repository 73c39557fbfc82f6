with

current_loads as (

    select * from {{ ref('int_cohort_loads') }}

    where is_current

),

windows as (

    select * from {{ ref('prediction_windows') }}

),

tiers as (

    select * from {{ ref('int_risk_tier_bounds') }}

),

final as (

    select
        current_loads.organization_id,
        windows.prediction_window,
        windows.window_days,
        tiers.risk_tier,
        tiers.tier_name

    from current_loads

    cross join windows

    cross join tiers

)

select * from final
