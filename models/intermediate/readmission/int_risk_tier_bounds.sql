-- depends_on: {{ ref('int_rule_faults') }}
{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

tiers as (

    select * from {{ ref('risk_tiers') }}

),

final as (

    select
        risk_tier,
        tier_name,
        lower_bound,
        upper_bound,
        -- the top tier is closed: a score of exactly 1 belongs to it
        upper_bound = max(upper_bound) over () as is_top

    from tiers

)

select * from final
