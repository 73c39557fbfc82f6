-- The base scenario is what projections use: half of what may be lies on either side of
-- each of them.

select
    uncertain.patient_id,
    uncertain.prediction_window

from {{ ref('roi_uncertainty') }} as uncertain

inner join {{ ref('financial_projections') }} as projections
    on
        uncertain.patient_id = projections.patient_id
        and uncertain.prediction_window = projections.prediction_window

where
    (
        abs(uncertain.net_benefit_p50 - projections.net_benefit)
        <= 1e-9 * greatest(1, projections.expected_savings)
        and (
            uncertain.break_even_success_rate is null
            or abs(
                uncertain.break_even_success_rate * projections.addressable_cost
                - projections.intervention_cost
            )
            <= 1e-9 * projections.intervention_cost
        )
    ) is not true
