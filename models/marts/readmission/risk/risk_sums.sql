with

predictions as (

    select * from {{ ref('predictions') }}

),

patients as (

    select * from {{ ref('patients') }}

),

final as (

    select
        predictions.organization_id,
        predictions.prediction_window,
        patients.department_id,
        predictions.risk_tier,
        count(*) as patient_count,
        sum(predictions.risk_score) as total_risk_score

    from predictions

    inner join patients on predictions.patient_id = patients.patient_id

    group by
        predictions.organization_id,
        predictions.prediction_window,
        patients.department_id,
        predictions.risk_tier

)

select * from final
