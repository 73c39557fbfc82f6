-- 30-day risk <= 60-day risk <= 90-day risk for every prediction ever made.

with

history as (

    select
        batch_id,
        patient_id,
        prediction_window,
        risk_score
    from {{ ref('predictions') }}

    union all

    select
        batch_id,
        patient_id,
        prediction_window,
        risk_score
    from {{ ref('past_predictions') }}

),

side_by_side as (

    select
        history.batch_id,
        history.patient_id,
        windows.window_days,
        history.risk_score,
        lead(history.risk_score) over (
            partition by history.patient_id, history.batch_id
            order by windows.window_days
        ) as next_risk_score

    from history

    inner join {{ ref('prediction_windows') }} as windows
        on history.prediction_window = windows.prediction_window

)

select *
from side_by_side
where risk_score > next_risk_score
