with

tier_grid as (

    select * from {{ ref('int_tier_grid') }}

),

previous_tiers as (

    select * from {{ ref('int_risk_tier_bounds') }}

),

final as (

    select
        tier_grid.organization_id,
        tier_grid.prediction_window,
        previous_tiers.risk_tier as previous_tier,
        previous_tiers.tier_name as previous_tier_name,
        tier_grid.risk_tier,
        tier_grid.tier_name

    from tier_grid

    cross join previous_tiers

)

select * from final
