-- Of each patient's windows, those that a growing budget comes to: the upper convex
-- hull of cost and net benefit, from doing nothing on. Its steps bring ever less a
-- dollar; so to take all steps above some return per dollar is the best one can do with
-- what they cost (Lagrange): any other choice gains less a dollar than it gives up.

with

projections as (

    select * from {{ ref('financial_projections') }}

    where is_positive_roi and not is_control

),

patients as (

    select * from {{ ref('patients') }}

),

ranked as (

    select
        *,
        max(net_benefit) over (
            partition by patient_id
            order by intervention_cost asc, net_benefit desc, prediction_window asc
            rows between unbounded preceding and 1 preceding
        ) as best_for_less

    from projections

),

-- who costs more has to bring more
undominated as (

    select * from ranked

    where best_for_less is null or net_benefit > best_for_less

),

slopes as (

    select
        choice.patient_id,
        choice.prediction_window,
        choice.organization_id,
        choice.intervention_cost,
        choice.expected_savings,
        choice.net_benefit,
        least(
            choice.net_benefit / choice.intervention_cost,
            min(
                (choice.net_benefit - other.net_benefit)
                / nullif(choice.intervention_cost - other.intervention_cost, 0)
            ) filter (where other.intervention_cost < choice.intervention_cost)
        ) as slope_to,
        max(
            (other.net_benefit - choice.net_benefit)
            / nullif(other.intervention_cost - choice.intervention_cost, 0)
        ) filter (where other.intervention_cost > choice.intervention_cost)
            as slope_from

    from undominated as choice

    inner join undominated as other on choice.patient_id = other.patient_id

    group by
        choice.patient_id,
        choice.prediction_window,
        choice.organization_id,
        choice.intervention_cost,
        choice.expected_savings,
        choice.net_benefit

),

hull as (

    select
        *,
        lag(prediction_window) over patient_steps as previous_window,
        coalesce(lag(intervention_cost) over patient_steps, 0) as previous_cost,
        coalesce(lag(expected_savings) over patient_steps, 0) as previous_savings

    from slopes

    where slope_from is null or slope_to > slope_from

    window patient_steps as (partition by patient_id order by intervention_cost)

),

steps as (

    select
        *,
        intervention_cost - previous_cost as step_cost,
        expected_savings - previous_savings as step_savings

    from hull

),

final as (

    select
        steps.patient_id,
        steps.prediction_window,
        steps.organization_id,
        patients.department_id,
        steps.previous_window,
        steps.step_cost,
        steps.step_savings,
        steps.step_savings - steps.step_cost as step_net_benefit,
        (steps.step_savings - steps.step_cost) / steps.step_cost as net_per_dollar

    from steps

    inner join patients on steps.patient_id = patients.patient_id

)

select * from final
