-- Everybody with a first score has every window that was scored then, in the tier and
-- at the cost, the success rate and the share that their cohort's rules say: also
-- where today's have become others.
{{ config(tags=['whole']) }}

with

scored as (

    select
        first_scores.load_id,
        first_scores.patient_id,
        ledger.window_days,
        ledger.risk_score,
        scored_from.annual_cost

    from {{ ref('int_first_scores') }} as first_scores

    inner join {{ ref('stg_scoring__predictions') }} as ledger
        on
            first_scores.batch_id = ledger.batch_id
            and first_scores.patient_id = ledger.patient_id

    inner join {{ ref('stg_scoring__scored_features') }} as scored_from
        on
            first_scores.batch_id = scored_from.batch_id
            and first_scores.patient_id = scored_from.patient_id

),

judged as (

    select
        scored.load_id,
        scored.patient_id,
        scored.window_days,
        cohort_rules.risk_tier,
        cohort_rules.intervention_cost,
        scored.annual_cost / 365 * scored.window_days * cohort_rules.addressable_share
        * cohort_rules.success_rate as expected_savings

    from scored

    left join {{ ref('int_cohort_rules') }} as cohort_rules
        on
            scored.load_id = cohort_rules.load_id
            and scored.window_days = cohort_rules.window_days
            and scored.risk_score >= cohort_rules.lower_bound
            and (
                scored.risk_score < cohort_rules.upper_bound
                or cohort_rules.upper_bound = 1
            )

)

select
    past.load_id,
    past.patient_id,
    past.prediction_window,
    judged.load_id as judged_load_id,
    judged.patient_id as judged_patient_id,
    judged.window_days as judged_window_days

from {{ ref('int_past_projections') }} as past

full outer join judged
    on
        past.load_id = judged.load_id
        and past.patient_id = judged.patient_id
        and past.window_days = judged.window_days

where
    (
        past.risk_tier = judged.risk_tier
        and past.intervention_cost = judged.intervention_cost
        and abs(past.expected_savings - judged.expected_savings)
        <= 1e-9 * greatest(1, judged.expected_savings)
        and past.is_positive_roi = (past.expected_savings > judged.intervention_cost)
    ) is not true
