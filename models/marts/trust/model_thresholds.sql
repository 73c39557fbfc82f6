with

thresholds as (

    select * from {{ ref('int_evaluation_thresholds') }}

),

final as (

    select
        evaluation_id,
        prediction_window,
        threshold,
        flagged_count,
        sensitivity,
        specificity,
        ppv,
        lift,
        net_benefit,
        net_benefit_all

    from thresholds

)

select * from final
