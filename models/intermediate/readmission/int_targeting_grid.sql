{{ config(materialized='table', post_hook='analyze {{ this }}') }}

-- Nobody first, then every step that brings at least so much a dollar: the threshold
-- goes down by a fourth root of two, and at the end to nothing.

with

thresholds as (

    select
        0 as budget_step,
        cast(null as integer) as lowest_bin
    {% for bin in range(highest_targeting_bin(), lowest_targeting_bin() - 1, -1) %}
    union all
    select
        {{ loop.index }} as budget_step,
        {{ bin }} as lowest_bin
    {%- endfor %}

),

strategies as (

    select 'best' as targeting_strategy
    union all
    select 'risk_blind' as targeting_strategy
    union all
    select 'highest_tier_first' as targeting_strategy
    union all
    select 'random' as targeting_strategy

),

final as (

    select
        strategies.targeting_strategy,
        cast(thresholds.budget_step as smallint) as budget_step,
        thresholds.lowest_bin,
        case
            when thresholds.lowest_bin > {{ lowest_targeting_bin() }}
                then
                    power(
                        cast(2 as {{ type_double() }}), thresholds.lowest_bin / 4.0
                    )
            when thresholds.lowest_bin = {{ lowest_targeting_bin() }} then 0
        end as least_net_per_dollar

    from thresholds

    cross join strategies

)

select * from final
