with

evaluations as (

    select * from {{ ref('int_latest_evaluations') }}

),

windows as (

    select * from {{ ref('prediction_windows') }}

),

metrics as (

    select * from {{ ref('stg_scoring__evaluation_metrics') }}

),

final as (

    select
        evaluations.evaluation_id,
        windows.prediction_window,
        metrics.group_name,
        metrics.group_value,
        metrics.metric,
        metrics.value,
        metrics.lower,
        metrics.upper,
        metrics.patient_count,
        metrics.event_count,
        metrics.is_small

    from metrics

    inner join evaluations on metrics.evaluation_id = evaluations.evaluation_id

    inner join windows on metrics.window_days = windows.window_days

)

select * from final
