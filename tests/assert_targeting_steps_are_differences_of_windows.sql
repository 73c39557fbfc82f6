-- A step costs and saves what its window does beyond the window whose place it takes,
-- and is of its patient's department.

select
    steps.patient_id,
    steps.prediction_window

from {{ ref('targeting_steps') }} as steps

left join {{ ref('financial_projections') }} as reached
    on
        steps.patient_id = reached.patient_id
        and steps.prediction_window = reached.prediction_window

left join {{ ref('financial_projections') }} as earlier
    on
        steps.patient_id = earlier.patient_id
        and steps.previous_window = earlier.prediction_window

left join {{ ref('patients') }} as patients on steps.patient_id = patients.patient_id

where
    (
        (steps.previous_window is null) = (earlier.patient_id is null)
        and steps.organization_id = patients.organization_id
        and steps.department_id = patients.department_id
        and abs(
            steps.step_cost
            - (reached.intervention_cost - coalesce(earlier.intervention_cost, 0))
        )
        <= 1e-9 * reached.intervention_cost
        and abs(
            steps.step_savings
            - (reached.expected_savings - coalesce(earlier.expected_savings, 0))
        )
        <= 1e-9 * reached.expected_savings
        and abs(steps.net_per_dollar * steps.step_cost - steps.step_net_benefit)
        <= 1e-9 * reached.expected_savings
    ) is not true
