-- Gate: the expected rate of every tier and window lies within the interval of the
-- observed rate, which gate_confidence and Bonferroni's correction make wide enough
-- for all of them together. Tiers with fewer than smallest_gate_cell people are
-- reported only. Every window has its tiers.

with

evaluations as (

    select * from {{ ref('int_gated_evaluations') }}

),

tiers as (

    select * from {{ ref('int_evaluation_bins') }}

    where bin_type = 'tier' and group_name = 'all'

)

select
    evaluations.model_version,
    windows.prediction_window,
    risk_tiers.risk_tier,
    tiers.patient_count,
    tiers.expected_rate,
    tiers.observed_rate,
    tiers.gate_lower,
    tiers.gate_upper

from evaluations

cross join {{ ref('prediction_windows') }} as windows

cross join {{ ref('risk_tiers') }} as risk_tiers

left join tiers
    on
        evaluations.evaluation_id = tiers.evaluation_id
        and windows.prediction_window = tiers.prediction_window
        and risk_tiers.risk_tier = tiers.bin

where
    (
        tiers.patient_count < {{ var('smallest_gate_cell') }}
        or tiers.expected_rate between tiers.gate_lower and tiers.gate_upper
    ) is not true
