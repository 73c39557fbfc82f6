-- Who stands above somebody is counted from the index alone.
{{
    config(
        indexes=[{'columns': [
            'organization_id', 'prediction_window', 'net_benefit', 'patient_id'
        ]}]
    )
}}

with

projections as (

    select * from {{ ref('financial_projections') }}

    where is_positive_roi

),

predictions as (

    select * from {{ ref('predictions') }}

),

patients as (

    select * from {{ ref('patients') }}

),

final as (

    select
        projections.patient_id,
        projections.prediction_window,
        patients.patient_uuid,
        projections.organization_id,
        patients.department_id,
        predictions.risk_score,
        projections.risk_tier,
        projections.expected_savings,
        projections.intervention_cost,
        projections.net_benefit,
        projections.roi_percent,
        projections.roi_category,
        predictions.reason_1,
        predictions.reason_2,
        predictions.reason_3,
        projections.is_control

    from projections

    inner join predictions
        on
            projections.patient_id = predictions.patient_id
            and projections.prediction_window = predictions.prediction_window

    inner join patients on projections.patient_id = patients.patient_id

)

select * from final
