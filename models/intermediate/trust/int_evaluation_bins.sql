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

final as (

    select
        evaluations.evaluation_id,
        windows.prediction_window,
        bins.bin_type,
        bins.bin,
        bins.patient_count,
        bins.expected_rate,
        bins.event_count,
        bins.observed_rate,
        bins.lower,
        bins.upper,
        bins.gate_lower,
        bins.gate_upper

    from bins

    inner join evaluations on bins.evaluation_id = evaluations.evaluation_id

    inner join windows on bins.window_days = windows.window_days

)

select * from final
