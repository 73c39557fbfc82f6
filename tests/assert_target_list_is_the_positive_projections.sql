-- The target list is everybody whose projection is positive, with the amounts of
-- the projection, the score and reasons of the prediction, and the patient's names.

with

positive as (

    select
        projections.*,
        patients.patient_uuid,
        patients.department_id,
        arms.is_control as is_drawn_control,
        predictions.risk_score,
        predictions.reason_1,
        predictions.reason_2,
        predictions.reason_3

    from {{ ref('financial_projections') }} as projections

    inner join {{ ref('predictions') }} as predictions
        on
            projections.patient_id = predictions.patient_id
            and projections.prediction_window = predictions.prediction_window

    inner join {{ ref('patients') }} as patients
        on projections.patient_id = patients.patient_id

    left join {{ ref('int_holdout_arms') }} as arms
        on projections.patient_id = arms.patient_id

    where projections.net_benefit > 0

)

select
    targets.patient_id,
    targets.prediction_window,
    positive.patient_id as expected_patient_id,
    positive.prediction_window as expected_prediction_window

from {{ ref('positive_roi_patients') }} as targets

full outer join positive
    on
        targets.patient_id = positive.patient_id
        and targets.prediction_window = positive.prediction_window

where
    (
        targets.patient_uuid = positive.patient_uuid
        and targets.organization_id = positive.organization_id
        and targets.department_id = positive.department_id
        and targets.risk_score = positive.risk_score
        and targets.risk_tier = positive.risk_tier
        and targets.expected_savings = positive.expected_savings
        and targets.intervention_cost = positive.intervention_cost
        and targets.net_benefit = positive.net_benefit
        and targets.roi_percent = positive.roi_percent
        and targets.roi_category = positive.roi_category
        and targets.reason_1 = positive.reason_1
        and targets.reason_2 = positive.reason_2
        and targets.reason_3 = positive.reason_3
        and targets.is_control = positive.is_drawn_control
    ) is not true
