with

projections as (

    select * from {{ ref('financial_projections') }}

    where not is_control

),

steps as (

    select * from {{ ref('targeting_steps') }}

),

-- The orders that know less go by these: one reading of all projections for the three.
groups as (

    select
        organization_id,
        prediction_window,
        risk_tier,
        -- fine enough that hardly anybody shares one where costs are high
        cast(floor(annual_cost / 10) as integer) as cost_bin,
        count(*) as patient_count,
        sum(intervention_cost) as total_intervention_cost,
        sum(expected_savings) as total_expected_savings

    from projections

    group by organization_id, prediction_window, risk_tier, cost_bin

),

binned as (

    select
        organization_id,
        'best' as targeting_strategy,
        prediction_window,
        {{ quarter_doublings(
            'net_per_dollar', lowest_targeting_bin(), highest_targeting_bin()
        ) }} as priority_bin,
        1 as patient_count,
        case when previous_window is null then 1 else 0 end as new_patient_count,
        step_cost as total_intervention_cost,
        step_savings as total_expected_savings

    from steps

    {%- for strategy, priority in {
        'risk_blind': 'cost_bin', 'highest_tier_first': 'risk_tier', 'random': '0'
    }.items() %}

    union all

    select
        organization_id,
        '{{ strategy }}' as targeting_strategy,
        prediction_window,
        {{ priority }} as priority_bin,
        patient_count,
        patient_count as new_patient_count,
        total_intervention_cost,
        total_expected_savings

    from groups
    {%- endfor %}

),

final as (

    select
        organization_id,
        targeting_strategy,
        prediction_window,
        priority_bin,
        cast(sum(patient_count) as {{ dbt.type_bigint() }}) as patient_count,
        cast(sum(new_patient_count) as {{ dbt.type_bigint() }}) as new_patient_count,
        sum(total_intervention_cost) as total_intervention_cost,
        sum(total_expected_savings) as total_expected_savings

    from binned

    group by organization_id, targeting_strategy, prediction_window, priority_bin

)

select * from final
