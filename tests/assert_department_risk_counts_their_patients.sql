-- Departments count the predictions of their own patients, and average their scores.

with

predicted as (

    select
        predictions.organization_id,
        predictions.prediction_window,
        patients.department_id,
        predictions.risk_tier,
        count(*) as patient_count,
        avg(predictions.risk_score) as average_risk_score

    from {{ ref('predictions') }} as predictions

    left join {{ ref('patients') }} as patients
        on predictions.patient_id = patients.patient_id

    group by
        predictions.organization_id,
        predictions.prediction_window,
        patients.department_id,
        predictions.risk_tier

)

select
    shown.*,
    predicted.patient_count as predicted_count,
    predicted.average_risk_score as predicted_average

from {{ ref('dept_risk_distribution') }} as shown

full outer join predicted
    on
        shown.organization_id = predicted.organization_id
        and shown.prediction_window = predicted.prediction_window
        and shown.department_id = predicted.department_id
        and shown.risk_tier = predicted.risk_tier

where
    shown.patient_count is distinct from coalesce(predicted.patient_count, 0)
    or abs(
        coalesce(shown.average_risk_score, -1)
        - coalesce(predicted.average_risk_score, -1)
    ) > 1e-9
