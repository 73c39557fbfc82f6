with

predictions as (

    select * from {{ ref('predictions') }}

),

previous_tiers as (

    select * from {{ ref('int_previous_tiers') }}

),

-- Who left with the cohort before has no prediction now, and is not counted.
final as (

    select
        predictions.organization_id,
        predictions.prediction_window,
        previous_tiers.previous_tier,
        predictions.risk_tier,
        count(*) as patient_count

    from previous_tiers

    inner join predictions
        on
            previous_tiers.patient_id = predictions.patient_id
            and previous_tiers.prediction_window = predictions.prediction_window

    group by
        predictions.organization_id,
        predictions.prediction_window,
        previous_tiers.previous_tier,
        predictions.risk_tier

)

select * from final
