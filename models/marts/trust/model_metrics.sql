with

metrics as (

    select * from {{ ref('int_evaluation_metrics') }}

),

final as (

    select
        evaluation_id,
        prediction_window,
        group_name,
        group_value,
        metric,
        value,
        lower,
        upper,
        patient_count,
        event_count,
        is_small

    from metrics

)

select * from final
