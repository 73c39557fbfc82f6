-- A view, since most of it is `predictions`; it reads marts alone, as whoever asks.
{{
    config(
        materialized='view',
        post_hook='{{ ask_as_reader() }}'
    )
}}

with

predictions as (

    select * from {{ ref('predictions') }}

),

past_predictions as (

    select * from {{ ref('past_predictions') }}

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
        scored_at,
        true as is_active

    from predictions

    union all

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
        scored_at,
        false as is_active

    from past_predictions

)

select * from final
