-- The base scenario is what projections use: half of what may be lies on either side of
-- each of them. Mean and percentiles are as far from it as the spread says.

select
    uncertain.patient_id,
    uncertain.prediction_window

from {{ ref('roi_uncertainty') }} as uncertain

inner join {{ ref('financial_projections') }} as projections
    on
        uncertain.patient_id = projections.patient_id
        and uncertain.prediction_window = projections.prediction_window

cross join {{ ref('int_roi_spread') }} as spread

where
    (
        uncertain.organization_id = projections.organization_id
        {%- for column, factor in {
            'net_benefit_mean': 'spread.mean_factor',
            'net_benefit_p05': 'spread.low_factor',
            'net_benefit_p50': '1',
            'net_benefit_p95': 'spread.high_factor',
        }.items() %}
        and abs(
            uncertain.{{ column }}
            - (
                {{ factor }} * projections.expected_savings
                - projections.intervention_cost
            )
        )
        <= 1e-9 * greatest(1, projections.expected_savings)
        {%- endfor %}
        and (uncertain.break_even_success_rate is null)
        = (projections.intervention_cost > projections.addressable_cost)
        and (
            uncertain.break_even_success_rate is null
            or abs(
                uncertain.break_even_success_rate * projections.addressable_cost
                - projections.intervention_cost
            )
            <= 1e-9 * projections.intervention_cost
        )
    ) is not true
