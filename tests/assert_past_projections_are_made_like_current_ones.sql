-- Where the first score of somebody's current cohort is the current one too, what was
-- expected then is what is expected now: one formula, written twice.
{{ config(tags=['whole']) }}

select
    past.load_id,
    past.patient_id,
    past.prediction_window

from {{ ref('int_past_projections') }} as past

inner join {{ ref('int_first_scores') }} as first_scores
    on past.load_id = first_scores.load_id and past.patient_id = first_scores.patient_id

inner join {{ ref('int_patient_features') }} as features
    on past.load_id = features.load_id and past.patient_id = features.patient_id

inner join {{ ref('predictions') }} as predictions
    on
        past.patient_id = predictions.patient_id
        and past.prediction_window = predictions.prediction_window
        and first_scores.batch_id = predictions.batch_id

inner join {{ ref('financial_projections') }} as projections
    on
        past.patient_id = projections.patient_id
        and past.prediction_window = projections.prediction_window

where
    features.is_current
    and (
        past.risk_tier = projections.risk_tier
        and past.intervention_cost = projections.intervention_cost
        and past.is_positive_roi = projections.is_positive_roi
        and abs(past.expected_savings - projections.expected_savings)
        <= 1e-9 * greatest(1, projections.expected_savings)
    ) is not true
