-- depends_on: {{ ref('int_rule_faults') }}
{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

scenarios as (

    select * from {{ ref('roi_scenarios') }}

),

base as (

    select * from scenarios

    where scenario = 'base'

),

final as (

    select
        scenarios.scenario,
        scenarios.addressable_share,
        scenarios.success_multiplier,
        scenarios.cost_inflation,
        {% for factor in scenario_factors() -%}
        scenarios.{{ factor }} / base.{{ factor }}
        {{- " * " if not loop.last }}
        {%- endfor %} as savings_factor

    from scenarios

    cross join base

)

select * from final
