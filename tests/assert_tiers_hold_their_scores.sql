-- Every prediction ever made stands in the tier of the seed whose bounds hold its
-- score; the top tier is closed.

with

history as (

    select
        batch_id,
        patient_id,
        prediction_window,
        risk_score,
        risk_tier
    from {{ ref('predictions') }}

    union all

    select
        batch_id,
        patient_id,
        prediction_window,
        risk_score,
        risk_tier
    from {{ ref('past_predictions') }}

)

select
    history.patient_id,
    history.prediction_window,
    history.batch_id,
    history.risk_score,
    history.risk_tier

from history

left join {{ ref('risk_tiers') }} as tiers on history.risk_tier = tiers.risk_tier

where
    (
        history.risk_score >= tiers.lower_bound
        and (history.risk_score < tiers.upper_bound or tiers.upper_bound = 1)
    ) is not true
