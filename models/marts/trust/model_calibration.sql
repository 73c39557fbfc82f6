with

bins as (

    select * from {{ ref('int_evaluation_bins') }}

),

final as (

    select
        evaluation_id,
        prediction_window,
        group_name,
        group_value,
        bin_type,
        bin,
        patient_count,
        expected_rate,
        event_count,
        observed_rate,
        lower,
        upper,
        gate_lower,
        gate_upper,
        is_small

    from bins

)

select * from final
