-- Where the first score of somebody's current cohort is the current one too, and the
-- cohort's rules are today's, what was expected then is what is expected now: one
-- formula, written twice.
{{ config(tags=['whole']) }}

with

compared as (

    select
        cohort_rules.load_id,
        count(*) as rule_count,
        count(todays.risk_tier) as same_count

    from {{ ref('int_cohort_rules') }} as cohort_rules

    left join {{ ref('int_projection_rules') }} as todays
        on
            cohort_rules.risk_tier = todays.risk_tier
            and cohort_rules.prediction_window = todays.prediction_window
            and cohort_rules.lower_bound = todays.lower_bound
            and cohort_rules.upper_bound = todays.upper_bound
            and cohort_rules.intervention_cost = todays.intervention_cost
            and cohort_rules.success_rate = todays.success_rate
            and cohort_rules.addressable_share = todays.addressable_share

    group by cohort_rules.load_id

),

unchanged as (

    select load_id

    from compared

    where
        rule_count = same_count
        and rule_count = (select count(*) from {{ ref('int_projection_rules') }})

)

select
    past.load_id,
    past.patient_id,
    past.prediction_window

from {{ ref('int_past_projections') }} as past

inner join unchanged on past.load_id = unchanged.load_id

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
