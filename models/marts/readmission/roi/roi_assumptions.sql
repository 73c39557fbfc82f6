with

scenarios as (

    select * from {{ ref('int_roi_scenarios') }}

),

spread as (

    select * from {{ ref('int_roi_spread') }}

),

final as (

    select
        scenarios.scenario,
        scenarios.addressable_share,
        scenarios.success_multiplier,
        scenarios.cost_inflation,
        scenarios.savings_factor,
        spread.downside_spread,
        spread.upside_spread

    from scenarios

    cross join spread

)

select * from final
