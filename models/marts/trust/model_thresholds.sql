with

thresholds as (

    select * from {{ ref('int_evaluation_thresholds') }}

),

final as (

    select
        evaluation_id,
        prediction_window,
        group_name,
        group_value,
        threshold,
        flagged_count,
        sensitivity,
        specificity,
        ppv,
        lift,
        net_benefit,
        net_benefit_all,
        patient_count,
        event_count,
        is_small

    from thresholds

)

select * from final
