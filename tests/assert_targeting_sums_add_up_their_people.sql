-- Each priority has whom the steps and projections put there, but for controls, and
-- nobody else.

with

counted as (

    select
        organization_id,
        'best' as targeting_strategy,
        prediction_window,
        {{ quarter_doublings(
            'net_per_dollar', lowest_targeting_bin(), highest_targeting_bin()
        ) }} as priority_bin,
        count(*) as patient_count,
        count(*) filter (where previous_window is null) as new_patient_count,
        sum(step_cost) as spend,
        sum(step_savings) as savings

    from {{ ref('targeting_steps') }}

    group by 1, 3, 4
    {%- for strategy, priority in {
        'random': '0',
        'highest_tier_first': 'risk_tier',
        'risk_blind': 'cast(floor(annual_cost / 10) as integer)',
    }.items() %}

    union all

    select
        organization_id,
        '{{ strategy }}' as targeting_strategy,
        prediction_window,
        {{ priority }} as priority_bin,
        count(*) as patient_count,
        count(*) as new_patient_count,
        sum(intervention_cost) as spend,
        sum(expected_savings) as savings

    from {{ ref('financial_projections') }}

    where not is_control

    group by 1, 3, 4
    {%- endfor %}

)

select
    sums.organization_id,
    sums.targeting_strategy,
    sums.prediction_window,
    sums.priority_bin,
    counted.priority_bin as counted_bin

from {{ ref('targeting_sums') }} as sums

full outer join counted
    on
        sums.organization_id = counted.organization_id
        and sums.targeting_strategy = counted.targeting_strategy
        and sums.prediction_window = counted.prediction_window
        and sums.priority_bin = counted.priority_bin

where
    (
        sums.patient_count = counted.patient_count
        and sums.new_patient_count = counted.new_patient_count
        and abs(sums.total_intervention_cost - counted.spend)
        <= 1e-9 * greatest(1, counted.spend)
        and abs(sums.total_expected_savings - counted.savings)
        <= 1e-9 * greatest(1, counted.savings)
    ) is not true
