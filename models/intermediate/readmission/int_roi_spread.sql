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
        {{ spread_factors() }}

    from spreads

)

select * from final
