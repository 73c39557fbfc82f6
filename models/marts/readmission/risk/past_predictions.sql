-- depends_on: {{ ref('patients') }}
-- By it the row policy tells whose these are: made anew, it takes the policy along.

with

tiered_predictions as (

    select * from {{ ref('int_tiered_predictions') }}

),

final as (

    select
        batch_id,
        patient_id,
        prediction_window,
        organization_id,
        risk_score,
        risk_tier,
        model_version,
        reason_1,
        reason_1_contribution,
        reason_1_value,
        reason_2,
        reason_2_contribution,
        reason_2_value,
        reason_3,
        reason_3_contribution,
        reason_3_value,
        scored_at

    from tiered_predictions

    where not is_active

)

select * from final
