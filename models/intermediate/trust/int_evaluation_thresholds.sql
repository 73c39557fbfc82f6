with

evaluations as (

    select * from {{ ref('int_latest_evaluations') }}

),

windows as (

    select * from {{ ref('prediction_windows') }}

),

thresholds as (

    select * from {{ ref('stg_scoring__evaluation_thresholds') }}

),

final as (

    select
        evaluations.evaluation_id,
        windows.prediction_window,
        thresholds.threshold,
        thresholds.flagged_count,
        thresholds.sensitivity,
        thresholds.specificity,
        thresholds.ppv,
        thresholds.lift,
        thresholds.net_benefit,
        thresholds.net_benefit_all

    from thresholds

    inner join evaluations on thresholds.evaluation_id = evaluations.evaluation_id

    inner join windows on thresholds.window_days = windows.window_days

)

select * from final
