-- A view, so that whoever is among the patients is in it; it reads marts alone, since
-- it reads them as whoever asks.
{{
    config(
        materialized='view',
        post_hook='{{ ask_as_reader() }}'
    )
}}

with

patients as (

    select * from {{ ref('patients') }}

),

predictions as (

    select * from {{ ref('predictions') }}

),

projections as (

    select * from {{ ref('financial_projections') }}

),

final as (

    select
        predictions.patient_id,
        predictions.prediction_window,
        predictions.organization_id,
        patients.department_id,
        patients.data_source,
        patients.index_date,
        patients.age_band,
        patients.gender,
        patients.race,
        predictions.risk_score,
        predictions.risk_tier,
        projections.intervention_cost,
        projections.expected_savings,
        projections.net_benefit,
        projections.roi_percent,
        projections.is_positive_roi

    from predictions

    inner join patients on predictions.patient_id = patients.patient_id

    inner join projections
        on
            predictions.patient_id = projections.patient_id
            and predictions.prediction_window = projections.prediction_window

)

select * from final
