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

-- how many people there are in each group, and whether these are too few
counts as (

    select * from {{ ref('int_evaluation_metrics') }}

    where metric = 'observed_rate'

),

final as (

    select
        evaluations.evaluation_id,
        windows.prediction_window,
        thresholds.group_name,
        thresholds.group_value,
        thresholds.threshold,
        thresholds.flagged_count,
        thresholds.sensitivity,
        thresholds.specificity,
        thresholds.ppv,
        thresholds.lift,
        thresholds.net_benefit,
        thresholds.net_benefit_all,
        counts.patient_count,
        counts.event_count,
        counts.is_small

    from thresholds

    inner join evaluations on thresholds.evaluation_id = evaluations.evaluation_id

    inner join windows on thresholds.window_days = windows.window_days

    left join counts
        on
            thresholds.evaluation_id = counts.evaluation_id
            and windows.prediction_window = counts.prediction_window
            and thresholds.group_name = counts.group_name
            and thresholds.group_value = counts.group_value

)

select * from final
