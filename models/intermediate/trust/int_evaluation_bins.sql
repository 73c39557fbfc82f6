with

evaluations as (

    select * from {{ ref('int_latest_evaluations') }}

),

windows as (

    select * from {{ ref('prediction_windows') }}

),

bins as (

    select * from {{ ref('stg_scoring__evaluation_bins') }}

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
        bins.group_name,
        bins.group_value,
        bins.bin_type,
        bins.bin,
        bins.patient_count,
        bins.expected_rate,
        bins.event_count,
        bins.observed_rate,
        bins.lower,
        bins.upper,
        bins.gate_lower,
        bins.gate_upper,
        counts.is_small

    from bins

    inner join evaluations on bins.evaluation_id = evaluations.evaluation_id

    inner join windows on bins.window_days = windows.window_days

    left join counts
        on
            bins.evaluation_id = counts.evaluation_id
            and windows.prediction_window = counts.prediction_window
            and bins.group_name = counts.group_name
            and bins.group_value = counts.group_value

)

select * from final
