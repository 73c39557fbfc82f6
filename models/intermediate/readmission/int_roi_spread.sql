{{ config(materialized='table', post_hook='analyze {{ this }}') }}

-- How far savings may be from the projection when none of the factors is known. Below
-- the median a factor's logarithm is spread as the conservative scenario says, above it
-- as the optimistic one does; independent spreads add up in squares.

with

conservative as (

    select * from {{ ref('int_roi_scenarios') }}

    where scenario = 'conservative'

),

base as (

    select * from {{ ref('int_roi_scenarios') }}

    where scenario = 'base'

),

optimistic as (

    select * from {{ ref('int_roi_scenarios') }}

    where scenario = 'optimistic'

),

spreads as (

    select
        sqrt(
            {% for factor in scenario_factors() -%}
            power(ln(base.{{ factor }} / conservative.{{ factor }}), 2)
            {{- " + " if not loop.last }}
            {% endfor -%}
        ) / {{ normal_quantile_95() }} as downside_spread,
        sqrt(
            {% for factor in scenario_factors() -%}
            power(ln(optimistic.{{ factor }} / base.{{ factor }}), 2)
            {{- " + " if not loop.last }}
            {% endfor -%}
        ) / {{ normal_quantile_95() }} as upside_spread

    from base

    cross join conservative

    cross join optimistic

),

final as (

    select
        downside_spread,
        upside_spread,
        exp(-{{ normal_quantile_95() }} * downside_spread) as low_factor,
        exp(power(downside_spread, 2) / 2) * (1 - {{ normal_cdf('downside_spread') }})
        + exp(power(upside_spread, 2) / 2) * {{ normal_cdf('upside_spread') }}
            as mean_factor,
        exp({{ normal_quantile_95() }} * upside_spread) as high_factor

    from spreads

)

select * from final
