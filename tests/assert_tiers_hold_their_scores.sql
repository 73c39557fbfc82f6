-- Every prediction ever made stands in the tier of the seed whose bounds hold its
-- score; the top tier is closed.

select
    history.patient_id,
    history.prediction_window,
    history.batch_id,
    history.risk_score,
    history.risk_tier

from {{ ref('prediction_history') }} as history

left join {{ ref('risk_tiers') }} as tiers on history.risk_tier = tiers.risk_tier

where
    (
        history.risk_score >= tiers.lower_bound
        and (history.risk_score < tiers.upper_bound or tiers.upper_bound = 1)
    ) is not true
