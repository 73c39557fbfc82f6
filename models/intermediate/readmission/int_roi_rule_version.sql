{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

roi_rates as (

    select * from {{ ref('int_roi_rates') }}

),

tiers as (

    select * from {{ ref('int_risk_tier_bounds') }}

),

categories as (

    select * from {{ ref('int_roi_category_bounds') }}

),

rule_lines as (

    select
        'rate ' || risk_tier || ' ' || prediction_window || ' '
        || cast(intervention_cost as numeric(14, 4)) || ' '
        || cast(success_rate as numeric(9, 6)) as rule_line

    from roi_rates

    union all

    select
        'tier ' || risk_tier || ' ' || cast(lower_bound as numeric(9, 6)) || ' '
        || cast(upper_bound as numeric(9, 6)) as rule_line

    from tiers

    union all

    select
        'category ' || roi_category || ' '
        || coalesce(cast(cast(above_percent as numeric(12, 4)) as varchar(20)), 'else')
            as rule_line

    from categories

    union all

    select 'addressable_share {{ var("addressable_share") }}' as rule_line

),

final as (

    select
        substr(md5(string_agg(rule_line, '; ' order by rule_line)), 1, 12)
            as rule_version

    from rule_lines

)

select * from final
