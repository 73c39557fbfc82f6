-- depends_on: {{ ref('int_rule_faults') }}
{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

windows as (

    select * from {{ ref('prediction_windows') }}

),

costs as (

    select * from {{ ref('intervention_costs') }}

),

rates as (

    select * from {{ ref('success_rates') }}

),

final as (

    select
        costs.risk_tier,
        windows.prediction_window,
        windows.window_days,
        costs.intervention_cost_usd as intervention_cost,
        rates.success_rate

    from windows

    inner join costs on windows.prediction_window = costs.prediction_window

    inner join rates
        on
            costs.prediction_window = rates.prediction_window
            and costs.risk_tier = rates.risk_tier

)

select * from final
