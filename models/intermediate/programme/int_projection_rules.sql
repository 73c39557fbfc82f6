with

tiers as (

    select * from {{ ref('int_risk_tier_bounds') }}

),

roi_rates as (

    select * from {{ ref('int_roi_rates') }}

),

final as (

    select
        tiers.risk_tier,
        tiers.lower_bound,
        tiers.upper_bound,
        tiers.is_top,
        roi_rates.prediction_window,
        roi_rates.window_days,
        roi_rates.intervention_cost,
        roi_rates.success_rate,
        cast({{ var('addressable_share') }} as {{ type_double() }})
            as addressable_share,
        cast({{ var('holdout_share') }} as {{ type_double() }}) as holdout_share,
        '{{ var("holdout_salt") }}' as holdout_salt

    from tiers

    inner join roi_rates on tiers.risk_tier = roi_rates.risk_tier

)

select * from final
