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

cohort_rules as (

    select * from {{ ref('int_cohort_rules') }}

),

scored as (

    select
        first_scores.load_id,
        first_scores.patient_id,
        features.organization_id,
        features.index_date as as_of_date,
        cohort_rules.prediction_window,
        cohort_rules.window_days,
        predictions.risk_score,
        cohort_rules.risk_tier,
        cohort_rules.success_rate,
        cohort_rules.intervention_cost,
        cohort_rules.addressable_share * features.annual_cost / 365
        * cohort_rules.window_days as addressable_cost,
        coalesce(features.days_since_last_admission <= cohort_rules.window_days, false)
            as had_event_before,
        case
            when outcomes.patient_id is not null
                then
                    coalesce(
                        outcomes.days_to_readmission <= cohort_rules.window_days, false
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

    inner join cohort_rules
        on
            first_scores.load_id = cohort_rules.load_id
            and predictions.window_days = cohort_rules.window_days
            and predictions.risk_score >= cohort_rules.lower_bound
            and (
                predictions.risk_score < cohort_rules.upper_bound or cohort_rules.is_top
            )

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
