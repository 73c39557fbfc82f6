with

latest_predictions as (

    select * from {{ ref('int_latest_predictions') }}

),

predictions as (

    select * from {{ ref('stg_scoring__predictions') }}

),

batches as (

    select * from {{ ref('int_scoring_batches') }}

),

features as (

    select * from {{ ref('int_patient_features') }}

    where is_current and purpose = 'cohort'

),

outcomes as (

    select * from {{ ref('int_patient_outcomes') }}

),

windows as (

    select * from {{ ref('prediction_windows') }}

),

final as (

    select
        predictions.patient_id,
        windows.prediction_window,
        batches.target,
        batches.model_version,
        features.organization_id,
        predictions.risk_score,
        coalesce(outcomes.days_to_readmission <= windows.window_days, false)
            as has_event

    from features

    inner join outcomes
        on
            features.load_id = outcomes.load_id
            and features.patient_id = outcomes.patient_id

    inner join latest_predictions
        on features.patient_id = latest_predictions.patient_id

    inner join predictions
        on
            latest_predictions.patient_id = predictions.patient_id
            and latest_predictions.batch_id = predictions.batch_id

    inner join batches on predictions.batch_id = batches.batch_id

    inner join windows on predictions.window_days = windows.window_days

)

select * from final
