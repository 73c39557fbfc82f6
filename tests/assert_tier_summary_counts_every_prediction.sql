-- What the summaries count is what the predictions hold: nobody lost, none double.

with

predicted as (

    select
        organization_id,
        prediction_window,
        risk_tier,
        count(*) as patient_count

    from {{ ref('predictions') }}

    group by organization_id, prediction_window, risk_tier

),

summaries as (

    select
        'org_tier_summary' as mart,
        organization_id,
        prediction_window,
        risk_tier,
        patient_count
    from {{ ref('org_tier_summary') }}

    union all

    select
        'dept_risk_distribution' as mart,
        organization_id,
        prediction_window,
        risk_tier,
        sum(patient_count) as patient_count
    from {{ ref('dept_risk_distribution') }}
    group by organization_id, prediction_window, risk_tier

)

select
    summaries.*,
    predicted.patient_count as predicted_count

from summaries

left join predicted
    on
        summaries.organization_id = predicted.organization_id
        and summaries.prediction_window = predicted.prediction_window
        and summaries.risk_tier = predicted.risk_tier

where summaries.patient_count <> coalesce(predicted.patient_count, 0)
