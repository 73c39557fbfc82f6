{{ config(materialized='table', post_hook='analyze {{ this }}') }}

with

first_scores as (

    select * from {{ ref('int_first_scores') }}

),

predictions as (

    select * from {{ ref('stg_scoring__predictions') }}

),

features as (

    select * from {{ ref('int_patient_features') }}

),

outcomes as (

    select * from {{ ref('int_patient_outcomes') }}

),

tiers as (

    select * from {{ ref('int_risk_tier_bounds') }}

),

roi_rates as (

    select * from {{ ref('int_roi_rates') }}

),

scored as (

    select
        first_scores.load_id,
        first_scores.patient_id,
        features.organization_id,
        features.index_date as as_of_date,
        roi_rates.prediction_window,
        roi_rates.window_days,
        predictions.risk_score,
        tiers.risk_tier,
        roi_rates.success_rate,
        roi_rates.intervention_cost,
        {{ var('addressable_share') }} * features.annual_cost / 365
        * roi_rates.window_days as addressable_cost,
        coalesce(features.days_since_last_admission <= roi_rates.window_days, false)
            as had_event_before,
        case
            when outcomes.patient_id is not null
                then
                    coalesce(
                        outcomes.days_to_readmission <= roi_rates.window_days, false
                    )
        end as has_event

    from first_scores

    inner join features
        on
            first_scores.load_id = features.load_id
            and first_scores.patient_id = features.patient_id

    inner join predictions
        on
            first_scores.patient_id = predictions.patient_id
            and first_scores.batch_id = predictions.batch_id

    inner join tiers
        on
            predictions.risk_score >= tiers.lower_bound
            and (predictions.risk_score < tiers.upper_bound or tiers.is_top)

    inner join roi_rates
        on
            predictions.window_days = roi_rates.window_days
            and tiers.risk_tier = roi_rates.risk_tier

    left join outcomes
        on
            first_scores.load_id = outcomes.load_id
            and first_scores.patient_id = outcomes.patient_id

),

final as (

    select
        *,
        addressable_cost * success_rate as expected_savings,
        addressable_cost * success_rate > intervention_cost as is_positive_roi

    from scored

)

select * from final
